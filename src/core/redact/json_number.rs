//! Numbers that are written as numbers in JSON: nothing but their digits says what they are.

use super::card::{is_issued, luhn};
use super::custom::{OverBudget, Patience};
use super::hit::Rule;
use super::rules::{Builtins, Pii};

/// The rule that finds all of a number.
pub(super) fn find(digits: &[u8], pii: &Pii, patience: &mut Patience) -> Option<Rule> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    built_in(digits, pii.builtins).or_else(|| customised(digits, pii, patience))
}

/// What a JSON number that is nothing but digits is, if it is one of them.
fn built_in(digits: &[u8], on: Builtins) -> Option<Rule> {
    if !(10..=19).contains(&digits.len()) {
        return None;
    }
    let values: Vec<u8> = digits.iter().map(|byte| byte.wrapping_sub(b'0')).collect();
    if on.credit_cards && (13..=19).contains(&values.len()) && luhn(&values) && is_issued(&values) {
        return Some(Rule::CreditCard);
    }
    let national = match values.as_slice() {
        [1, rest @ ..] | rest if rest.len() == 10 => rest,
        _ => return None,
    };
    // Area and exchange codes begin with 2 to 9.
    let valid = national.first() >= Some(&2) && national.get(3) >= Some(&2);
    (on.phones && valid).then_some(Rule::Phone)
}

/// The custom pattern that all of a number matches.
fn customised(digits: &[u8], pii: &Pii, patience: &mut Patience) -> Option<Rule> {
    let text = std::str::from_utf8(digits).ok()?;
    pii.custom.iter().find_map(|pattern| {
        let rule = || Rule::Custom(pattern.label().to_owned());
        match pattern.matches_all(text, patience) {
            Ok(matches) => matches.then(rule),
            Err(OverBudget) => Some(Rule::Withheld),
        }
    })
}
