//! JSON strings to text and back.
//!
//! Text is UTF-8, except that an unpaired surrogate escape becomes its three bytes in the manner of
//! UTF-8: the scanners never look at it, and on the way back it is an escape again.

/// The text of a JSON string without its quotes; `None` if an escape is not one.
pub(super) fn unescape(raw: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    loop {
        // An escape is often followed by another.
        if rest.first() != Some(&b'\\') {
            let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
            let (before, after) = rest.split_at_checked(plain)?;
            out.extend_from_slice(before);
            rest = after;
        }
        let Some((_, after)) = rest.split_first() else {
            return Some(out);
        };
        let (&kind, after) = after.split_first()?;
        rest = after;
        match kind {
            b'"' | b'\\' | b'/' => out.push(kind),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let unit = hex4(rest)?;
                rest = rest.get(4..)?;
                let code = match low_surrogate(unit, rest) {
                    Some(low) => {
                        rest = rest.get(6..)?;
                        0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
                    }
                    None => unit,
                };
                push_code(code, &mut out);
            }
            _ => return None,
        }
    }
}

fn hex4(bytes: &[u8]) -> Option<u32> {
    bytes.get(..4)?.iter().try_fold(0, |sum, byte| {
        Some(sum * 16 + char::from(*byte).to_digit(16)?)
    })
}

fn low_surrogate(high: u32, rest: &[u8]) -> Option<u32> {
    if !(0xD800..0xDC00).contains(&high) {
        return None;
    }
    let low = hex4(rest.strip_prefix(b"\\u")?)?;
    (0xDC00..0xE000).contains(&low).then_some(low)
}

fn push_code(code: u32, out: &mut Vec<u8>) {
    match char::from_u32(code) {
        // Byte by byte: a call that copies so few takes longer.
        Some(c) => c
            .encode_utf8(&mut [0; 4])
            .bytes()
            .for_each(|byte| out.push(byte)),
        None => {
            let six = |shift: u32| u8::try_from((code >> shift) & 0x3F).unwrap_or(0) | 0x80;
            out.extend_from_slice(&[0xED, six(6), six(0)]);
        }
    }
}

/// Appends text as the inside of a JSON string.
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let hex = |nibble: u32| {
        let at = usize::try_from(nibble & 15).unwrap_or(0);
        HEX.get(at).copied().unwrap_or(b'0')
    };
    let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20 | 0xED);
    // Without a branch for each byte, so that the compiler can look at many bytes at once.
    if text.iter().fold(true, |all, byte| all & plain(byte)) {
        out.extend_from_slice(text);
        return;
    }
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let run = rest
            .iter()
            .position(|byte| !plain(byte))
            .unwrap_or(rest.len());
        out.extend_from_slice(rest.get(..run).unwrap_or_default());
        let Some(&byte) = rest.get(run) else {
            break;
        };
        at += run + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1F => {
                let code = u32::from(byte);
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[hex(code >> 4), hex(code)]);
            }
            0xED => match text.get(at..at + 2) {
                Some(&[second @ 0xA0..=0xBF, third]) => {
                    let code = 0xD000 | (u32::from(second & 0x3F) << 6) | u32::from(third & 0x3F);
                    out.extend_from_slice(b"\\u");
                    out.extend_from_slice(&[
                        hex(code >> 12),
                        hex(code >> 8),
                        hex(code >> 4),
                        hex(code),
                    ]);
                    at += 2;
                }
                _ => out.push(byte),
            },
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_the_way_there_and_back() {
        let raw = br#"a\"b\\c\n\u0001 \ud800x \ud83d\ude00 \/"#;
        let text = unescape(raw).unwrap();
        let mut again = Vec::new();
        escape(&text, &mut again);
        assert_eq!(
            again,
            "a\\\"b\\\\c\\n\\u0001 \\ud800x \u{1F600} /".as_bytes()
        );
        assert_eq!(unescape(&again).unwrap(), text);
    }

    #[test]
    fn what_is_no_escape_is_refused() {
        for raw in [&b"\\x"[..], b"\\", b"\\u12", b"\\u12g4"] {
            assert!(unescape(raw).is_none());
        }
    }
}
