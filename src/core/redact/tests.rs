use super::*;

mod corpus;
mod properties;

fn pii() -> Rules {
    Rules {
        pii: Some(Pii::default()),
        ..Rules::default()
    }
}

fn body(rules: Rules, json: &serde_json::Value) -> serde_json::Value {
    let mut report = Report::default();
    let text = json.to_string();
    let out = Redactor::new(rules).sealed(text.as_bytes(), Shape::Body, 1 << 20, &mut report);
    serde_json::from_slice(out.as_deref().unwrap_or(text.as_bytes())).unwrap()
}

fn text(input: &str) -> String {
    let rules = Rules {
        secrets: false,
        keep_media: true,
        ..pii()
    };
    let redactor = Redactor::new(rules);
    redactor.text(input).unwrap_or_else(|| input.to_owned())
}

#[test]
fn a_card_is_a_card_and_not_a_phone() {
    assert_eq!(text("4111111111111111"), "[CREDIT_CARD]");
    assert_eq!(
        text("4111 1111 1111 1111 10.0.0.1"),
        "[CREDIT_CARD] [IP_ADDRESS]"
    );
    assert_eq!(
        text("6011 1111 1111 1117 4155551234"),
        "[CREDIT_CARD] [PHONE]"
    );
}

#[test]
fn identifiers_times_and_decimal_numbers_are_no_phones() {
    for kept in [
        "3.14159265358979",
        "-122.4194155",
        "1700000000",
        "1700000000000",
        "1700000000000000000",
        "550e8400-e29b-41d4-a716-446655440000",
        "550e8400-e29b-41d4-8716-446655440000",
        "12345678901234567890",
        "sha 9a4155551234b0",
    ] {
        assert_eq!(text(kept), kept);
    }
}

#[test]
fn everything_in_a_body_is_covered_but_identifiers() {
    let out = body(
        pii(),
        &serde_json::json!({
            "name": "a@b.co", "userId": "a@b.co", "sessionId": "a@b.co",
            "toolInput": {"a@b.co": 4_155_551_234_u64, "c@d.co": [["a@b.co"]]},
            "stateBefore": {"x": "{\"email\":\"a@b.co\",\"password\":\"hunter2\"}"},
            "durationMs": 4_155_551_234_u64,
            "toolError": {"message": "call 415-555-1234", "stack_trace": "a@b.co\n10.0.0.1"},
        }),
    );
    assert_eq!(
        out,
        serde_json::json!({
            "name": "a@b.co", "userId": "a@b.co", "sessionId": "a@b.co",
            "toolInput": {"[EMAIL]": "[PHONE]", "[EMAIL] (2)": [["[EMAIL]"]]},
            "stateBefore": {"x": "{\"email\":\"[EMAIL]\",\"password\":\"[REDACTED]\"}"},
            "durationMs": 4_155_551_234_u64,
            "toolError": {"message": "call [PHONE]", "stack_trace": "[EMAIL]\n[IP_ADDRESS]"},
        })
    );
}

#[test]
fn p9_what_stands_for_a_custom_match_is_not_matched_again() {
    let custom = [
        ("EMP", "EMP"),
        (r"\w+-\d+", "ID-7"),
        ("M", "EMP"),
        ("x*", "-"),
    ];
    for mode in [Mode::Label, Mode::Pseudonym] {
        for (pattern, label) in custom {
            let rules = Rules {
                pii: Some(Pii {
                    mode,
                    hash_key: Some(HashKey(b"key".to_vec())),
                    custom: vec![Pattern::new(pattern, label).unwrap()],
                    ..Pii::default()
                }),
                ..Rules::default()
            };
            let redactor = Redactor::new(rules);
            let once = redactor.text("EMP ab-12 M").unwrap();
            assert_eq!(redactor.text(&once), None, "{pattern}: {once}");
        }
    }
}
