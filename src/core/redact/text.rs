//! One text: what is found in it, and what it becomes.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::Redactor;
use super::custom::{OverBudget, Patience, Pattern};
use super::fold::fold;
use super::hit::{Hits, LONGEST, Rule};
use super::media::{self, hex};
use super::rules::{Cover, Mode, Pii};
use super::traits::Traits;
use super::{address, email, number, secrets, spelled, uuid};

/// What stands for a value that could not be checked.
pub(super) const WITHHELD: &[u8] = b"[REDACTED]";

/// Finds everything that the built-in rules find in one pass; returns whether there was the
/// beginning of a secret. Escapes hide nothing.
pub(super) fn find(
    text: &[u8],
    traits: Traits,
    redactor: &Redactor,
    cover: Cover,
    hits: &mut Hits,
) -> bool {
    let begun = look(text, traits, redactor, cover, hits);
    let spelled = traits.escaped() || traits.percent();
    let Some(view) = spelled.then(|| spelled::read(text)).flatten() else {
        return begun;
    };
    let mut found = Hits::default();
    let traits = Traits::of_text(&view.text);
    let begun_in_view = look(&view.text, traits, redactor, cover, &mut found);
    found.moved(|start, end| view.original(start, end));
    hits.join(&found, |start| {
        // `\b` and `\f` are hardly ever written, but names in a path begin with these letters.
        let escape = !matches!(text.get(start), Some(b'b' | b'f'));
        view.piece_around(start).filter(|_| escape)
    });
    begun || begun_in_view
}

/// Finds everything in a text as it stands, and in what it looks like.
fn look(text: &[u8], traits: Traits, redactor: &Redactor, cover: Cover, hits: &mut Hits) -> bool {
    let rules = &redactor.rules;
    let folded = traits.beyond_ascii().then(|| fold(text)).flatten();
    redactor.own.find(text, hits);
    let mut begun = cover.secrets && find_secrets(text, traits, hits);
    if !rules.keep_media && text.len() >= media::LARGE {
        media::find(text, hits);
    }
    let pii = rules.pii.as_ref().filter(|_| cover.pii);
    let Some(folded) = folded else {
        if let Some(pii) = pii {
            personal(text, traits, pii, hits);
        }
        return begun;
    };
    let mut found = Hits::default();
    let traits = Traits::of_text(&folded.text);
    redactor.own.find(&folded.text, &mut found);
    begun |= cover.secrets && find_secrets(&folded.text, traits, &mut found);
    if let Some(pii) = pii {
        personal(&folded.text, traits, pii, &mut found);
    }
    found.moved(|start, end| folded.original(start, end));
    for hit in found.iter() {
        hits.add(hit.start, hit.end, hit.rule.clone());
    }
    begun
}

fn find_secrets(text: &[u8], traits: Traits, hits: &mut Hits) -> bool {
    secrets::possible(text.len(), traits.colon()) && secrets::find(text, traits, hits)
}

fn personal(text: &[u8], traits: Traits, pii: &Pii, hits: &mut Hits) {
    let on = pii.builtins;
    if on.emails && traits.at() {
        email::find(text, hits);
    }
    if on.ibans && traits.digits >= 2 && text.len() >= 15 {
        address::find_iban(text, hits);
    }
    if traits.digits >= number::FEWEST_DIGITS {
        number::find(text, traits.digits, on, hits);
    }
    if on.ip_addresses && traits.colon() && traits.digits >= 1 {
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
    redactor: &Redactor,
    cover: Cover,
    count: &mut dyn FnMut(&Rule),
) -> Option<Vec<u8>> {
    // Most strings are short words and ids. The client's own key may look like one.
    let nothing = (traits.plain() && text.len() < secrets::SHORTEST) || uuid::is_uuid(text);
    if nothing && !redactor.own.stand_in(text) {
        return None;
    }
    if text.len() > LONGEST {
        count(&Rule::Withheld);
        return Some(WITHHELD.to_vec());
    }
    let pii = redactor.rules.pii.as_ref();
    let mut result: Option<Vec<u8>> = None;
    let mut hits = Hits::default();
    let mut cover = cover;
    let look_for_secrets = cover.secrets;
    for pass in 0..MAX_PASSES {
        let current = result.as_deref().unwrap_or(text);
        let traits = if pass == 0 {
            traits
        } else {
            Traits::of_text(current)
        };
        hits.clear();
        let begun = find(current, traits, redactor, cover, &mut hits);
        if hits.is_empty() {
            break;
        }
        for hit in hits.iter() {
            count(hit.rule);
        }
        // Where no secret began none begins now: what stands for personal data is in brackets, and
        // brackets are in no beginning.
        let bracketed = hits.iter().all(|hit| is_bracketed(hit.rule, pii));
        cover.secrets = look_for_secrets && (begun || !bracketed);
        result = Some(replaced(current, &hits, pii));
    }
    result
}

/// Does a word in brackets, made of nothing of what was found, stand for personal data?
fn is_bracketed(rule: &Rule, pii: Option<&Pii>) -> bool {
    rule.is_pii() && pii.is_some_and(|pii| pii.mode != Mode::Remove)
}

/// The text with every part that was found replaced.
fn replaced(text: &[u8], hits: &Hits, pii: Option<&Pii>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut from = 0;
    for hit in hits.iter() {
        out.extend_from_slice(text.get(from..hit.start).unwrap_or_default());
        let found = text.get(hit.start..hit.end).unwrap_or_default();
        stand_in(hit.rule, found, pii, &mut out);
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
    let label = rule.label();
    let mut put = |parts: &[&str]| {
        out.push(b'[');
        for part in parts {
            out.extend_from_slice(part.as_bytes());
        }
        out.push(b']');
    };
    match (mode, pii.and_then(|pii| pii.hash_key.as_ref())) {
        (Mode::Remove, _) => {}
        (Mode::Hash, _) => {
            let digest = hex(&Sha256::digest(found));
            put(&["PII:", digest.get(..6).unwrap_or_default()]);
        }
        (Mode::Pseudonym, Some(key)) => match Hmac::<Sha256>::new_from_slice(&key.0) {
            Ok(mut mac) => {
                mac.update(found);
                let digest = hex(&mac.finalize().into_bytes());
                put(&[&label, ":", digest.get(..12).unwrap_or_default()]);
            }
            Err(_) => put(&[&label]),
        },
        (Mode::Label | Mode::Pseudonym, _) => put(&[&label]),
    }
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
        let hits = matches(pattern, &current, patience)?;
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

/// Where a pattern matches, in the text as it stands and in what its escapes stand for.
fn matches(
    pattern: &Pattern,
    text: &str,
    patience: &mut Patience,
) -> Result<Vec<(usize, usize)>, OverBudget> {
    let is_new = |start, end| !is_stand_in(text.as_bytes(), start, end, pattern.label());
    let mut hits: Vec<(usize, usize)> = Vec::new();
    pattern.each(text, patience, |start, end| {
        if is_new(start, end) {
            hits.push((start, end));
        }
    })?;
    let Some(view) = spelled::read(text.as_bytes()) else {
        return Ok(hits);
    };
    let plain = hits.len();
    let read = String::from_utf8_lossy(&view.text);
    pattern.each(&read, patience, |start, end| {
        let (from, to) = view.original(start, end);
        let seen = hits.get(..plain).unwrap_or_default();
        let next = seen.partition_point(|(_, end)| *end <= from);
        let overlaps = seen.get(next).is_some_and(|(start, _)| *start < to);
        if start < end && !overlaps && is_new(from, to) {
            hits.push((from, to));
        }
    })?;
    hits.sort_unstable();
    Ok(hits)
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
