//! What holds for any bytes.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::{Builtins, HashKey, Log, Mode, Pii, Redactor, Report, Rules, Shape};

/// Pieces that rules look for, begin to look like what they look for, or stumble over.
const PIECES: &[&str] = &[
    "a@b.co",
    "@",
    "x@",
    "@y.zz",
    "415-555-1234",
    "(415) 555",
    "1234",
    "4155551234",
    "123-45-6789",
    "4111111111111111",
    "4111 1111 ",
    "1111",
    "10.0.0.1",
    "10.",
    "2001:db8::1",
    "::",
    "sk-",
    "eyJ",
    "sk-proj-abcDEF1234567890abcdef",
    "Bearer ",
    "abc123def456ghi789jkl",
    "://u:p@h",
    "password",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----END RSA PRIVATE KEY-----",
    "{\"password\":\"x\"}",
    "\\",
    "\\\\",
    "\\n",
    "\\u0040",
    "\\xa0",
    "\\ud83d",
    "%25",
    "\"",
    "\n",
    "\u{0}",
    "é",
    "日本",
    "４１５",
    "\u{200B}",
    "😀",
    " ",
    ".",
    "-",
    "_",
    "[EMAIL]",
    "ssn",
    "0",
    "00",
    "AKIA",
    "ABCDEFGHIJKLMNOP",
    "%40",
    "n",
    "[",
    "]",
    "{",
    "}",
    "data:a/b;base64,",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(prop::sample::select(PIECES), 0..8).prop_map(|parts| parts.concat()),
        any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (4_000_000_000_u64..5_000_000_000).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            members(inner).prop_map(Value::from),
        ]
    })
}

fn members(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((text(), inner), 0..5).prop_map(|all| all.into_iter().collect())
}

fn body() -> impl Strategy<Value = Value> {
    const NAMES: &[&str] = &["toolInput", "userId", "metadata", "sessionId", "x"];
    let members = prop::collection::vec((prop::sample::select(NAMES), value()), 0..4);
    members.prop_map(|all| {
        let all = all
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Value::from(all.collect::<Map<_, _>>())
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    const MODES: &[Mode] = &[Mode::Label, Mode::Hash, Mode::Remove, Mode::Pseudonym];
    let mode = prop::option::of(prop::sample::select(MODES));
    (mode, any::<bool>(), any::<bool>()).prop_map(|(mode, secrets, more)| Rules {
        pii: mode.map(|mode| Pii {
            mode,
            hash_key: Some(HashKey(b"key".to_vec())),
            builtins: Builtins {
                international_phones: more,
                ibans: more,
                ..Builtins::default()
            },
            ..Pii::default()
        }),
        secrets,
        ..Rules::default()
    })
}

fn sealed(rules: Rules, json: &[u8], shape: Shape) -> Option<Vec<u8>> {
    Redactor::new(rules).sealed(json, shape, 1 << 20, &mut Report::default())
}

fn is_json(bytes: &[u8]) -> bool {
    // Walks the syntax without holding values: no limits on numbers.
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

proptest! {
    #[test]
    fn a_body_stays_json_and_a_second_time_changes_nothing(rules in rules(), body in body()) {
        let json = body.to_string();
        let once = sealed(rules.clone(), json.as_bytes(), Shape::Body);
        let once = once.as_deref().unwrap_or(json.as_bytes());
        prop_assert!(serde_json::from_slice::<Value>(once).is_ok());
        let twice = sealed(rules, once, Shape::Body);
        let twice = twice.as_deref().unwrap_or(once);
        prop_assert_eq!(String::from_utf8_lossy(twice), String::from_utf8_lossy(once));
    }

    #[test]
    fn the_tail_of_a_body_is_treated_like_the_body(rules in rules(), body in body()) {
        let json = body.to_string();
        let tail = json.replacen('{', if json == "{}" { "" } else { "," }, 1);
        let whole = sealed(rules.clone(), json.as_bytes(), Shape::Body);
        let end = sealed(rules, tail.as_bytes(), Shape::Tail);
        let end = end.map(|tail| String::from_utf8(tail).unwrap().replacen(',', "{", 1));
        prop_assert_eq!(end, whole.map(|whole| String::from_utf8(whole).unwrap()));
    }

    #[test]
    fn any_bytes_end_in_json(rules in rules(), bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let out = sealed(rules, &bytes, Shape::Value);
        prop_assert!(is_json(out.as_deref().unwrap_or(&bytes)));
    }

    #[test]
    fn broken_json_is_withheld(body in body(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut json = body.to_string().into_bytes();
        let at = at.index(json.len());
        json[at] = byte;
        let out = sealed(super::pii(), &json, Shape::Body);
        prop_assert!(is_json(out.as_deref().unwrap_or(&json)));
    }

    #[test]
    fn small_limits_hold(body in body(), max in 64_usize..2_000) {
        let json = body.to_string();
        let redactor = Redactor::new(super::pii());
        let out = redactor.sealed(json.as_bytes(), Shape::Body, max, &mut Report::default());
        prop_assert!(is_json(out.as_deref().unwrap_or(json.as_bytes())));
    }

    #[test]
    fn every_replacement_is_counted_once(body in body()) {
        let json = body.to_string();
        let mut log = Log { findings: Some(Vec::new()), ..Log::default() };
        let redactor = Redactor::new(super::pii());
        let out = redactor.json(json.as_bytes(), Shape::Body, &mut log).unwrap();
        let counted: u64 = log.report.counts().values().flat_map(|fields| fields.values()).sum();
        prop_assert_eq!(usize::try_from(counted).unwrap(), log.findings.unwrap().len());
        prop_assert_eq!(out.is_some(), counted > 0);
    }
}
