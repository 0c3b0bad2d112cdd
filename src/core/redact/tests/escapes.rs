//! What is written in escapes is looked at as what it stands for.

use super::{body, pii, text};

#[test]
fn escapes_in_a_text_that_is_no_json() {
    for (written, expected) in [
        (r"a\u0040b.co", "[EMAIL]"),
        (r"so a\\\\u0040b.co it is", "so [EMAIL] it is"),
        (r"a\x40b.co a%40b.co a%2540b.co", "[EMAIL] [EMAIL] [EMAIL]"),
        (
            r"KeyError: 'call 415\xa0555\xa01234'",
            "KeyError: 'call [PHONE]'",
        ),
        (r"415\u00a0555\u20091234", "[PHONE]"),
        (r"'\uff14\uff11\uff15-555-1234'", "'[PHONE]'"),
        (
            r"b'\xef\xbc\x94\xef\xbc\x91\xef\xbc\x95-555-1234'",
            "b'[PHONE]'",
        ),
        (r"\u{ff14}\u{ff11}\u{ff15}-555-1234", "[PHONE]"),
        (r"tel=415%20555%201234", "tel=[PHONE]"),
        (r"4111\u00a01111\xa01111\\u20031111", "[CREDIT_CARD]"),
        (r"2001\u003adb8\x3a\u003a1", "[IP_ADDRESS]"),
        (r"a\n10.0.0.1\n123-45-6789\tb", r"a\n[IP_ADDRESS]\n[SSN]\tb"),
        (r"a\nbob@x.co\\nbob@x.co", r"a\n[EMAIL]\\n[EMAIL]"),
        (r"C:\users\bob@x.co", r"C:\users\[EMAIL]"),
    ] {
        assert_eq!(text(written), expected, "{written}");
        assert_eq!(text(expected), expected, "a second time");
    }
    for kept in [
        r"C:\new\table\10",
        r"\d{3}-\d{4} %d %s",
        r"\u00",
        "100% of 50%20",
    ] {
        assert_eq!(text(kept), kept);
    }
}

#[test]
fn a_secret_in_escapes() {
    let key = "abcDEF1234567890abcdefghij";
    for (written, expected) in [
        (format!(r"'sk\u002dproj-{key}'"), r"'[SECRET:openai_key]'"),
        (
            format!(r"k\nghp_{key}abcdef\nx"),
            r"k\n[SECRET:github_token]\nx",
        ),
        (
            format!("q=%22ghp_{key}abcdef%22"),
            "q=%22[SECRET:github_token]%22",
        ),
        (
            format!(r"Bearer\xa0{key}"),
            r"Bearer\xa0[SECRET:bearer_token]",
        ),
        (format!("gh\u{200B}p_{key}abcdef"), "[SECRET:github_token]"),
        (
            r"x:\/\/u:hunter2\u0040h".to_owned(),
            r"x:\/\/u:[SECRET:url_password]\u0040h",
        ),
    ] {
        let out = body(pii(), &serde_json::json!({"metadata": written}));
        assert_eq!(out["metadata"], expected, "{written}");
    }
}

#[test]
fn json_in_json_however_often_it_was_written() {
    let inner = serde_json::json!({
        "mail": "a@b.co", "call": "４１５\u{A0}555\u{A0}1234", "password": "hunter2", "n": 4_155_551_234_u64,
    });
    let clean = serde_json::json!({
        "mail": "[EMAIL]", "call": "[PHONE]", "password": "[REDACTED]", "n": "[PHONE]",
    });
    let (mut written, mut expected) = (inner.to_string(), clean.to_string());
    for times in 1..6 {
        let out = body(pii(), &serde_json::json!({"metadata": written}));
        assert_eq!(out["metadata"], expected, "{times} times");
        written = serde_json::Value::from(written).to_string();
        expected = serde_json::Value::from(expected).to_string();
    }
    // Within a text only the escapes are read, and the text stays what it was around them.
    let ascii = r#"{\"call\": \"\\uff14\\uff11\\uff15-555\\u00a01234\"}"#;
    let out = body(
        pii(),
        &serde_json::json!({"metadata": format!("got {ascii}!")}),
    );
    assert_eq!(out["metadata"], r#"got {\"call\": \"[PHONE]\"}!"#);
}

#[test]
fn numbers_that_only_python_writes_are_no_hiding_place() {
    let written = r#"{"a": [NaN, -Infinity, Infinity], "password": "x", "mail": "a\u0040b.co"}"#;
    let out = body(pii(), &serde_json::json!({"metadata": written}));
    let expected =
        r#"{"a": [NaN, -Infinity, Infinity], "password": "[REDACTED]", "mail": "[EMAIL]"}"#;
    assert_eq!(out["metadata"], expected);
}
