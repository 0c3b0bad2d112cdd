//! Telephone, social security and card numbers and IPv4 addresses: everything that begins with a
//! digit. One look at each run of digits decides, most specific rule first, so a card is a card and
//! not a phone.

use super::address;
use super::card;
use super::hit::{Hits, Rule};
use super::rules::Builtins;
use super::uuid::in_uuid;

/// Does a run of word characters go on before `at`?
pub(super) fn word_before(text: &[u8], at: usize) -> bool {
    byte_before(text, at).is_some_and(is_word)
}

fn byte_before(text: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).and_then(|at| text.get(at)).copied()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// An underscore ends a number: the state of a session has keys such as `<tool>_result`.
pub(super) fn word_after(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_alphanumeric)
}

pub(super) fn digit(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_digit)
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'-' | b'.') || is_space(byte)
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0x1C..=0x1F)
}

/// The digits of the shortest number that is looked for, an IPv4 address.
pub(super) const FEWEST_DIGITS: usize = 4;

/// Finds numbers of all kinds that are switched on.
/// `digits` is how many there are in the text, or more.
pub(super) fn find(text: &[u8], digits: usize, on: Builtins, hits: &mut Hits) {
    let mut left = digits;
    let mut at = 0;
    while left >= FEWEST_DIGITS
        && let Some(start) = next_digit(text, at)
    {
        let length = run(text, start);
        if let Some((from, end, rule)) = number(text, start, length, among(on, left)) {
            hits.add(from, end, rule);
            at = end.max(start + 1);
            let passed = text.get(start..at).unwrap_or_default();
            let passed = passed.iter().filter(|byte| byte.is_ascii_digit()).count();
            left = left.saturating_sub(passed);
        } else {
            at = start + length;
            left = left.saturating_sub(length);
        }
    }
}

/// The kinds of numbers that so many digits are enough for.
fn among(on: Builtins, digits: usize) -> Builtins {
    Builtins {
        credit_cards: on.credit_cards && digits >= 13,
        ssns: on.ssns && digits >= 9,
        international_phones: on.international_phones && digits >= 8,
        phones: on.phones && digits >= 10,
        ..on
    }
}

/// Where the next digit is.
fn next_digit(text: &[u8], from: usize) -> Option<usize> {
    // Without a branch for each byte, so that the compiler can look at all of a block at once.
    let digitless = |block: &&[u8]| !block.iter().fold(false, |any, b| any | b.is_ascii_digit());
    let rest = text.get(from..)?;
    let skipped = rest.chunks_exact(16).take_while(digitless).count() * 16;
    let rest = rest.get(skipped..)?;
    let place = rest.iter().position(u8::is_ascii_digit)?;
    Some(from + skipped + place)
}

fn run(text: &[u8], start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    rest.iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(rest.len())
}

fn number(text: &[u8], start: usize, length: usize, on: Builtins) -> Option<(usize, usize, Rule)> {
    if length > 19 {
        return None;
    }
    let found = |end: usize, rule| Some((start, end, rule));
    if on.credit_cards
        && let Some(end) = card::find(text, start)
    {
        return found(end, Rule::CreditCard);
    }
    if on.ssns
        && matches!(length, 3 | 9)
        && let Some(end) = ssn(text, start, length)
    {
        return found(end, Rule::Ssn);
    }
    if on.international_phones
        && let Some((from, end)) = international(text, start)
    {
        return Some((from, end, Rule::InternationalPhone));
    }
    if on.phones
        && let Some((from, end)) = phone(text, start, length)
    {
        return Some((from, end, Rule::Phone));
    }
    if on.ip_addresses
        && length <= 3
        && let Some(end) = address::find_ipv4(text, start)
    {
        return found(end, Rule::IpAddress);
    }
    None
}

/// Is the run of digits that begins here the fraction of a decimal number?
pub(super) fn is_fraction(text: &[u8], start: usize) -> bool {
    start >= 2 && text.get(start - 1) == Some(&b'.') && digit(text, start - 2)
}

