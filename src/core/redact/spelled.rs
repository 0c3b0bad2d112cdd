//! Texts that are written in escapes (`\u0040`, `\xa0`, `\n`, `%40`), as what they stand for: the
//! `repr` of a text, JSON in JSON in a sentence, a URL. However many backslashes stand in front of
//! an escape, it is one: each time that a text is written as JSON doubles them.

use super::view::View;

/// What an escape stands for, and how long it is.
type Escape = (char, usize);

/// `text` with its escapes read; `None` if there are none.
pub(super) fn read(text: &[u8]) -> Option<View> {
    let mut view: Option<View> = None;
    let (mut at, mut copied) = (0, 0);
    while let Some(next) = memchr::memchr2(b'\\', b'%', text.get(at..)?) {
        at += next;
        let Some((c, length)) = escape(text, at) else {
            // Of a run of backslashes none is the beginning of an escape.
            at += backslashes(text, at).max(1);
            continue;
        };
        let view = view.get_or_insert_with(|| View::with_capacity(text.len()));
        view.push(text.get(copied..at)?, copied, 1);
        view.push_char(c, at, length);
        at += length;
        copied = at;
    }
    if let Some(view) = &mut view {
        view.push(text.get(copied..)?, copied, 1);
    }
    view
}

fn backslashes(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| **byte == b'\\').count()
}

fn escape(text: &[u8], at: usize) -> Option<Escape> {
    if text.get(at) == Some(&b'%') {
        return in_bytes(text, at, percent).or_else(|| percent(text, at).map(latin1));
    }
    let lead = backslashes(text, at);
    let kind = at + lead;
    let short = |c: char| Some((c, lead + 1));
    match *text.get(kind)? {
        b'n' => short('\n'),
        b'r' => short('\r'),
        b't' => short('\t'),
        b'b' => short('\u{8}'),
        b'f' => short('\u{C}'),
        quote @ (b'"' | b'\'' | b'/') => short(char::from(quote)),
        b'x' => in_bytes(text, at, backslash_x).or_else(|| backslash_x(text, at).map(latin1)),
        b'u' if text.get(kind + 1) == Some(&b'{') => braced(text, kind + 2, lead + 2),
        b'u' => utf16(text, at, kind),
        b'U' => {
            let c = char::from_u32(hex(text, kind + 1, 8)?)?;
            Some((c, lead + 9))
        }
        _ if lead > 1 => Some(('\\', lead)),
        _ => None,
    }
}

/// `\u{a0}`, as Rust and JavaScript write it.
fn braced(text: &[u8], from: usize, before: usize) -> Option<Escape> {
    let digits = text.get(from..)?.iter().take(7);
    let digits = digits.take_while(|byte| byte.is_ascii_hexdigit()).count();
    let closed = (1..=6).contains(&digits) && text.get(from + digits) == Some(&b'}');
    let c = char::from_u32(hex(text, from, digits).filter(|_| closed)?)?;
    Some((c, before + digits + 1))
}

/// `\u0040`, or a pair of them.
fn utf16(text: &[u8], at: usize, kind: usize) -> Option<Escape> {
    let unit = hex(text, kind + 1, 4)?;
    let end = kind + 5;
    let second = end + backslashes(text, end);
    let low = hex(text, second + 1, 4).filter(|low| {
        let escape = second > end && text.get(second) == Some(&b'u');
        escape && (0xD800..0xDC00).contains(&unit) && (0xDC00..0xE000).contains(low)
    });
    if let Some(low) = low {
        let code = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        return Some((char::from_u32(code)?, second + 5 - at));
    }
    // Half a pair stands for nothing that is looked for.
    let c = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some((c, end - at))
}

/// A byte that is written out, and how long that is.
type Written = (u8, usize);

/// A character whose bytes of UTF-8 are written out one by one.
fn in_bytes(text: &[u8], at: usize, byte: fn(&[u8], usize) -> Option<Written>) -> Option<Escape> {
    let (first, mut length) = byte(text, at)?;
    let width = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let mut bytes = vec![first];
    while bytes.len() < width {
        let (next, more) = byte(text, at + length)?;
        bytes.push(next);
        length += more;
    }
    let c = std::str::from_utf8(&bytes).ok()?.chars().next()?;
    Some((c, length))
}

fn latin1((byte, length): Written) -> Escape {
    (char::from(byte), length)
}

/// `\x40`, behind any number of backslashes.
fn backslash_x(text: &[u8], at: usize) -> Option<Written> {
    let lead = backslashes(text, at);
    let written = lead > 0 && text.get(at + lead) == Some(&b'x');
    let byte = hex(text, at + lead + 1, 2).filter(|_| written)?;
    Some((u8::try_from(byte).ok()?, lead + 3))
}

/// `%40`, or `%2540` if it was encoded once more.
fn percent(text: &[u8], at: usize) -> Option<Written> {
    if text.get(at) != Some(&b'%') {
        return None;
    }
    let mut from = at + 1;
    while text.get(from..from + 2) == Some(b"25") && hex(text, from + 2, 2).is_some() {
        from += 2;
    }
    let byte = u8::try_from(hex(text, from, 2)?).ok()?;
    Some((byte, from + 2 - at))
}

fn hex(text: &[u8], from: usize, count: usize) -> Option<u32> {
    let digits = text.get(from..from + count)?;
    digits.iter().try_fold(0, |sum, byte| {
        Some(sum * 16 + char::from(*byte).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(written: &str) -> Option<String> {
        read(written.as_bytes()).map(|view| String::from_utf8(view.text).unwrap())
    }

    #[test]
    fn escapes_of_every_kind_are_read() {
        for (written, expected) in [
            (r"a\u0040b", "a@b"),
            (r"a\\\\u0040b", "a@b"),
            (r"\ud83d\ude00 \\ud83d\\ude00", "\u{1F600} \u{1F600}"),
            (
                r"\x41\xa0\xef\xbc\x94\U0001d7d8",
                "A\u{A0}\u{FF14}\u{1D7D8}",
            ),
            (r"\u{a0}\u{1F600}", "\u{A0}\u{1F600}"),
            (r#"\"\\"\/\'"#, "\"\"/'"),
            (r"C:\\dir", r"C:\dir"),
            (r"a%40b %2540 %EF%BC%94 %C2%A0", "a@b @ \u{FF14} \u{A0}"),
            (r"x\ny", "x\ny"),
        ] {
            assert_eq!(text(written).as_deref(), Some(expected), "{written}");
        }
        for plain in [
            r"C:\dir",
            "100%",
            r"\u12",
            r"\x4",
            r"\u{}",
            r"\u{1234567}",
            "%4",
            "\\",
        ] {
            assert_eq!(text(plain), None, "{plain}");
        }
    }

    #[test]
    fn places_lead_back_to_whole_escapes() {
        let written = r"é\u00a0x\\n\xef\xbc\x94";
        let view = read(written.as_bytes()).unwrap();
        assert_eq!(view.text, "é\u{A0}x\n\u{FF14}".as_bytes());
        let part = |start, end| {
            let (start, end) = view.original(start, end);
            written.get(start..end).unwrap()
        };
        assert_eq!(part(2, 4), r"\u00a0");
        assert_eq!(part(4, 5), "x");
        assert_eq!(part(5, 6), r"\\n");
        assert_eq!(part(6, 9), r"\xef\xbc\x94");
        assert_eq!(view.piece_around(2), None);
        assert_eq!(view.piece_around(3), Some(8));
        assert_eq!(view.piece_around(9), None);
    }
}
