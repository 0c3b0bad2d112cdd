//! JSON string escaping over bytes.

/// Bytes tested at once in long texts.
const BLOCK: usize = 32;
const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` as a JSON string: raw UTF-8, escapes only where JSON demands them.
pub(crate) fn write_str(text: &str, out: &mut Vec<u8>) {
    write_between(b"\"", text.as_bytes(), b"\"", out);
}

/// Appends UTF-8 `bytes` escaped, between `open` and `close` (together at most 8 bytes).
#[inline]
pub(super) fn write_between<const N: usize, const M: usize>(
    open: &[u8; N],
    bytes: &[u8],
    close: &[u8; M],
    out: &mut Vec<u8>,
) {
    if bytes.len() < BLOCK && write_short(open, bytes, close, out) {
        return;
    }
    out.reserve(bytes.len() + N + M);
    out.extend_from_slice(open);
    escape(bytes, out);
    out.extend_from_slice(close);
}

/// Appends a text shorter than a block with nothing to escape in it; `false` if it has. Keys and
/// labels end here: a window of fixed size is opened and filled word by word, then shortened. That
/// changes the length of `out` twice, where appending part by part waits for it each time, and
/// calls no `memcpy`.
#[inline]
fn write_short<const N: usize, const M: usize>(
    open: &[u8; N],
    bytes: &[u8],
    close: &[u8; M],
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    out.extend_from_slice(&[0; BLOCK + 8]);
    let window = out.get_mut(start..).unwrap_or_default();
    let clean = fill(window, open, bytes, close).unwrap_or(false);
    out.truncate(if clean {
        start + N + bytes.len() + M
    } else {
        start
    });
    clean
}

#[inline]
fn fill<const N: usize, const M: usize>(
    window: &mut [u8],
    open: &[u8; N],
    bytes: &[u8],
    close: &[u8; M],
) -> Option<bool> {
    let (head, body) = window.split_first_chunk_mut::<N>()?;
    *head = *open;
    let len = bytes.len();
    let mut dirty = 0;
    if let (Some(last), Some(at)) = (bytes.last_chunk::<8>(), len.checked_sub(8)) {
        for (word, slot) in bytes.chunks_exact(8).zip(body.chunks_exact_mut(8)) {
            let word = *word.first_chunk::<8>()?;
            dirty |= dirty_bytes(u64::from_le_bytes(word));
            *slot.first_chunk_mut()? = word;
        }
        // A length that is no multiple of eight: the last word overlaps the one before.
        dirty |= dirty_bytes(u64::from_le_bytes(*last));
        *body.get_mut(at..)?.first_chunk_mut()? = *last;
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (low, high) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        dirty = dirty_bytes(u64::from(low) | (u64::from(high) << 32));
        *body.first_chunk_mut()? = *first;
        *body.get_mut(len - 4..)?.first_chunk_mut()? = *last;
    } else {
        for (&byte, slot) in bytes.iter().zip(body.iter_mut()) {
            dirty |= u64::from(needs_escape(byte));
            *slot = byte;
        }
    }
    *body.get_mut(len..)?.first_chunk_mut()? = *close;
    Some(dirty == 0)
}

/// Appends UTF-8 `bytes` escaped, without quotes.
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
    while let Some(at) = surrogate(bytes) {
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

/// Where the first encoded surrogate is.
fn surrogate(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(0xed, bytes)
        .find(|at| matches!(bytes.get(*at..), Some([_, second, _, ..]) if *second >= 0xa0))
}

/// Length that a byte adds to the output of [`escape_with_surrogates`], at most.
pub(super) fn escaped_len(byte: u8) -> usize {
    static LENGTHS: [u8; 256] = lengths();
    LENGTHS
        .get(usize::from(byte))
        .map_or(1, |length| usize::from(*length))
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "computed at compile time"
)]
const fn lengths() -> [u8; 256] {
    let mut lengths = [0; 256];
    let mut byte = 0;
    while byte < lengths.len() {
        lengths[byte] = length(byte as u8);
        byte += 1;
    }
    lengths
}

const fn length(byte: u8) -> u8 {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        // Lead byte of an encoded surrogate: three bytes become six.
        0xed => 4,
        _ => 1,
    }
}

/// What [`escaped_len`] gives for all of a block: most need no escape at all, which vector code sees.
#[inline]
#[expect(
    clippy::needless_bitwise_bool,
    reason = "branches would keep it from vectorising"
)]
fn escaped_block(block: &[u8]) -> usize {
    let dirty = block
        .iter()
        .fold(false, |dirty, &b| dirty | needs_escape(b) | (b == 0xed));
    if dirty {
        block.iter().map(|byte| escaped_len(*byte)).sum()
    } else {
        block.len()
    }
}

/// Length of the longest prefix of whole characters whose escaped length is at most `limit`, and
/// that escaped length.
pub(super) fn prefix_within(bytes: &[u8], limit: usize) -> (usize, usize) {
    let (mut at, mut used) = (0, 0);
    for block in bytes.chunks(BLOCK) {
        let escaped = escaped_block(block);
        if used + escaped > limit {
            break;
        }
        used += escaped;
        at += block.len();
    }
    let rest = bytes.get(at..).unwrap_or_default();
    for byte in rest {
        if used + escaped_len(*byte) > limit {
            break;
        }
        used += escaped_len(*byte);
        at += 1;
    }
    while bytes.get(at).is_some_and(|byte| is_continuation(*byte)) {
        let Some(byte) = at.checked_sub(1).and_then(|last| bytes.get(last)) else {
            break;
        };
        used -= escaped_len(*byte);
        at -= 1;
    }
    (at, used)
}

/// Start of the longest suffix of whole characters whose escaped length is at most `limit`, and that
/// escaped length.
pub(super) fn suffix_within(bytes: &[u8], limit: usize) -> (usize, usize) {
    let (mut at, mut used) = (bytes.len(), 0);
    for block in bytes.rchunks(BLOCK) {
        let escaped = escaped_block(block);
        if used + escaped > limit {
            break;
        }
        used += escaped;
        at -= block.len();
    }
    let rest = bytes.get(..at).unwrap_or_default();
    for byte in rest.iter().rev() {
        if used + escaped_len(*byte) > limit {
            break;
        }
        used += escaped_len(*byte);
        at -= 1;
    }
    while let Some(byte) = bytes.get(at).filter(|byte| is_continuation(**byte)) {
        used -= escaped_len(*byte);
        at += 1;
    }
    (at, used)
}

pub(super) fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Number of leading bytes that need no escape. A block is tested as a whole, which the
/// compiler turns into vector code (1 KB of ASCII: about 60 ns); the position inside a block is
/// found eight bytes at a time.
#[inline]
fn clean_prefix(bytes: &[u8]) -> usize {
    let mut clean = 0;
    let mut blocks = bytes.chunks_exact(BLOCK);
    for block in &mut blocks {
        if block
            .iter()
            .fold(false, |dirty, &b| dirty | needs_escape(b))
        {
            return clean + clean_prefix_short(block);
        }
        clean += BLOCK;
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
    fn what_fits_is_measured_block_by_block_as_byte_by_byte() {
        let text = "a\"\n\u{1}é\u{d7ff}😀\\".repeat(20);
        let bytes = text.as_bytes();
        let whole: usize = bytes.iter().map(|byte| escaped_len(*byte)).sum();
        assert_eq!(
            escaped_block(&bytes[..100]),
            bytes[..100].iter().map(|b| escaped_len(*b)).sum::<usize>()
        );
        for limit in 0..whole + 2 {
            let (end, used) = prefix_within(bytes, limit);
            let (start, used_too) = suffix_within(bytes, limit);
            assert!(used <= limit && used_too <= limit);
            assert!(text.is_char_boundary(end) && text.is_char_boundary(start));
            let next = text[end..].chars().next().map_or(0, char::len_utf8);
            let more: usize = bytes[..end + next].iter().map(|b| escaped_len(*b)).sum();
            assert!(next == 0 || more > limit);
        }
        assert_eq!(prefix_within(bytes, whole), (bytes.len(), whole));
        assert_eq!(suffix_within(bytes, whole), (0, whole));
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
