//! Large binary values: base64, bare or as a data URL.

use sha2::{Digest as _, Sha256};

use super::hit::{Hits, Rule};

/// The length above which base64 is replaced.
pub(super) const LARGE: usize = 4096;
/// Bytes of which a call computes the digest.
const DIGESTED: usize = 1 << 20;
/// The longest head of a data URL, from `data:` to `;base64,`.
const MAX_HEAD: usize = 256;

/// Finds binary values in a long text.
pub(super) fn find(text: &[u8], hits: &mut Hits) {
    let mut any = false;
    for at in memchr::memmem::find_iter(text, b";base64,") {
        let head_start = at.saturating_sub(MAX_HEAD);
        let head = text.get(head_start..at).unwrap_or_default();
        let Some(data) = memchr::memmem::rfind(head, b"data:") else {
            continue;
        };
        any = true;
        let kind = head.get(data + 5..).unwrap_or_default();
        let kind = String::from_utf8_lossy(kind.split(|b| *b == b';').next().unwrap_or_default());
        let body_start = at + b";base64,".len();
        let body = text.get(body_start..).unwrap_or_default();
        let length = body
            .iter()
            .position(|byte| sextet(*byte).is_none() && *byte != b'=');
        let body = body.get(..length.unwrap_or(body.len())).unwrap_or_default();
        if body.len() >= LARGE {
            let what = describe(&kind, body);
            hits.add(
                head_start + data,
                body_start + body.len(),
                Rule::Media(what),
            );
        }
    }
    if !any && is_base64(text) {
        hits.add(
            0,
            text.len(),
            Rule::Media(describe("application/octet-stream", text)),
        );
    }
}

/// What stands for a text that is one large binary value and nothing else. For texts that are too
/// long to be redacted whole: of what is left of them, size and digest would be wrong.
#[must_use]
pub fn whole_media(text: &[u8]) -> Option<String> {
    let start = text.get(..LARGE)?;
    let mut letters = start.iter().filter(|byte| !matches!(byte, b'\n' | b'\r'));
    if !start.starts_with(b"data:") && !letters.all(|byte| *byte == b'=' || sextet(*byte).is_some())
    {
        return None;
    }
    let mut hits = Hits::default();
    find(text, &mut hits);
    let mut hits = hits.iter();
    let hit = hits.next()?;
    let whole = hit.start == 0 && hit.end == text.len();
    whole.then(|| format!("[{}]", hit.rule.label()))
}

/// May a long text that begins so be a binary value, or hold one as a data URL?
#[must_use]
pub fn may_hold_media(head: &[u8]) -> bool {
    memchr::memmem::find(head, b";base64,").is_some() || is_base64(head)
}

/// What stands for a text of `length` characters that is one binary value and nothing else, as far
/// as its beginning, a part of its middle and its end tell. It has no digest: reading all of it would
/// take the caller as long as it is large.
#[must_use]
pub fn sampled_media(parts: [&[u8]; 3], length: usize) -> Option<String> {
    let [head, middle, tail] = parts;
    let (mut kind, mut data) = ("application/octet-stream".to_owned(), head);
    if let Some(url) = head.strip_prefix(b"data:") {
        let at = memchr::memmem::find(url, b";base64,")?;
        let named = url.get(..at)?.split(|byte| *byte == b';').next()?;
        kind = safe_kind(&String::from_utf8_lossy(named));
        data = url.get(at + b";base64,".len()..)?;
    } else if !is_base64(head) {
        return None;
    }
    let all_letters = |part: &[u8]| part.iter().all(|byte| is_letter(*byte));
    if ![data, middle, tail].into_iter().all(all_letters) {
        return None;
    }
    let letters = letters(data, tail, length - (head.len() - data.len()));
    let bytes = letters / 4 * 3 + (letters % 4 * 3) / 4;
    Some(format!("[MEDIA type={kind} bytes={bytes}]"))
}

/// Letters of base64 in `length` characters that begin with `head` and end with `tail`: not the
/// padding, nor the ends of the lines, which are equally long.
fn letters(head: &[u8], tail: &[u8], length: usize) -> usize {
    let is_break = |byte: u8| matches!(byte, b'\n' | b'\r');
    let ending = tail
        .iter()
        .rev()
        .take_while(|byte| is_break(**byte))
        .count();
    let padding = tail
        .iter()
        .rev()
        .skip(ending)
        .take_while(|byte| **byte == b'=');
    let data = length.saturating_sub(ending + padding.count());
    let Some(line) = head.iter().position(|byte| is_break(*byte)) else {
        return data;
    };
    let breaks = head.iter().skip(line).take_while(|byte| is_break(**byte));
    let breaks = breaks.count();
    data - data / (line + breaks) * breaks
}

