//! Keys, tokens and passwords that give themselves away by how they look.
//!
//! Precision before recall: each rule asks for a known beginning, a length and an alphabet, so that
//! prose and code are not hit. A beginning that no word has needs nothing more.

mod alphabet;
mod shape;
mod vendors;

use std::sync::Arc;

use aho_corasick::automaton::Automaton as _;
use aho_corasick::dfa::DFA;
use aho_corasick::{Input, MatchKind};
use arc_swap::{ArcSwapOption, Guard};

use self::shape::Shape;
use self::vendors::RULES;
use super::hit::{Hits, Rule};
use super::traits::Traits;
use super::words::LongWords;

/// Shorter than every secret but the password of a URL, which has a colon.
pub(super) const SHORTEST: usize = 15;

/// Can there be a secret in such a text at all?
pub(super) fn possible(length: usize, colon: bool) -> bool {
    length >= SHORTEST || (colon && length >= b"a://:b@".len())
}

/// Made at the first look. Not a `LazyLock`: a child forked while the delivery thread makes it would
/// wait for it for ever.
static BEGINNINGS: ArcSwapOption<DFA> = ArcSwapOption::const_empty();

fn beginnings() -> Guard<Option<Arc<DFA>>> {
    let known = BEGINNINGS.load();
    if known.is_some() {
        return known;
    }
    let made = DFA::builder()
        .match_kind(MatchKind::LeftmostLongest)
        // The beginnings are too many and too short for one: it costs more than it skips.
        .prefilter(false)
        .build(RULES.iter().map(|(_, beginning, _)| beginning));
    BEGINNINGS.store(made.ok().map(Arc::new));
    BEGINNINGS.load()
}

/// `Bearer ` and `Basic ` stand in front of the word that is the secret.
const LONGEST_SCHEME: usize = b"Bearer ".len();

/// Finds secrets; returns whether there was as much as the beginning of one that could have been.
///
/// Every secret is a long word or begins with one, but for the password of a URL. Prose is passed
/// over: looking at each of its bytes was a quarter of the time of all of redaction.
pub(super) fn find(text: &[u8], traits: Traits, hits: &mut Hits) -> bool {
    let known = beginnings();
    let Some(beginnings) = known.as_ref() else {
        // Cannot happen, as a test shows; if it did, nothing may pass unseen.
        hits.add(0, text.len(), Rule::Withheld);
        return true;
    };
    let mut search = Search {
        text,
        beginnings,
        from: 0,
        in_vain: 0,
        begun: false,
    };
    if traits.at() && traits.colon() {
        search.within(0, text.len(), hits);
    } else {
        for (start, end) in LongWords::of(text) {
            // With what is behind it, as some beginnings end with a space.
            search.within(start.saturating_sub(LONGEST_SCHEME), end + 1, hits);
            if search.from >= text.len() {
                break;
            }
        }
    }
    search.begun
}

struct Search<'a> {
    text: &'a [u8],
    beginnings: &'a DFA,
    from: usize,
    /// End of a run of characters that was looked at in vain: what begins further inside it is no
    /// more a secret than the whole, and looking again each time would take quadratic time.
    in_vain: usize,
    begun: bool,
}

impl Search<'_> {
    /// Looks at the secrets that begin in a part of the text; the parts come in order.
    fn within(&mut self, start: usize, end: usize, hits: &mut Hits) {
        let end = end.min(self.text.len());
        self.from = self.from.max(start);
        while self.from < end {
            let part = Input::new(self.text).range(self.from..end);
            let Ok(Some(found)) = self.beginnings.try_find(&part) else {
                break;
            };
            self.begun = true;
            self.from = found.start() + 1;
            let Some((kind, _, shape)) = RULES.get(found.pattern().as_usize()) else {
                continue;
            };
            if shape.is_open() && found.start() < self.in_vain {
                continue;
            }
            if let Some((start, end)) = shape.find(self.text, found.start(), found.end()) {
                hits.add(start, end, Rule::Secret(kind));
                self.from = end.max(self.from);
            } else if shape.is_open() {
                self.in_vain = found.start() + Shape::looked_at(self.text, found.start());
            }
        }
    }
}

#[cfg(test)]
mod tests;
