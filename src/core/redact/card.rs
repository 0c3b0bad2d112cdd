//! Card numbers.

use super::number::{digit, is_fraction, is_space, word_after, word_before};
use super::uuid::in_uuid;

/// Groups of digits with at most one dash or space between, 13 to 19 in all, with a valid checksum.
pub(super) fn find(text: &[u8], start: usize) -> Option<usize> {
    if word_before(text, start) || is_fraction(text, start) {
        return None;
    }
    let mut digits = [0_u8; 19];
    let mut count = 0;
    let (mut groups, mut parts) = ([0_u8; 19], 0);
    let mut best = None;
    let mut at = start;
    let mut group = 0;
    let mut dashed = false;
    while let Some(&byte) = text.get(at).filter(|byte| byte.is_ascii_digit()) {
        *digits.get_mut(count)? = byte - b'0';
        count += 1;
        group += 1;
        at += 1;
        if digit(text, at) {
            if count == 19 {
                break;
            }
            continue;
        }
        *groups.get_mut(parts)? = std::mem::take(&mut group);
        parts += 1;
        let decimal = text.get(at) == Some(&b'.') && digit(text, at + 1);
        if count >= 13
            && !word_after(text, at)
            && !decimal
            && is_card(digits.get(..count)?, groups.get(..parts)?, dashed)
        {
            best = Some(at);
        }
        let separated = text.get(at).is_some_and(|b| *b == b'-' || is_space(*b));
        if !separated || !digit(text, at + 1) || count == 19 {
            break;
        }
        dashed |= text.get(at) == Some(&b'-');
        at += 1;
    }
    best.filter(|_| !in_uuid(text, start))
}

/// With dashes its groups are those of a card: others are the parts of an identifier.
fn is_card(digits: &[u8], groups: &[u8], dashed: bool) -> bool {
    let printed = matches!(groups, [4, 4, 4, 4] | [4, 4, 4, 4, 3] | [4, 6, 4 | 5]);
    luhn(digits) && (printed || (!dashed && is_issued(digits)))
}

/// Leading digits and lengths that card networks use.
pub(super) fn is_issued(digits: &[u8]) -> bool {
    let prefix = |length: usize| {
        let first = digits.iter().take(length);
        first.fold(0_u32, |sum, digit| sum * 10 + u32::from(*digit))
    };
    match digits.len() {
        13 => matches!(prefix(1), 4) || matches!(prefix(2), 50 | 56..=69),
        14 => matches!(prefix(2), 30 | 36 | 38 | 39 | 50 | 56..=69),
        15 => matches!(prefix(2), 34 | 37 | 50 | 56..=69),
        16 => {
            matches!(prefix(1), 4)
                || matches!(prefix(2), 30 | 35 | 36 | 38 | 39 | 50..=69)
                || matches!(prefix(4), 2221..=2720)
        }
        // Ids of chat programs have 17 or 18 digits, cards that begin with 4 do not.
        17 | 18 => matches!(prefix(2), 35 | 50 | 56..=69),
        _ => matches!(prefix(1), 4) || matches!(prefix(2), 35 | 50 | 56..=69),
    }
}

/// The checksum of card numbers.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, digit)| {
            let doubled = u32::from(*digit) << (i % 2);
            doubled / 10 + doubled % 10
        })
        .sum();
    sum.is_multiple_of(10)
}
