//! JSON string escaping over bytes.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` as a JSON string: raw UTF-8, escapes only where JSON demands them.
pub(crate) fn write_str(text: &str, out: &mut Vec<u8>) {
    write_quoted(text.as_bytes(), out);
}

/// As [`write_str`], for bytes known to be UTF-8.
#[inline]
pub(super) fn write_quoted(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    escape(bytes, out);
    out.push(b'"');
}

/// Appends UTF-8 `bytes` escaped, without quotes.
#[inline]
pub(super) fn escape(mut bytes: &[u8], out: &mut Vec<u8>) {
    loop {
        let Some((clean, rest)) = bytes.split_at_checked(clean_prefix(bytes)) else {
            return;
        };
        out.extend_from_slice(clean);
        let Some((&byte, rest)) = rest.split_first() else {
            return;
        };
        push_escape(byte, out);
        bytes = rest;
    }
}

/// Appends UTF-8 in which encoded surrogates (ED A0 80 to ED BF BF, Python's `surrogatepass`)
/// may occur; those become `\udXXX`.
pub(super) fn escape_with_surrogates(mut bytes: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = bytes.windows(3).position(is_surrogate) {
        let Some((clean, rest)) = bytes.split_at_checked(at) else {
            break;
        };
        escape(clean, out);
        let Some((&[_, second, third], rest)) = rest.split_first_chunk::<3>() else {
            break;
        };
        let unit = 0xd000 | (u16::from(second & 0x3f) << 6) | u16::from(third & 0x3f);
        out.extend_from_slice(b"\\u");
        for shift in [12, 8, 4, 0] {
            out.push(hex_digit(unit >> shift));
        }
        bytes = rest;
    }
    escape(bytes, out);
}

fn is_surrogate(window: &[u8]) -> bool {
    matches!(window, [0xed, second, _] if *second >= 0xa0)
}

/// Length that a byte adds to the output of [`escape_with_surrogates`], at most.
pub(super) fn escaped_len(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        // Lead byte of an encoded surrogate: three bytes become six.
        0xed => 4,
        _ => 1,
    }
}

/// Number of leading bytes that need no escape. A block of 32 is tested as a whole, which the
/// compiler turns into vector code (1 KB of ASCII: about 40 ns); the position inside a block is
/// found eight bytes at a time.
#[inline]
fn clean_prefix(bytes: &[u8]) -> usize {
    let mut clean = 0;
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        if block
            .iter()
            .fold(false, |dirty, &b| dirty | needs_escape(b))
        {
            return clean + clean_prefix_short(block);
        }
        clean += 32;
    }
    clean + clean_prefix_short(blocks.remainder())
}

#[inline]
fn clean_prefix_short(bytes: &[u8]) -> usize {
    let mut clean = 0;
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        let mask = dirty_bytes(u64::from_le_bytes(*word));
        if mask != 0 {
            return clean + (mask.trailing_zeros() / 8) as usize;
        }
        clean += 8;
        rest = tail;
    }
    clean
        + rest
            .iter()
            .position(|&b| needs_escape(b))
            .unwrap_or(rest.len())
}

#[inline]
#[expect(
    clippy::needless_bitwise_bool,
    reason = "branches would keep it from vectorising"
)]
fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// High bit set in every byte that needs an escape. A borrow can set further bits, but only above
/// a byte that is really dirty, so the lowest set bit is exact.
#[inline]
fn dirty_bytes(word: u64) -> u64 {
    let control = word.wrapping_sub(LOW * 0x20) & !word;
    let quote = word ^ (LOW * 0x22);
    let quote = quote.wrapping_sub(LOW) & !quote;
    let backslash = word ^ (LOW * 0x5c);
    let backslash = backslash.wrapping_sub(LOW) & !backslash;
    (control | quote | backslash) & HIGH
}

fn push_escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(hex_digit(u16::from(byte >> 4)));
            out.push(hex_digit(u16::from(byte)));
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn hex_digit(value: u16) -> u8 {
    HEX.get(usize::from(value & 0xf)).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_str(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_char_at_every_offset_reads_back() {
        for code in (0..0x100).chain([0x2028, 0xd7ff, 0xfffd, 0x1f600]) {
            let char = char::from_u32(code).unwrap();
            for pad in 0..70 {
                let text = format!("{}{char}{}", "x".repeat(pad), "y".repeat(pad % 11));
                let read: String = serde_json::from_str(&written(&text)).unwrap();
                assert_eq!(read, text);
            }
        }
    }

    #[test]
    fn only_what_must_be_escaped_is() {
        assert_eq!(
            written("a\"\\/\n\u{1}\u{7f}é"),
            "\"a\\\"\\\\/\\n\\u0001\u{7f}é\""
        );
    }

    #[test]
    fn surrogates_become_escapes_and_hangul_stays() {
        let mut out = Vec::new();
        escape_with_surrogates(b"a\xed\xa0\xbd\xed\xbf\xbf\xed\x95\x9c\"", &mut out);
        assert_eq!(out, b"a\\ud83d\\udfff\xed\x95\x9c\\\"");
    }

    #[test]
    fn escaped_len_is_an_upper_bound() {
        for byte in 0..0x80_u8 {
            let mut out = Vec::new();
            escape(&[byte], &mut out);
            assert_eq!(out.len(), escaped_len(byte));
        }
    }
}
