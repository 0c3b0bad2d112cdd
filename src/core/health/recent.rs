//! How the last attempts ended: are failures the rule, or the exception?

use std::time::{Duration, Instant};

/// Delivery works as long as something has succeeded within this time.
const LATELY: Duration = Duration::from_secs(1);
/// Among so many answers a majority can be told.
const ENOUGH: u32 = 32;
/// So many are remembered. Among 32, a third that fails by chance is a majority some thirty times a
/// second at 15 000 answers per second; among 128, once in a day or less often.
const REMEMBERED: u32 = u128::BITS;

/// The last attempts.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// One bit for each, 1 = it failed.
    failures: u128,
    known: u32,
    success: Option<Instant>,
    /// The first failure since then.
    failing: Option<Instant>,
}

impl Recent {
    pub(super) fn succeeded(&mut self, now: Instant) {
        self.note(false);
        (self.success, self.failing) = (Some(now), None);
    }

    pub(super) fn failed(&mut self, now: Instant) {
        self.failing.get_or_insert(now);
        self.note(true);
    }

    fn note(&mut self, failed: bool) {
        self.failures = self.failures << 1 | u128::from(failed);
        self.known = (self.known + 1).min(REMEMBERED);
    }

    /// Has anything succeeded lately?
    pub(super) fn works(&self, now: Instant) -> bool {
        let ago = |at| now.saturating_duration_since(at);
        self.success.is_some_and(|at| ago(at) < LATELY)
    }

    /// Has nothing succeeded for long, although it was tried all the time?
    pub(super) fn fails_for_long(&self, now: Instant) -> bool {
        let ago = |at| now.saturating_duration_since(at);
        self.failing.is_some_and(|at| ago(at) >= LATELY)
    }

    /// Do most attempts fail, or all of them?
    pub(super) fn fails_by_rule(&self, now: Instant) -> bool {
        let most = self.known >= ENOUGH && self.failures.count_ones() * 2 > self.known;
        most || !self.works(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_the_rule_where_nothing_has_succeeded_for_a_second() {
        let now = Instant::now();
        let mut recent = Recent::default();
        recent.failed(now);
        assert!(recent.fails_by_rule(now));
        recent.succeeded(now);
        recent.failed(now);
        assert!(!recent.fails_by_rule(now));
        assert!(recent.fails_by_rule(now + LATELY));
    }

    #[test]
    fn a_majority_of_many_is_the_rule() {
        let now = Instant::now();
        let mut recent = Recent::default();
        for n in 1..=200 {
            recent.succeeded(now);
            recent.failed(now);
            assert!(!recent.fails_by_rule(now), "half of them, {n}");
        }
        recent.failed(now);
        assert!(recent.fails_by_rule(now));
    }
}
