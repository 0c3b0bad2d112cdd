//! Large binary values: base64, bare or as a data URL.

use sha2::{Digest as _, Sha256};

use super::hit::{Hits, Rule};

/// The length above which base64 is replaced.
pub(super) const LARGE: usize = 4096;
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

/// What stands for bytes whose base64 would be replaced; `None` if they are few.
#[must_use]
pub fn large_bytes(bytes: &[u8]) -> Option<String> {
    let large = bytes.len() > LARGE / 4 * 3;
    large.then(|| format!("[{}]", of_bytes("application/octet-stream", bytes)))
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
    let safe = |c: &char| c.is_ascii_alphanumeric() || "/+.-".contains(*c);
    let kind: String = kind.chars().filter(safe).take(64).collect();
    let decoded = decode(base64);
    of_bytes(&kind, decoded.as_deref().unwrap_or(base64))
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
    fn both_alphabets_are_read() {
        assert_eq!(decode(b"aGk_Pz8/").as_deref(), Some(&b"hi???\x3f"[..]));
        assert_eq!(decode(b"aGk="), Some(b"hi".to_vec()));
        assert_eq!(decode(b"a*"), None);
    }
}
