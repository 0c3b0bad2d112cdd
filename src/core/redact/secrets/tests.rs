//! What is found as a secret, and what is not.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::alphabet::Alphabet::{self, Alnum, Base64, Dash, Dotted, Hex, Path, Upper, Url64, Word};
use super::*;

fn found(text: &str) -> Vec<String> {
    let mut hits = Hits::default();
    find(text.as_bytes(), Traits::of_text(text.as_bytes()), &mut hits);
    hits.iter()
        .map(|hit| format!("{}={}", hit.rule.name(), &text[hit.start..hit.end]))
        .collect()
}

#[test]
fn the_password_of_a_url_and_nothing_else_of_it() {
    assert_eq!(
        found("postgres://bob:hunter2@db.local:5432/x?q=a:b@c"),
        ["url_password=hunter2"]
    );
    assert!(found("https://host:8080/a@b and http://[::1]:80/").is_empty());
}

#[test]
fn ordinary_words_that_begin_like_a_key() {
    for text in [
        "sk-learn-compatible-estimators-2 task-1234567890-abcdefghijklmnop",
        "the Basic idea and a Bearer of authentication-by-description",
        "eyJust.a.sentence AKIA SG.nothing npm_package_name_of_the_month",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    ] {
        assert!(found(text).is_empty(), "{text}: {:?}", found(text));
    }
}

#[test]
fn a_private_key_whose_end_was_cut_off_goes_to_the_end_of_the_text() {
    let text = "key: -----BEGIN RSA PRIVATE KEY-----\nMIIEow and so on";
    assert_eq!(found(text), [format!("private_key={}", &text[5..])]);
}

/// Characters of an alphabet without a digit, where it has enough others: a random value has none
/// now and then.
fn letters(alphabet: Alphabet) -> &'static str {
    match alphabet {
        Alnum => "[A-Za-z]",
        Upper => "[A-Z]",
        Hex => "[a-f0-9]",
        Word => "[A-Za-z_]",
        Dash | Url64 => "[A-Za-z_-]",
        Dotted => "[A-Za-z_.-]",
        Path => "[A-Za-z_/-]",
        Base64 => "[A-Za-z+/]",
    }
}

/// A pattern for the values of a rule, each of the shortest length that is one.
fn values(beginning: &str, shape: Shape) -> Option<String> {
    let (alphabet, length) = match shape {
        Shape::Long(Dotted, least) => {
            return Some(format!(
                "{}[A-Za-z_.-]{{{}}}[A-Za-z]",
                plain(beginning),
                least - 1
            ));
        }
        Shape::Long(alphabet, least) | Shape::Exact(alphabet, least) => (alphabet, least),
        Shape::SkKey => (Alnum, 48),
        Shape::Numbered(..) => return Some(format!("{}[0-9][A-Za-z-]{{12}}", plain(beginning))),
        _ => return None,
    };
    let letters = letters(alphabet);
    Some(format!("{}{letters}{{{length}}}", plain(beginning)))
}

fn plain(beginning: &str) -> String {
    regex::escape(beginning)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_value_of_letters_alone_is_found_wherever_it_stands(seed in any::<u64>()) {
        let seed = prop::test_runner::TestRng::from_seed(
            prop::test_runner::RngAlgorithm::ChaCha,
            &[seed.to_le_bytes(), [0; 8], [0; 8], [0; 8]].concat(),
        );
        let mut runner = prop::test_runner::TestRunner::new_with_rng(ProptestConfig::default(), seed);
        for (kind, beginning, shape) in RULES {
            let Some(pattern) = values(beginning, *shape) else { continue };
            let tree = prop::string::string_regex(&pattern).unwrap().new_tree(&mut runner).unwrap();
            let value = tree.current();
            let rule = format!("{kind}={value}");
            for (before, behind) in [
                ("", ""), ("key=", ""), ("key: ", "\n"), ("\"", "\""), ("'", "',"), ("a\n", "\nb"),
                ("https://x.test/?k=", "&x=1"), ("(", ")."), ("cache_", ""),
                ("\u{1B}[31m", "\u{1B}[0m"), ("é", "é"), ("\t", "\t"), ("[", "]"), (">", "<"),
            ] {
                let text = format!("{before}{value}{behind}");
                let all = found(&text);
                prop_assert!(all.contains(&rule), "{rule} in {text:?}: {all:?}");
            }
        }
    }
}

#[test]
fn a_token_of_letters_behind_the_name_of_its_header() {
    for text in [
        "Authorization: Bearer abcdefghijkl",
        "-H 'authorization: bearer abcdefghijkl'",
        "{\"Authorization\": \"Bearer abcdefghijkl\"}",
    ] {
        assert_eq!(found(text), ["bearer_token=abcdefghijkl"], "{text}");
    }
    assert_eq!(
        found("Bearer qWeRtYuIoPaSdFgHjKl"),
        ["bearer_token=qWeRtYuIoPaSdFgHjKl"]
    );
}

#[test]
fn a_token_of_several_parts_is_taken_whole() {
    for token in [
        "eyJhbGciOiJkaXIifQ..aaaaaaaaaaaaaaaa.bbbbbbbbbbbb.cccccccccccc",
        "eyJhbGciOiJSU0EifQ.dddddddd.aaaaaaaaaaaaaaaa.bbbbbbbbbbbb.cccccccccccc",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    ] {
        assert_eq!(found(&format!("{token}.")), [format!("jwt={token}")]);
    }
    let bot = format!("123456789:AA{}", "aB-_c".repeat(6) + "def");
    assert_eq!(
        found(&format!("https://api.telegram.org/bot{bot}/getMe")),
        [format!("telegram_token={bot}")]
    );
}