/// `123-45-6789`; with spaces if it can be one; without anything between only after the word SSN.
fn ssn(text: &[u8], start: usize, length: usize) -> Option<usize> {
    if word_before(text, start) {
        return None;
    }
    if length == 9 {
        let low = start.saturating_sub(16);
        let before = text.get(low..start)?.to_ascii_lowercase();
        let named = [&b"ssn"[..], b"social security"];
        let named = named
            .iter()
            .any(|word| memchr::memmem::find(&before, word).is_some())
            // What stands for a number is not its name.
            && memchr::memmem::find(&before, b"[ssn").is_none();
        let end = start + 9;
        let valid = is_issued_ssn(text.get(start..end)?);
        return (named && valid && !word_after(text, end)).then_some(end);
    }
    let separator = *text.get(start + 3)?;
    let end = start + 11;
    let digits = |range: std::ops::Range<usize>| range.into_iter().all(|at| digit(text, at));
    let shaped = length == 3
        && matches!(separator, b'-' | b' ')
        && digits(start + 4..start + 6)
        && text.get(start + 6) == Some(&separator)
        && digits(start + 7..end)
        && !word_after(text, end);
    if !shaped || separator == b'-' {
        // The parts of a longer number, such as that of a book.
        return (shaped && !is_part(text, start, end)).then_some(end);
    }
    let number = [start..start + 3, start + 4..start + 6, start + 7..end];
    let number: Vec<u8> = number
        .into_iter()
        .filter_map(|part| text.get(part))
        .flatten()
        .copied()
        .collect();
    is_issued_ssn(&number).then_some(end)
}

fn is_issued_ssn(digits: &[u8]) -> bool {
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
    let area = part(0..3);
    !matches!(area, b"000" | b"666" | [b'9', ..]) && part(3..5) != b"00" && part(5..9) != b"0000"
}

/// A number of the North American plan, with or without the country code 1.
fn phone(text: &[u8], start: usize, length: usize) -> Option<(usize, usize)> {
    let from = |first: usize, sign: u8| {
        let signed = byte_before(text, first) == Some(sign);
        first - usize::from(signed)
    };
    if text.get(start) == Some(&b'1') && matches!(length, 1 | 4 | 7 | 11) {
        let separator = text.get(start + 1).copied().filter(|b| is_separator(*b));
        let national = start + 1 + usize::from(separator.is_some());
        if let Some((end, between)) = national_number(text, national) {
            let first = from(start, b'+');
            let fits = match (separator, between) {
                (None, Between::Nothing) => is_bare_phone(text, first, national, end),
                // `1.4155551234` is a decimal number.
                (Some(separator), Between::Nothing) => separator != b'.',
                // `1221-9816144` is the number of an order.
                (None, Between::One(_)) => first < start,
                (Some(_), Between::One(b'.')) => false,
                (_, Between::One(_) | Between::Both) => true,
            };
            if fits && !in_uuid(text, start) {
                return Some((first, end));
            }
        }
    }
    if !matches!(length, 3 | 6 | 10) {
        return None;
    }
    let (end, between) = national_number(text, start)?;
    let first = from(start, b'(');
    let fits = match between {
        Between::Nothing => is_bare_phone(text, first, start, end),
        Between::One(b'.') => false,
        Between::One(_) => {
            begins_as_phone(text, start)
                && !word_before(text, first)
                && !is_part(text, first, end)
                && !is_named(text, first)
        }
        Between::Both => true,
    };
    (fits && !in_uuid(text, start)).then_some((first, end))
}

/// What is between the digits of a number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    Nothing,
    /// One separator and nothing else: `122.4194155` is a decimal number, `113-1234567` an order.
    One(u8),
    /// Something between the area, the exchange and the rest, or brackets around the area.
    Both,
}

