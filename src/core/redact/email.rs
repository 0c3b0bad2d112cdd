//! E-mail addresses, found from their `@`, which takes linear time.

use super::hit::{Hits, Rule};

/// `[A-Za-z0-9._%+-]`, and letters of alphabets beyond ASCII.
fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-') || is_foreign_letter(c)
}

fn is_domain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-') || is_foreign_letter(c)
}

/// Scripts that put no spaces between words are left out: the address would take in the sentence.
fn is_foreign_letter(c: char) -> bool {
    !c.is_ascii() && u32::from(c) < 0x2E80 && c.is_alphanumeric()
}

/// Finds addresses.
pub(super) fn find(text: &[u8], hits: &mut Hits) {
    let mut free = 0;
    let mut from = 0;
    while let Some(next) = memchr::memchr(b'@', text.get(from..).unwrap_or_default()) {
        let at = from + next;
        from = at + 1;
        let start = local_start(text, free, at);
        // What was looked at in vain is not looked at again.
        free = from;
        if start == at {
            continue;
        }
        if let Some(end) = domain_end(text, from) {
            hits.add(start, end, Rule::Email);
            free = end;
            from = end;
        }
    }
}

fn local_start(text: &[u8], free: usize, at: usize) -> usize {
    let mut start = at;
    while let Some((c, width)) = char_before(text, start) {
        if start - width < free || !is_local(c) {
            break;
        }
        start -= width;
    }
    start
}

/// The last character before `at`.
fn char_before(text: &[u8], at: usize) -> Option<(char, usize)> {
    let byte = *text.get(at.checked_sub(1)?)?;
    if byte.is_ascii() {
        return Some((char::from(byte), 1));
    }
    let width = (2..=4.min(at)).find(|width| text.get(at - width).is_some_and(|b| *b >= 0xC0))?;
    let c = std::str::from_utf8(text.get(at - width..at)?)
        .ok()?
        .chars()
        .next()?;
    Some((c, width))
}

/// The character at `at`.
pub(super) fn char_at(text: &[u8], at: usize) -> Option<(char, usize)> {
    let byte = *text.get(at)?;
    let width = match byte {
        0..=0x7F => return Some((char::from(byte), 1)),
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        _ => 4,
    };
    let c = std::str::from_utf8(text.get(at..at + width)?)
        .ok()?
        .chars()
        .next()?;
    Some((c, width))
}

/// Where a domain that begins at `start` ends: behind two or more letters after its last dot that
/// has them.
fn domain_end(text: &[u8], start: usize) -> Option<usize> {
    let mut end = start;
    let mut best = None;
    // Of the label that is being read: letters from its beginning, or None once it has another.
    let mut letters: Option<usize> = None;
    let mut label_end = start;
    while let Some((c, width)) = char_at(text, end) {
        if !is_domain(c) {
            break;
        }
        if c == '.' {
            if letters.is_some_and(|count| count >= 2) {
                best = Some(label_end);
            }
            letters = (end > start).then_some(0);
            label_end = end + 1;
        } else if let Some(count) = letters
            && label_end == end
            && c.is_alphabetic()
        {
            letters = Some(count + 1);
            label_end = end + width;
        }
        end += width;
    }
    if letters.is_some_and(|count| count >= 2) {
        best = Some(label_end);
    }
    best
}
