//! What looks like ASCII, as ASCII: digits and spaces of other scripts, full-width letters, typographic
//! dashes. Characters without width are left out. A match in the folded text has its place in the
//! original.

use super::view::View;

/// First code points of the runs of ten decimal digits (Unicode general category Nd) outside ASCII.
const ZEROS: [u32; 75] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6,
    0xE50, 0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50,
    0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
    0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0,
    0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50, 0x11D50,
    0x11DA0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0, 0x1D7CE, 0x1D7D8,
    0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950, 0x1FBF0,
];

/// Folds `text`, or returns `None` if there is nothing to fold.
pub(super) fn fold(text: &[u8]) -> Option<View> {
    let valid = text.utf8_chunks();
    if !valid
        .clone()
        .flat_map(|chunk| chunk.valid().chars())
        .any(|c| fold_char(c) != Fold::Kept)
    {
        return None;
    }
    let mut folded = View::with_capacity(text.len());
    let mut at = 0;
    for chunk in valid {
        for c in chunk.valid().chars() {
            match fold_char(c) {
                Fold::Ascii(byte) => folded.push(&[byte], at, c.len_utf8()),
                Fold::Gone => {}
                Fold::Kept => folded.push(c.encode_utf8(&mut [0; 4]).as_bytes(), at, 1),
            }
            at += c.len_utf8();
        }
        folded.push(chunk.invalid(), at, 1);
        at += chunk.invalid().len();
    }
    Some(folded)
}

/// What becomes of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold {
    Kept,
    Gone,
    Ascii(u8),
}

fn fold_char(c: char) -> Fold {
    if c.is_ascii() {
        return Fold::Kept;
    }
    let code = u32::from(c);
    match c {
        // Most alphabets, without a search: letters up to Arabic, and Chinese, Japanese, Yi.
        '\u{A1}'..='\u{AC}' | '\u{AE}'..='\u{65F}' | '\u{3001}'..='\u{A61F}' => return Fold::Kept,
        '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{AD}' => return Fold::Gone,
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' => return Fold::Ascii(b'-'),
        '\u{FF01}'..='\u{FF5E}' => {
            return u8::try_from(code - 0xFEE0).map_or(Fold::Kept, Fold::Ascii);
        }
        _ if c.is_whitespace() => return Fold::Ascii(b' '),
        _ => {}
    }
    let zero = ZEROS
        .partition_point(|zero| *zero <= code)
        .checked_sub(1)
        .and_then(|at| ZEROS.get(at));
    let digit = zero.map(|zero| code - zero).filter(|digit| *digit < 10);
    let digit = digit.and_then(|digit| u8::try_from(digit).ok());
    digit.map_or(Fold::Kept, |digit| Fold::Ascii(b'0' + digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lead_back_to_the_original() {
        let text = "é\u{200B}４１\u{2013}٥";
        let folded = fold(text.as_bytes()).unwrap();
        assert_eq!(folded.text, "é41-5".as_bytes());
        let (start, end) = folded.original(2, 6);
        assert_eq!(text.get(start..end), Some("４１\u{2013}٥"));
    }

    #[test]
    fn ordinary_text_is_not_copied() {
        assert!(fold("naïve Ω 日本".as_bytes()).is_none());
    }

    #[test]
    fn every_decimal_digit_is_known() {
        assert!(ZEROS.is_sorted());
        let nd = regex::Regex::new(r"^\p{Nd}$").unwrap();
        let all: Vec<u32> = ('\u{80}'..=char::MAX)
            .filter(|c| nd.is_match(c.encode_utf8(&mut [0; 4])))
            .map(u32::from)
            .collect();
        let zeros: Vec<u32> = all
            .chunks(10)
            .filter_map(|run| run.first().copied())
            .collect();
        assert_eq!(ZEROS.to_vec(), zeros, "{zeros:#x?}");
        for (at, code) in all.iter().enumerate() {
            let digit = char::from_u32(*code).map(fold_char);
            assert_eq!(
                digit,
                Some(Fold::Ascii(b'0' + u8::try_from(at % 10).unwrap()))
            );
        }
    }
}