/// `(415) 555-1234` and its relatives; where it ends and what stands between its digits.
fn national_number(text: &[u8], start: usize) -> Option<(usize, Between)> {
    let mut at = start;
    let mut bracket = byte_before(text, start) == Some(b'(');
    let mut separators = (0, 0);
    if text.get(at) == Some(&b'(') {
        at += 1;
        bracket = true;
    }
    for (index, digits) in [3, 3, 4].into_iter().enumerate() {
        if index == 1 && text.get(at) == Some(&b')') {
            at += 1;
            bracket = true;
        }
        if index > 0
            && let Some(&separator) = text.get(at).filter(|byte| is_separator(**byte))
        {
            at += 1;
            separators = (separators.0 + 1, separator);
        }
        if !(at..at + digits).all(|at| digit(text, at)) {
            return None;
        }
        at += digits;
    }
    if digit(text, at) {
        return None;
    }
    let between = match separators {
        _ if bracket => Between::Both,
        (0, _) => Between::Nothing,
        (1, separator) => Between::One(separator),
        _ => Between::Both,
    };
    Some((at, between))
}

/// Ten digits in a row are a phone only if they stand alone and begin as one does: not the time in
/// seconds (which begins with 1), not the digits of a decimal number, of a hash or of an identifier.
fn is_bare_phone(text: &[u8], first: usize, national: usize, end: usize) -> bool {
    let decimal = text.get(end) == Some(&b'.') && digit(text, end + 1);
    begins_as_phone(text, national)
        && !word_before(text, first)
        && !word_after(text, end)
        && !is_fraction(text, first)
        && !decimal
        && !is_part(text, first, end)
        && !is_named(text, first)
}

fn begins_as_phone(text: &[u8], national: usize) -> bool {
    text.get(national).is_some_and(|byte| *byte >= b'2')
}

/// Do more digits follow behind a dash, or stand in front of one? A Windows SID
/// (`S-1-5-21-3623811015-3361044348-30300820-1013`) is made so, and the number of a book.
fn is_part(text: &[u8], start: usize, end: usize) -> bool {
    let dash = |at: Option<usize>| at.and_then(|at| text.get(at)) == Some(&b'-');
    let before =
        dash(start.checked_sub(1)) && start.checked_sub(2).is_some_and(|at| digit(text, at));
    before || (dash(Some(end)) && digit(text, end + 1))
}

/// Names that stand in front of a telephone number.
const CALLED: [&[u8]; 7] = [
    b"TEL", b"PHONE", b"FAX", b"CELL", b"MOBILE", b"MOB", b"CALL",
];

/// Is the number that of something which has a name in capitals, as in `ORD-2219816144` or
/// `ISBN 3161484100`?
fn is_named(text: &[u8], start: usize) -> bool {
    let before = text
        .get(start.saturating_sub(16)..start)
        .unwrap_or_default();
    let gap = before
        .iter()
        .rev()
        .take_while(|byte| !is_word(**byte))
        .count();
    let (before, gap) = before.split_at(before.len() - gap);
    let capital = |byte: &&u8| byte.is_ascii_uppercase();
    let name = before.iter().rev().take_while(capital).count();
    let name = before.get(before.len() - name..).unwrap_or_default();
    let book = before.to_ascii_uppercase().ends_with(b"ISBN");
    book || (gap == b"-" && name.len() >= 2 && !CALLED.iter().any(|called| name.ends_with(called)))
}

/// `+44 20 7946 0958`: a plus, then 8 to 15 digits with at most one separator between.
fn international(text: &[u8], start: usize) -> Option<(usize, usize)> {
    let plus = start.checked_sub(1)?;
    if text.get(plus) != Some(&b'+') || text.get(start) == Some(&b'0') || word_before(text, plus) {
        return None;
    }
    let mut at = start;
    let mut count = 0;
    let mut end = None;
    while count <= 15 {
        if digit(text, at) {
            count += 1;
            at += 1;
            end = Some(at);
            continue;
        }
        let skip = match text.get(at..at + 2) {
            Some(&[separator, next]) if is_separator(separator) && next == b'(' => 2,
            Some(&[b')', next]) if is_separator(next) => 2,
            Some(&[byte, _]) if is_separator(byte) || matches!(byte, b'(' | b')') => 1,
            _ => break,
        };
        if !digit(text, at + skip) {
            break;
        }
        at += skip;
    }
    let end = end?;
    ((8..=15).contains(&count) && !word_after(text, end)).then_some((plus, end))
}
