//! Unpaired surrogates in JSON escapes: valid to JavaScript and Python, which write them as they
//! are, but no text.

use std::borrow::Cow;

/// What stands for a character that cannot be told.
const REPLACEMENT: &str = "\\ufffd";
/// `\uXXXX`
const ESCAPE: usize = 6;

/// The text with every unpaired surrogate escape replaced by that of U+FFFD.
pub(super) fn replaced(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', text.as_bytes().get(at..).unwrap_or_default()) {
        at += found;
        match unit(text, at) {
            Some(0xd800..=0xdbff) if matches!(unit(text, at + ESCAPE), Some(0xdc00..=0xdfff)) => {
                at += 2 * ESCAPE;
            }
            Some(0xd800..=0xdfff) => {
                out.push_str(text.get(copied..at).unwrap_or_default());
                out.push_str(REPLACEMENT);
                at += ESCAPE;
                copied = at;
            }
            // Another escape: its second character may be a backslash itself.
            _ => at += 2,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// The code unit of the escape `\uXXXX` at `at`, if one is there.
fn unit(text: &str, at: usize) -> Option<u32> {
    let digits = text.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::replaced;

    #[test]
    fn only_what_is_unpaired_is_replaced() {
        for (text, expected) in [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\uDC00x""#, r#""\ufffdx""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\u0041""#, r#""\ufffd\u0041""#),
        ] {
            assert_eq!(replaced(text), expected);
        }
        for text in [
            r#""\ud83d\ude00 \u00e9 \\ud83d \n""#,
            r#""\u12""#,
            "\\",
            "plain",
        ] {
            assert!(matches!(replaced(text), Cow::Borrowed(_)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_replaced_is_json(units in prop::collection::vec(any::<u16>(), 0..8)) {
            let escapes: Vec<_> = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let text = escapes.concat();
            let read = serde_json::from_str::<String>(&format!("\"{}\"", replaced(&text))).unwrap();
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }
    }
}
