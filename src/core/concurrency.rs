//! How many requests of a client may be in flight: additive increase, multiplicative decrease.
//!
//! Pure: it learns from answers, in rounds of as many answers as may be in flight. The decrease is in
//! proportion to the share of the round that failed (half, if all of it did), as in DCTCP: with a
//! plain halving, one refusal in a hundred answers would hold the limit near 12 whatever the server
//! can take. The increase is smaller, the more fails.

use std::time::Duration;

/// In flight at most, however well it goes: what servers and balancers take from one client.
pub const CEILING: usize = 256;
/// The increase per round in which nothing fails; at most the limit doubles.
const STEP: f64 = 32.0;
/// The increase where an eighth or more fails.
const LEAST_STEP: f64 = 2.0;
/// A server that answers within this time is kept busy by what is in flight already: more would
/// only be more connections.
const PROMPT: Duration = Duration::from_millis(10);

/// What came of one attempt, as far as the limit is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted {
    /// The server took it, or had a reason that lies in the request.
    Answered,
    /// The server says that there are too many: 429, or 503 with `Retry-After`.
    Refused,
    /// A broken connection, a time-out, 502 and the like: often one of several servers.
    Broken,
}

/// The limit, and the round that decides about the next one.
#[derive(Debug, Clone)]
pub struct Concurrency {
    first: f64,
    ceiling: f64,
    limit: f64,
    answers: u32,
    refused: u32,
    broken: u32,
    took: Duration,
    crowded: bool,
}

impl Concurrency {
    /// Begins at `first`, and grows up to [`CEILING`].
    #[must_use]
    pub fn new(first: usize) -> Self {
        let number = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let first = number(first.max(1));
        Self {
            first,
            ceiling: number(CEILING).max(first),
            limit: first,
            answers: 0,
            refused: 0,
            broken: 0,
            took: Duration::ZERO,
            crowded: false,
        }
    }

