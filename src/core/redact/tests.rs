use super::*;

mod corpus;
mod escapes;
mod ordinary;
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
fn a_name_that_is_denied_once_it_is_redacted_is_denied_at_once() {
    let rules = Rules {
        pii: Some(Pii {
            mode: Mode::Remove,
            ..Pii::default()
        }),
        ..Rules::default()
    };
    let given = serde_json::json!({"toolInput": {"password415-555-1234": "open sesame"}});
    let once = body(rules.clone(), &given);
    assert!(!once.to_string().contains("sesame"), "{once}");
    assert_eq!(body(rules, &once), once);
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

#[test]
fn what_is_written_in_escapes_is_looked_at_as_what_it_stands_for() {
    let redactor = Redactor::new(pii());
    for (escaped, redacted) in [
        (r"a\u0040b.co", "[EMAIL]"),
        (r"\uff14\uff11\uff15-555-1234", "[PHONE]"),
        (r"2001\u003adb8\u003a\u003a1", "[IP_ADDRESS]"),
        (
            r"x\u003a//u\u003ahunter2\u0040h",
            "x://u:[SECRET:url_password]@h",
        ),
    ] {
        // As a value, as a name, and in a text that is JSON itself.
        let nested = format!(r#"{{"k":"{escaped}"}}"#);
        let json = format!(
            r#"{{"metadata":{{"k":"{escaped}","{escaped}":1,"text":{}}}}}"#,
            serde_json::Value::from(nested)
        );
        let out = redactor.sealed(
            json.as_bytes(),
            Shape::Body,
            1 << 20,
            &mut Report::default(),
        );
        let out: serde_json::Value = serde_json::from_slice(&out.unwrap()).unwrap();
        let expected = serde_json::json!({
            "metadata": {"k": redacted, redacted: 1, "text": format!(r#"{{"k":"{redacted}"}}"#)},
        });
        assert_eq!(out, expected);
    }
}

#[test]
fn a_second_look_finds_what_the_first_has_laid_bare() {
    for (input, expected) in [
        ("ssn: 415-555-1234 123456789", "ssn: [PHONE] [SSN]"),
        ("a@b.co415-555-1234", "[EMAIL][PHONE]"),
    ] {
        assert_eq!(text(input), expected);
    }
    // Where nothing stands for the number the halves of the beginning of the key meet.
    let key = "gh(415) 555-1234p_abcdefghijklmnopqrstuvwxyz0123456789";
    for (mode, expected) in [
        (Mode::Remove, "[SECRET:github_token]"),
        (
            Mode::Label,
            "gh[PHONE]p_abcdefghijklmnopqrstuvwxyz0123456789",
        ),
    ] {
        let rules = Rules {
            pii: Some(Pii {
                mode,
                ..Pii::default()
            }),
            ..Rules::default()
        };
        let out = body(rules, &serde_json::json!({"metadata": key}));
        assert_eq!(out["metadata"], expected);
    }
}

#[test]
fn nothing_is_found_in_a_uuid() {
    let all = Builtins {
        international_phones: true,
        ibans: true,
        ..Builtins::default()
    };
    let rules = Rules {
        pii: Some(Pii {
            builtins: all,
            ..Pii::default()
        }),
        ..Rules::default()
    };
    for uuid in [
        "41111111-1111-1111-1111-111111111111",
        "DE893704-0044-0532-0130-004155551234",
    ] {
        let json = serde_json::json!({"metadata": {"id": uuid, "text": format!("{uuid}.")}});
        assert_eq!(body(rules.clone(), &json), json);
    }
}
