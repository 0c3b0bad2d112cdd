//! One text: what is found in it, and what it becomes.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::custom::{OverBudget, Patience};
use super::fold::fold;
use super::hit::{Hits, Rule};
use super::media::{self, hex};
use super::rules::{Cover, Mode, Pii, Rules};
use super::{address, email, number, secrets};

/// What stands for a value that could not be checked.
pub(super) const WITHHELD: &[u8] = b"[REDACTED]";

/// What is in a text at all, so that most rules need not look.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a set of facts")]
pub(super) struct Traits {
    pub(super) at: bool,
    pub(super) percent: bool,
    pub(super) colon: bool,
    pub(super) beyond_ascii: bool,
    pub(super) escaped: bool,
    pub(super) digits: usize,
}

impl Traits {
    /// Looks at a text.
    pub(super) fn of_text(text: &[u8]) -> Self {
        Self::look(text).0
    }

    /// Looks at a JSON string from behind its opening quote; returns where its closing quote is.
    /// `None` if there is none, or if a control character is in the string.
    pub(super) fn of_json(json: &[u8], start: usize) -> Option<(Self, usize)> {
        let mut at = start;
        let mut escaped = false;
        loop {
            at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
            if json.get(at) == Some(&b'"') {
                break;
            }
            escaped = true;
            at += 2;
        }
        let (traits, control) = Self::look(json.get(start..at)?);
        (!control).then_some((Self { escaped, ..traits }, at))
    }

    /// What is in a text, and whether a control character is. The loop has neither branches nor
    /// tables, so that the compiler can look at many bytes at once.
    fn look(text: &[u8]) -> (Self, bool) {
        let mut traits = Self::default();
        let mut lowest = u8::MAX;
        for chunk in text.chunks(128) {
            let (mut at, mut percent, mut colon, mut bits, mut digits) =
                (0_u8, 0_u8, 0_u8, 0, 0_u8);
            for &byte in chunk {
                at |= u8::from(byte == b'@');
                percent |= u8::from(byte == b'%');
                colon |= u8::from(byte == b':');
                bits |= byte;
                digits += u8::from(byte.wrapping_sub(b'0') < 10);
                lowest = lowest.min(byte);
            }
            traits.at |= at != 0;
            traits.percent |= percent != 0;
            traits.colon |= colon != 0;
            traits.beyond_ascii |= bits >= 0x80;
            traits.digits += usize::from(digits);
        }
        (traits, lowest < 0x20)
    }
}

/// Finds everything that the built-in rules find in one pass.
pub(super) fn find(text: &[u8], traits: Traits, rules: &Rules, cover: Cover, hits: &mut Hits) {
    if cover.secrets && secrets::possible(text.len(), traits.colon) {
        secrets::find(text, hits);
    }
    if !rules.keep_media && text.len() >= media::LARGE {
        media::find(text, hits);
    }
    let Some(pii) = rules.pii.as_ref().filter(|_| cover.pii) else {
        return;
    };
    if traits.beyond_ascii
        && let Some(folded) = fold(text)
    {
        let mut found = Hits::default();
        personal(&folded.text, Traits::of_text(&folded.text), pii, &mut found);
        found.moved(|start, end| folded.original(start, end));
        for hit in found.iter() {
            hits.add(hit.start, hit.end, hit.rule.clone());
        }
    } else {
        personal(text, traits, pii, hits);
    }
}

fn personal(text: &[u8], traits: Traits, pii: &Pii, hits: &mut Hits) {
    let on = pii.builtins;
    if on.emails && (traits.at || traits.percent) {
        email::find(text, traits.percent, hits);
    }
    if on.ibans && traits.digits >= 2 && text.len() >= 15 {
        address::find_iban(text, hits);
    }
    if traits.digits >= 4 {
        number::find(text, traits.digits, on, hits);
    }
    if on.ip_addresses && traits.colon && traits.digits >= 1 {
        address::find_ipv6(text, hits);
    }
}

/// How often a text is looked at again.
const MAX_PASSES: usize = 4;

/// The text with everything replaced that the built-in rules find; `None` if they find nothing.
///
/// What was replaced may have kept its neighbours from being seen (the end of an address is a
/// letter in front of a number), and where nothing stands in its place they meet: so the result
/// is looked at again until nothing is found.
pub(super) fn built_in(
    text: &[u8],
    traits: Traits,
    rules: &Rules,
    cover: Cover,
    count: &mut dyn FnMut(&Rule),
) -> Option<Vec<u8>> {
    let mut result: Option<Vec<u8>> = None;
    let mut hits = Hits::default();
    for pass in 0..MAX_PASSES {
        let current = result.as_deref().unwrap_or(text);
        let traits = if pass == 0 {
            traits
        } else {
            Traits::of_text(current)
        };
        hits.clear();
        find(current, traits, rules, cover, &mut hits);
        if hits.is_empty() {
            break;
        }
        for hit in hits.iter() {
            count(&hit.rule);
        }
        result = Some(replaced(current, &hits, rules.pii.as_ref()));
    }
    result
}

