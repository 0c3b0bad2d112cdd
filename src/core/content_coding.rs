//! The body of an answer in clear, whatever the server did to it on the way.
//!
//! Here rather than in the HTTP client, for which a body that is not what its header says is an
//! error: a server that labels plain JSON as gzip has taken the request nevertheless.

use bytes::Bytes;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};

/// What we can read, for `Accept-Encoding`.
pub(super) const ACCEPTED: &str = "gzip";

/// Length of the part of a gzip header that is always there.
const HEAD: usize = 10;
/// Flags of a gzip header: which parts follow.
const HEADER_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

/// The decoded body, at most `limit` bytes of it; what cannot be decoded is left as it is.
pub(super) fn decoded(coding: Option<&str>, body: Bytes, limit: usize) -> Bytes {
    let coding = coding.unwrap_or_default().trim();
    if !coding.eq_ignore_ascii_case("gzip") && !coding.eq_ignore_ascii_case("x-gzip") {
        return body;
    }
    let Some(packed) = after_header(&body) else {
        return body;
    };
    match decompress_to_vec_with_limit(packed, limit) {
        Ok(whole) => whole.into(),
        // The beginning of what is larger than the limit.
        Err(error) if error.status == TINFLStatus::HasMoreOutput => error.output.into(),
        Err(_) => body,
    }
}

/// The compressed data behind a gzip header, see RFC 1952.
fn after_header(body: &[u8]) -> Option<&[u8]> {
    let (head, mut rest) = body.split_at_checked(HEAD)?;
    let [0x1f, 0x8b, 8, flags, ..] = *head else {
        return None;
    };
    if flags & EXTRA != 0 {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        rest = behind.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & HEADER_CRC != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::compress_to_vec;
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1 << 16;
    const JSON: &[u8] = br#"{"id": "sess_1"}"#;

    fn gzip(body: &[u8], flags: u8, parts: &[u8]) -> Bytes {
        let head = [0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3];
        let packed = compress_to_vec(body, 6);
        [&head[..], parts, &packed, &[0; 8]].concat().into()
    }

    #[test]
    fn a_packed_body_is_unpacked() {
        for coding in ["gzip", " GZIP ", "x-gzip"] {
            assert_eq!(decoded(Some(coding), gzip(JSON, 0, b""), LIMIT), JSON);
        }
        let all = EXTRA | NAME | COMMENT | HEADER_CRC;
        let parts = b"\x03\x00abcname\0comment\0\x01\x02";
        assert_eq!(decoded(Some("gzip"), gzip(JSON, all, parts), LIMIT), JSON);
    }

    #[test]
    fn what_is_not_packed_is_left_as_it_is() {
        for coding in [None, Some("gzip"), Some("br"), Some("identity")] {
            let body = Bytes::from_static(JSON);
            assert_eq!(decoded(coding, body, LIMIT), JSON, "{coding:?}");
        }
        assert_eq!(decoded(Some("gzip"), Bytes::new(), LIMIT), "");
    }

    #[test]
    fn half_a_body_is_left_as_it_is_and_a_bomb_is_cut() {
        let whole = gzip(JSON, 0, b"");
        let half = whole.slice(..20);
        assert_eq!(decoded(Some("gzip"), half.clone(), LIMIT), half);
        let bomb = decoded(Some("gzip"), gzip(&vec![0; 1 << 20], 0, b""), 1000);
        assert!(bomb.len() <= 1000, "{}", bomb.len());
    }

    proptest! {
        #[test]
        fn any_body_is_read(body: Vec<u8>, flags: u8) {
            let head = [0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3];
            for body in [body.clone(), [&head[..], &body].concat()] {
                prop_assert!(decoded(Some("gzip"), body.into(), LIMIT).len() <= LIMIT);
            }
        }
    }
}
