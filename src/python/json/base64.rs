//! Base64 (RFC 4648, padded), for bytes that are not text.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static PAIRS: [[u8; 2]; 4096] = pairs();

#[expect(clippy::indexing_slicing, reason = "computed at compile time")]
const fn pairs() -> [[u8; 2]; 4096] {
    let mut pairs = [[0; 2]; 4096];
    let mut at = 0;
    while at < pairs.len() {
        pairs[at] = [ALPHABET[at >> 6], ALPHABET[at & 0x3f]];
        at += 1;
    }
    pairs
}

/// Appends `bytes` encoded, without quotes.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let (groups, rest) = bytes.as_chunks::<3>();
    let start = out.len();
    out.resize(start + groups.len() * 4, 0);
    let (quads, _) = out
        .get_mut(start..)
        .unwrap_or_default()
        .as_chunks_mut::<4>();
    for ([a, b, c], quad) in groups.iter().zip(quads) {
        *quad = digits(u32::from_be_bytes([0, *a, *b, *c]));
    }
    let (bits, kept) = match *rest {
        [a, b] => (u32::from_be_bytes([0, a, b, 0]), 3),
        [a] => (u32::from_be_bytes([0, a, 0, 0]), 2),
        _ => return,
    };
    out.extend(digits(bits).into_iter().take(kept));
    out.extend(std::iter::repeat_n(b'=', 4 - kept));
}

#[inline]
fn digits(bits: u32) -> [u8; 4] {
    let ([a, b], [c, d]) = (pair(bits >> 12), pair(bits));
    [a, b, c, d]
}

/// The two digits of twelve bits.
#[inline]
fn pair(bits: u32) -> [u8; 2] {
    PAIRS
        .get((bits & 0xfff) as usize)
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn vectors_of_the_rfc() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = Vec::new();
            super::encode(plain.as_bytes(), &mut out);
            assert_eq!(out, encoded.as_bytes());
        }
    }
}