/// The text with every part that was found replaced.
fn replaced(text: &[u8], hits: &Hits, pii: Option<&Pii>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut from = 0;
    for hit in hits.iter() {
        out.extend_from_slice(text.get(from..hit.start).unwrap_or_default());
        let found = text.get(hit.start..hit.end).unwrap_or_default();
        stand_in(&hit.rule, found, pii, &mut out);
        from = hit.end;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    out
}

/// Appends what stands for a match.
pub(super) fn stand_in(rule: &Rule, found: &[u8], pii: Option<&Pii>, out: &mut Vec<u8>) {
    let mode = pii
        .filter(|_| rule.is_pii())
        .map_or(Mode::Label, |pii| pii.mode);
    let digits =
        |digest: &[u8], count: usize| hex(digest).get(..count).unwrap_or_default().to_owned();
    let label = rule.label();
    let text = match (mode, pii.and_then(|pii| pii.hash_key.as_ref())) {
        (Mode::Remove, _) => return,
        (Mode::Hash, _) => format!("[PII:{}]", digits(&Sha256::digest(found), 6)),
        (Mode::Pseudonym, Some(key)) => match Hmac::<Sha256>::new_from_slice(&key.0) {
            Ok(mut mac) => {
                mac.update(found);
                format!("[{label}:{}]", digits(&mac.finalize().into_bytes(), 12))
            }
            Err(_) => format!("[{label}]"),
        },
        (Mode::Label | Mode::Pseudonym, _) => format!("[{label}]"),
    };
    out.extend_from_slice(text.as_bytes());
}

/// How much longer patterns that match nothing, everywhere, may make a text.
const MAX_GROWTH: usize = 16 * 1024 * 1024;

/// Applies the custom patterns, each to what the one before has left. `None` if nothing matched.
pub(super) fn customised(
    text: &[u8],
    pii: &Pii,
    patience: &mut Patience,
    count: &mut dyn FnMut(&Rule),
) -> Result<Option<Vec<u8>>, OverBudget> {
    if pii.custom.is_empty() {
        return Ok(None);
    }
    let mut current = String::from_utf8_lossy(text).into_owned();
    let mut changed = false;
    for pattern in &pii.custom {
        let mut hits: Vec<(usize, usize)> = Vec::new();
        pattern.each(&current, patience, |start, end| {
            if !is_stand_in(current.as_bytes(), start, end, pattern.label()) {
                hits.push((start, end));
            }
        })?;
        if hits.is_empty() {
            continue;
        }
        changed = true;
        let rule = Rule::Custom(pattern.label().to_owned());
        let bytes = current.as_bytes();
        let mut out = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for (start, end) in hits {
            out.extend_from_slice(bytes.get(from..start).unwrap_or_default());
            stand_in(
                &rule,
                bytes.get(start..end).unwrap_or_default(),
                Some(pii),
                &mut out,
            );
            count(&rule);
            from = end;
            if out.len() > text.len() + MAX_GROWTH {
                return Err(OverBudget);
            }
        }
        out.extend_from_slice(bytes.get(from..).unwrap_or_default());
        current = String::from_utf8_lossy(&out).into_owned();
    }
    Ok(changed.then(|| current.into_bytes()))
}

/// Is a match a part of what stands for one already? Then it was replaced before, by the program or
/// before it was written to the spool.
fn is_stand_in(text: &[u8], start: usize, end: usize, label: &str) -> bool {
    const DIGITS: usize = 12;
    let open = format!("[{label}");
    let low = end.saturating_sub(open.len() + DIGITS + 2);
    let near = text.get(low..text.len().min(start + open.len()));
    memchr::memmem::find_iter(near.unwrap_or_default(), &open).any(|at| {
        let rest = text.get(low + at + open.len()..).unwrap_or_default();
        let pseudonym = rest.get(1..=DIGITS).unwrap_or_default();
        let length = match rest.first() {
            Some(b']') => 1,
            Some(b':') if pseudonym.iter().all(u8::is_ascii_hexdigit) => match rest.get(DIGITS + 1)
            {
                Some(b']') => DIGITS + 2,
                _ => return false,
            },
            _ => return false,
        };
        low + at <= start && end <= low + at + open.len() + length
    })
}