/// What stands for `size` bytes whose base64 would be replaced, of which `bytes` are the first;
/// `None` if they are few. With their digest if they are not too many to be read by a call.
#[must_use]
pub fn large_bytes(bytes: &[u8], size: usize) -> Option<String> {
    const KIND: &str = "application/octet-stream";
    if size <= LARGE / 4 * 3 {
        return None;
    }
    Some(if bytes.len() == size && size <= DIGESTED {
        format!("[{}]", of_bytes(KIND, bytes))
    } else {
        format!("[MEDIA type={KIND} bytes={size}]")
    })
}

/// One word of base64, perhaps in lines. Hexadecimal and plain words are left alone.
fn is_base64(text: &[u8]) -> bool {
    let mut seen = [false; 4];
    let mut padding = false;
    for byte in text {
        match byte {
            b'A'..=b'Z' => seen[0] = true,
            b'a'..=b'z' => seen[1] = true,
            b'0'..=b'9' => seen[2] = true,
            b'+' | b'/' | b'-' | b'_' => seen[3] = true,
            b'=' => {
                padding = true;
                continue;
            }
            b'\n' | b'\r' => continue,
            _ => return false,
        }
        if padding {
            return false;
        }
    }
    seen.iter().all(|seen| *seen)
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}

/// The bytes that base64 of either alphabet stands for; line breaks and padding are passed over.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text {
        if matches!(byte, b'=' | b'\n' | b'\r') {
            continue;
        }
        bits = (bits << 6) | sextet(*byte)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xFF).ok()?);
        }
    }
    Some(out)
}

/// Type, size and digest of what the base64 stands for.
fn describe(kind: &str, base64: &[u8]) -> String {
    let kind = safe_kind(kind);
    let decoded = decode(base64);
    of_bytes(&kind, decoded.as_deref().unwrap_or(base64))
}

fn safe_kind(kind: &str) -> String {
    let safe = |c: &char| c.is_ascii_alphanumeric() || "/+.-".contains(*c);
    kind.chars().filter(safe).take(64).collect()
}

fn is_letter(byte: u8) -> bool {
    sextet(byte).is_some() || matches!(byte, b'=' | b'\n' | b'\r')
}

fn of_bytes(kind: &str, bytes: &[u8]) -> String {
    let digest = hex(&Sha256::digest(bytes));
    format!("MEDIA type={kind} bytes={} sha256={digest}", bytes.len())
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        for nibble in [byte >> 4, byte & 15] {
            out.extend(char::from_digit(u32::from(nibble), 16));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_base64_is_told_from_its_ends() {
        for size in [30_000, 30_001, 30_002, 40_961] {
            for line in [0, 64, 76] {
                let letters = "aZ0+".repeat(20_000);
                let whole = size / 3 * 4;
                let mut text = letters[..whole + [0, 2, 3][size % 3]].to_owned();
                text.push_str(["", "==", "="][size % 3]);
                if line > 0 {
                    let lines: Vec<_> = text.as_bytes().chunks(line).collect();
                    text = lines
                        .iter()
                        .map(|l| String::from_utf8_lossy(l) + "\n")
                        .collect();
                }
                let bytes = text.as_bytes();
                let middle = &bytes[bytes.len() / 2..][..4096];
                let parts = [&bytes[..4096], middle, &bytes[bytes.len() - 4096..]];
                let told = sampled_media(parts, bytes.len()).unwrap();
                let kind = "application/octet-stream";
                assert_eq!(told, format!("[MEDIA type={kind} bytes={size}]"));
            }
        }
        assert_eq!(sampled_media([b"word word"; 3], 9_000), None);
    }

    #[test]
    fn both_alphabets_are_read() {
        assert_eq!(decode(b"aGk_Pz8/").as_deref(), Some(&b"hi???\x3f"[..]));
        assert_eq!(decode(b"aGk="), Some(b"hi".to_vec()));
        assert_eq!(decode(b"a*"), None);
    }
}
