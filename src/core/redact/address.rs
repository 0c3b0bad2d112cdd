//! IP addresses and bank account numbers.

use std::net::Ipv6Addr;

use super::hit::{Hits, Rule};
use super::number::{digit, is_fraction, word_after, word_before};

/// The longest way to write an IPv6 address.
const LONGEST: usize = 45;

/// Four numbers up to 255 with points between, and no fifth: `1.3.6.1.5.5.7.3.1` names a thing.
pub(super) fn find_ipv4(text: &[u8], start: usize) -> Option<usize> {
    if word_before(text, start) || is_fraction(text, start) {
        return None;
    }
    let mut at = start;
    for octet in 0..4 {
        if octet > 0 {
            if text.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let rest = text.get(at..).unwrap_or_default();
        let length = rest
            .iter()
            .take(4)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let value = text
            .get(at..at + length)
            .filter(|_| (1..=3).contains(&length))?;
        let value = value
            .iter()
            .fold(0_u32, |sum, byte| sum * 10 + u32::from(byte - b'0'));
        if value > 255 {
            return None;
        }
        at += length;
    }
    let fifth = text.get(at) == Some(&b'.') && digit(text, at + 1);
    (!word_after(text, at) && !fifth && !is_version(text, start, at)).then_some(at)
}

/// Words behind which four numbers are no address.
const VERSIONS: [&[u8]; 6] = [
    b"version",
    b"release",
    b"firmware",
    b"build",
    b"oid",
    b"ver",
];

/// Are four numbers the version of something: `version 1.2.3.4`, `==1.2.3.4`, `Chrome/120.0.0.0`?
fn is_version(text: &[u8], start: usize, end: usize) -> bool {
    let before = text
        .get(start.saturating_sub(16)..start)
        .unwrap_or_default();
    let demanded = [&b"=="[..], b">=", b"<=", b"~=", b"!="];
    if demanded.iter().any(|sign| before.ends_with(sign)) {
        return true;
    }
    if let [.., letter, b'/'] = before {
        let round = text
            .get(start..end)
            .is_some_and(|all| all.ends_with(b".0.0.0"));
        return round && letter.is_ascii_alphabetic();
    }
    let between = |byte: &&u8| matches!(**byte, b' ' | b':' | b'=' | b'"' | b'\'');
    let between = before.iter().rev().take_while(between).count();
    let word = before.get(..before.len() - between).unwrap_or_default();
    let word = word.to_ascii_lowercase();
    between > 0 && VERSIONS.iter().any(|version| word.ends_with(version))
}

/// Finds IPv6 addresses: candidates are runs of hexadecimal digits, colons and points.
pub(super) fn find_ipv6(text: &[u8], hits: &mut Hits) {
    let part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let mut free = 0;
    for colon in memchr::memchr_iter(b':', text) {
        if colon < free {
            continue;
        }
        let before = text.get(free..colon).unwrap_or_default();
        let start = colon - before.iter().rev().take_while(|byte| part(byte)).count();
        let rest = text.get(start..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| part(byte)).count();
        free = start + length;
        let run = rest.get(..length).unwrap_or_default();
        let trimmed = run.iter().rev().take_while(|byte| **byte == b'.').count();
        let run = run.get(..length - trimmed).unwrap_or_default();
        // Something else may follow behind another colon.
        let head = memchr::memrchr(b':', run).and_then(|at| run.get(..at));
        let head = head.unwrap_or_default();
        let word = rest.get(length).is_some_and(u8::is_ascii_alphabetic);
        let whole = if word { &[][..] } else { run };
        if word_before(text, start) {
            continue;
        }
        if let Some(address) = [whole, head].into_iter().find(|run| is_ipv6(run)) {
            hits.add(start, start + address.len(), Rule::IpAddress);
        }
    }
}

/// `::1`, `a::b1` and the `1::2` of a slice could be anything; an address has at least two groups
/// and a digit, and four groups or one of four digits.
fn is_ipv6(run: &[u8]) -> bool {
    if run.len() > LONGEST {
        return false;
    }
    let groups = run.split(|byte| *byte == b':').filter(|g| !g.is_empty());
    let count = groups.clone().count();
    (count >= 4 || (count >= 2 && groups.clone().any(|group| group.len() >= 4)))
        && run.iter().any(u8::is_ascii_digit)
        && std::str::from_utf8(run).is_ok_and(|run| run.parse::<Ipv6Addr>().is_ok())
}

/// Finds account numbers: two letters, two check digits, 11 to 30 letters and digits, perhaps in
/// groups of four, with a valid checksum.
pub(super) fn find_iban(text: &[u8], hits: &mut Hits) {
    let mut free = 0;
    for (at, head) in text.windows(4).enumerate() {
        let [a, b, c, d] = head else { continue };
        let begins = a.is_ascii_uppercase()
            && b.is_ascii_uppercase()
            && c.is_ascii_digit()
            && d.is_ascii_digit();
        if at < free || !begins || word_before(text, at) {
            continue;
        }
        if let Some(end) = iban_end(text, at) {
            hits.add(at, end, Rule::Iban);
            free = end;
        }
    }
}

fn iban_end(text: &[u8], start: usize) -> Option<usize> {
    let mut compact = Vec::with_capacity(34);
    let mut best = None;
    let mut at = start;
    while compact.len() < 34 {
        match text.get(at) {
            Some(byte) if byte.is_ascii_digit() || byte.is_ascii_uppercase() => {
                compact.push(*byte);
                at += 1;
            }
            Some(b' ') if compact.len().is_multiple_of(4) => {
                at += 1;
                continue;
            }
            _ => break,
        }
        let over = text.get(at).is_none_or(|b| !b.is_ascii_alphanumeric());
        if over && compact.len() >= 15 && is_iban(&compact) {
            best = Some(at);
        }
    }
    best
}

fn is_iban(compact: &[u8]) -> bool {
    let Some((head, tail)) = compact.split_at_checked(4) else {
        return false;
    };
    let rest = tail.iter().chain(head).fold(0_u32, |rest, byte| {
        let value = char::from(*byte).to_digit(36).unwrap_or(0);
        let shift = if value > 9 { 100 } else { 10 };
        (rest * shift + value) % 97
    });
    rest == 1
}
