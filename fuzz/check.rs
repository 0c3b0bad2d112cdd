//! What must hold for any input; shared by the fuzz target and the replay of its corpus.

use super::redact::{
    Builtins, Fields, HashKey, Mode, Pattern, Pii, Redactor, Report, Rules, Shape,
};

/// The first byte chooses the rules and the shape, the rest is the input.
///
/// # Panics
/// If the output is no JSON, or is not the same when it is redacted again.
pub(super) fn check(data: &[u8]) {
    let Some((&choice, input)) = data.split_first() else {
        return;
    };
    let (redactor, custom) = redactor(choice);
    let shape = if choice & 0x40 == 0 {
        Shape::Body
    } else {
        Shape::Value
    };
    let max = if choice & 0x80 == 0 { 1 << 20 } else { 256 };
    let seal = |json: &[u8]| redactor.sealed(json, shape, max, &mut Report::default());
    let once = seal(input);
    let once = once.as_deref().unwrap_or(input);
    let json = serde_json::from_slice::<serde::de::IgnoredAny>(once);
    assert!(json.is_ok() || is_limit(&json), "no JSON: {json:?}");
    if custom || max < input.len() {
        // Patterns of the user may match what stands for a match; a cut has a new marker.
        return;
    }
    let twice = seal(once);
    let twice = twice.as_deref().unwrap_or(once);
    assert_eq!(
        String::from_utf8_lossy(twice),
        String::from_utf8_lossy(once),
        "a second time changes something"
    );
    if let Ok(text) = std::str::from_utf8(input) {
        drop(redactor.text(text));
    }
}

/// The parser's own bound on depth is none of JSON's.
fn is_limit<T>(result: &Result<T, serde_json::Error>) -> bool {
    let error = result.as_ref().err().map(ToString::to_string);
    error.is_some_and(|error| error.starts_with("recursion limit exceeded"))
}

fn redactor(choice: u8) -> (Redactor, bool) {
    let mode = [Mode::Label, Mode::Hash, Mode::Remove, Mode::Pseudonym];
    let custom = choice & 0x10 != 0;
    let patterns = [r"\d+", r"(?<=a)b*(?!c)", r"x*"];
    let patterns = patterns.iter().filter(|_| custom);
    let pii = Pii {
        fields: Fields::default(),
        mode: mode
            .get(usize::from(choice & 3))
            .copied()
            .unwrap_or_default(),
        hash_key: Some(HashKey(b"key".to_vec())),
        builtins: Builtins {
            international_phones: choice & 8 != 0,
            ibans: choice & 8 != 0,
            ..Builtins::default()
        },
        custom: patterns.filter_map(|p| Pattern::new(p, "L").ok()).collect(),
    };
    let rules = Rules {
        pii: (choice & 0x20 == 0).then_some(pii),
        secrets: choice & 4 == 0,
        ..Rules::default()
    };
    (Redactor::new(rules), custom)
}
