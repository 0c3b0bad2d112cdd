//! Ordinary data survives with personal data switched on, and what is personal is still found.

use proptest::prelude::*;

use super::text;

#[test]
fn identifiers_of_many_kinds_are_left() {
    for kept in [
        "ORD-1221-9816144",
        "INV-1234-5678901",
        "ORD-4155551234",
        "SKU-415-5551234",
        "113-1234567-7654321",
        "702-1234567-2345678",
        "1.3.6.1.5.5.7.3.1",
        "2.16.840.1.101.3.4.2.1",
        "oid 2.5.4.3",
        "1.2.3.4.5",
        "S-1-5-21-3623811015-3361044348-30300820-1013",
        "arn:aws:iam::123456789012:role/x",
        "arn:aws:lambda:us-east-1:415555123412:function:f:1",
        "978-93-5019-561-2",
        "978-3-16-148410-0",
        "ISBN 3161484100",
        "Chrome/120.0.0.0 Safari/537.36",
        "version 1.2.3.4, build: 10.0.0.1",
        "pkg==1.2.3.4",
        "x[1::2] y[::2] a::b1 00:1a:2b:3c:4d:5e",
        "400000000000000002",
        "1234-5678-9012",
        "20240131123045",
        "0x7f4155551234",
        "d41d8cd98f00b204e9800998ecf8427e",
    ] {
        assert_eq!(text(kept), kept);
    }
}

#[test]
fn what_is_personal_is_found_in_every_usual_form() {
    for (found, label) in [
        ("415-555-1234", "[PHONE]"),
        ("(415)5551234", "[PHONE]"),
        ("415-5551234", "[PHONE]"),
        ("1-800-5550199", "[PHONE]"),
        ("+1415-5551234", "[PHONE]"),
        ("TEL-4155551234", "TEL-[PHONE]"),
        ("tel:4155551234.", "tel:[PHONE]."),
        ("10.0.0.1.", "[IP_ADDRESS]."),
        (
            "http://10.0.0.1:80/ client/10.1.2.3",
            "http://[IP_ADDRESS]:80/ client/[IP_ADDRESS]",
        ),
        ("10.0.0.1-10.0.0.9", "[IP_ADDRESS]-[IP_ADDRESS]"),
        ("fe80::1 1:2:3:4:5:6:7:8", "[IP_ADDRESS] [IP_ADDRESS]"),
        ("4111-1111-1111-1111", "[CREDIT_CARD]"),
        (
            "3782 822463 10005 3782-822463-10005",
            "[CREDIT_CARD] [CREDIT_CARD]",
        ),
    ] {
        assert_eq!(text(found), label);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn numbers_of_things_are_left(kept in prop_oneof![
        "S-1-5-21-[1-9][0-9]{8,9}-[1-9][0-9]{8,9}-[1-9][0-9]{8,9}-[1-9][0-9]{2,4}",
        "[0-2](\\.[0-9]{1,3}){4,10}",
        "[A-Z]{3}-1[0-9]{3}-[0-9]{7}",
        "[0-9]{3}-[0-9]{7}-[0-9]{7}",
        "arn:aws:(iam:|s3:|sns:us-east-1|lambda:eu-west-2):[0-9]{12}:(role/x|topic|function:f:1)",
        "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{6}Z",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    ]) {
        prop_assert_eq!(text(&kept), kept);
    }

    #[test]
    fn numbers_of_people_are_found(
        (found, label) in prop_oneof![
            ("[2-9][0-9]{2}-[0-9]{3}-[0-9]{4}", Just("[PHONE]")),
            ("\\([2-9][0-9]{2}\\) [0-9]{3}-[0-9]{4}", Just("[PHONE]")),
            ("\\+1[2-9][0-9]{9}", Just("[PHONE]")),
            ("[2-9][0-9]{9}", Just("[PHONE]")),
            ("[0-9]{3}-[0-9]{2}-[0-9]{4}", Just("[SSN]")),
            ("(1?[0-9]?[0-9]\\.){3}1?[0-9]?[0-9]", Just("[IP_ADDRESS]")),
            ("2001:db8(:[0-9a-f]{1,4}){6}", Just("[IP_ADDRESS]")),
        ],
        around in prop::sample::select(&[("", ""), ("call ", "."), ("\"", "\""), ("<", ">"), ("a: ", ", b")]),
    ) {
        let (before, behind) = around;
        prop_assert_eq!(text(&format!("{before}{found}{behind}")), format!("{before}{label}{behind}"));
    }
}