    /// Requests that may be in flight.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and the ceiling"
    )]
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Never more than this are in flight.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of requests"
    )]
    pub fn ceiling(&self) -> usize {
        self.ceiling as usize
    }

    /// A request could be sent, but as many as may be are in flight: a backlog waits.
    pub fn crowded(&mut self) {
        self.crowded = true;
    }

    /// An attempt ended after `took`.
    pub fn note(&mut self, attempted: Attempted, took: Duration) {
        self.answers += 1;
        self.took += took;
        match attempted {
            Attempted::Answered => {}
            Attempted::Refused => self.refused += 1,
            Attempted::Broken => self.broken += 1,
        }
        if f64::from(self.answers) >= self.limit.floor() {
            self.end_round();
        }
    }

    fn end_round(&mut self) {
        let share = f64::from(self.refused + self.broken) / f64::from(self.answers);
        let prompt = self.took / self.answers.max(1) < PROMPT;
        let step = (STEP * (1.0 - 8.0 * share)).max(LEAST_STEP).min(self.limit);
        let mut limit = self.limit * (1.0 - share / 2.0);
        if self.crowded && (self.limit < self.first || !prompt) {
            limit += step * (1.0 - share);
        }
        let floor = self.floor(share).min(self.limit + LEAST_STEP);
        self.limit = limit.max(floor).min(self.ceiling);
        (self.answers, self.refused, self.broken) = (0, 0, 0);
        self.took = Duration::ZERO;
        self.crowded = false;
    }

    /// While most is answered, some parallelism stays. A server of several that is dead is not
    /// helped by sending less to the others.
    fn floor(&self, share: f64) -> f64 {
        let kept = if share > 0.5 {
            0.0
        } else if self.refused > 0 {
            self.first / 8.0
        } else {
            self.first / 2.0
        };
        kept.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLOW: Duration = Duration::from_millis(50);

    fn attempted() -> impl Strategy<Value = Attempted> {
        prop_oneof![
            3 => Just(Attempted::Answered),
            1 => Just(Attempted::Refused),
            1 => Just(Attempted::Broken),
        ]
    }

    /// Rounds in which every `nth` attempt fails, with a backlog; the limit afterwards.
    fn settled(concurrency: &mut Concurrency, nth: u32, failure: Attempted) -> usize {
        for n in 1..=20_000 {
            concurrency.crowded();
            let failed = n % nth == 0;
            let what = if failed { failure } else { Attempted::Answered };
            concurrency.note(what, SLOW);
        }
        concurrency.limit()
    }

    fn limit_at_first(first: usize) -> f64 {
        Concurrency::new(first).limit
    }

    proptest! {
        #[test]
        fn the_limit_stays_between_one_and_the_ceiling(
            first in 0usize..400,
            all in prop::collection::vec((attempted(), 0u64..200, any::<bool>()), 0..2000),
        ) {
            let mut concurrency = Concurrency::new(first);
            for (what, took, crowded) in all {
                if crowded {
                    concurrency.crowded();
                }
                concurrency.note(what, Duration::from_millis(took));
                prop_assert!((1..=concurrency.ceiling()).contains(&concurrency.limit()));
            }
        }

        #[test]
        fn a_round_without_failures_never_lowers_it_and_the_more_fails_the_lower_it_is(
            first in 1usize..300,
            few in 0.0..1.0_f64,
            many in 0.0..1.0_f64,
            crowded: bool,
            failure in prop_oneof![Just(Attempted::Refused), Just(Attempted::Broken)],
        ) {
            let after = |share: f64| {
                let mut concurrency = Concurrency::new(first);
                for n in 0..first {
                    if crowded {
                        concurrency.crowded();
                    }
                    let failed = f64::from(u32::try_from(n).unwrap()) < share * concurrency.first;
                    let what = if failed { failure } else { Attempted::Answered };
                    concurrency.note(what, SLOW);
                }
                assert_eq!(concurrency.answers, 0, "the round is over");
                concurrency.limit
            };
            prop_assert!(after(0.0) >= limit_at_first(first));
            prop_assert!(after(few.min(many)) >= after(few.max(many)));
            prop_assert!(after(1.0) <= limit_at_first(first).max(2.0) / 2.0 + 0.01);
        }
    }

    #[test]
    fn it_grows_only_while_a_backlog_waits_for_a_slow_server() {
        let mut concurrency = Concurrency::new(64);
        for _ in 0..6_400 {
            concurrency.note(Attempted::Answered, SLOW);
        }
        assert_eq!(concurrency.limit(), 64, "no backlog");
        for _ in 0..6_400 {
            concurrency.crowded();
            concurrency.note(Attempted::Answered, Duration::from_millis(1));
        }
        assert_eq!(concurrency.limit(), 64, "answered at once");
        for _ in 0..2_500 {
            concurrency.crowded();
            concurrency.note(Attempted::Answered, SLOW);
        }
        assert_eq!(concurrency.limit(), CEILING);
    }

    #[test]
    fn few_failures_cost_little_and_many_cost_much() {
        let refused = |nth| settled(&mut Concurrency::new(64), nth, Attempted::Refused);
        assert_eq!(refused(100), CEILING);
        assert!((64..CEILING).contains(&refused(10)), "{}", refused(10));
        assert!((8..64).contains(&refused(4)), "{}", refused(4));
        assert_eq!(refused(1), 1);
        let broken = settled(&mut Concurrency::new(64), 3, Attempted::Broken);
        assert!(
            (32..40).contains(&broken),
            "one dead server of three: {broken}"
        );
    }

    #[test]
    fn what_is_above_a_server_s_limit_settles_little_above_it() {
        let mut concurrency = Concurrency::new(64);
        let mut most = 0;
        for round in 0..1_000 {
            let limit = concurrency.limit();
            for n in 0..limit {
                concurrency.crowded();
                let refused = n >= 20;
                let what = if refused {
                    Attempted::Refused
                } else {
                    Attempted::Answered
                };
                concurrency.note(what, SLOW);
            }
            if round >= 100 {
                most = most.max(limit);
                assert!(limit >= 20);
            }
        }
        assert!(most <= 27, "{most}");
    }

    #[test]
    fn chance_does_not_drive_it_below_what_a_dead_server_of_three_leaves() {
        let mut concurrency = Concurrency::new(64);
        // All of a round fails from time to time.
        for n in 0..200_000_u32 {
            concurrency.crowded();
            let failed = n % 1000 < 50 || n % 10 < 3;
            let what = if failed {
                Attempted::Broken
            } else {
                Attempted::Answered
            };
            concurrency.note(what, SLOW);
        }
        for n in 0..2_000_u32 {
            concurrency.crowded();
            let what = if n % 10 < 3 {
                Attempted::Broken
            } else {
                Attempted::Answered
            };
            concurrency.note(what, SLOW);
        }
        assert!(concurrency.limit() >= 32, "{}", concurrency.limit());
    }

    #[test]
    fn what_was_refused_grows_back() {
        let mut concurrency = Concurrency::new(64);
        assert_eq!(settled(&mut concurrency, 1, Attempted::Refused), 1);
        for _ in 0..200 {
            concurrency.crowded();
            concurrency.note(Attempted::Answered, Duration::from_millis(1));
        }
        assert!(
            (64..96).contains(&concurrency.limit()),
            "{}",
            concurrency.limit()
        );
    }
}
