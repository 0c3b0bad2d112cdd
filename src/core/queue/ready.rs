//! The lanes whose front request may be sent, and in which order they are taken.
//!
//! Creations leave in call order, and a further one waits until the one before has been answered or
//! has had a head start: the server should see sessions begin in the order in which they were
//! begun, although each may travel on a connection of its own. A server that answers fast is waited
//! for, which costs nothing; a slow one is not, so that at any latency 500 sessions can be created
//! in a second.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::time::{Duration, Instant};

use crate::core::request::Kind;

/// How long a creation may be on its way before the next one follows.
const HEAD_START: Duration = Duration::from_millis(2);
/// The same for a server that answers fast.
const FAST_HEAD_START: Duration = Duration::from_millis(20);
/// A server that usually answers a creation within this time is fast.
const FAST: Duration = Duration::from_millis(10);

/// Lanes by the number of the request they can send.
#[derive(Debug, Default)]
pub(super) struct Ready {
    creations: BTreeMap<u64, u64>,
    others: BTreeMap<u64, u64>,
    /// Creations on their way, with the time at which each was sent.
    creating: BTreeMap<u64, Instant>,
    /// How long the answer to a creation usually takes.
    usual: Duration,
}

impl Ready {
    pub(super) fn insert(&mut self, seq: u64, lane: u64, kind: Kind) {
        let index = if kind == Kind::Create {
            &mut self.creations
        } else {
            &mut self.others
        };
        index.insert(seq, lane);
    }

    pub(super) fn remove(&mut self, seq: u64) {
        if self.others.remove(&seq).is_none() {
            self.creations.remove(&seq);
        }
    }

    /// Forgets every lane, and what is in flight.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.creations.is_empty() && self.others.is_empty()
    }

    /// The oldest request that may be sent, behind `cursor` if there is one there.
    pub(super) fn next(&self, cursor: Option<u64>, now: Instant) -> Option<(u64, u64)> {
        cursor
            .and_then(|cursor| self.first(Some(cursor), now))
            .or_else(|| self.first(None, now))
    }

    fn first(&self, behind: Option<u64>, now: Instant) -> Option<(u64, u64)> {
        let from = behind.map_or(Unbounded, Excluded);
        let first = |index: &BTreeMap<u64, u64>| {
            index
                .range((from, Unbounded))
                .next()
                .map(|(seq, lane)| (*seq, *lane))
        };
        let creation = if self.next_creation().is_none_or(|at| at <= now) {
            first(&self.creations)
        } else {
            None
        };
        [creation, first(&self.others)].into_iter().flatten().min()
    }

    /// When a creation may follow the one that is on its way.
    fn next_creation(&self) -> Option<Instant> {
        let fast = self.usual <= FAST;
        let head_start = if fast { FAST_HEAD_START } else { HEAD_START };
        let last = self.creating.values().max();
        last.map(|at| *at + head_start)
    }

    /// When a creation that waits for its turn gets it without an answer.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.creations.is_empty() {
            None
        } else {
            self.next_creation()
        }
    }

    /// Until when there is nothing to take although something is ready.
    pub(super) fn held_until(&self) -> Option<Instant> {
        if self.others.is_empty() {
            self.deadline()
        } else {
            None
        }
    }

    /// The request with this number is sent.
    pub(super) fn sent(&mut self, seq: u64, kind: Kind, now: Instant) {
        self.remove(seq);
        if kind == Kind::Create {
            self.creating.insert(seq, now);
        }
    }

    /// The request with this number has come back.
    pub(super) fn landed(&mut self, seq: u64, now: Instant) {
        if let Some(at) = self.creating.remove(&seq) {
            let took = now.saturating_duration_since(at);
            self.usual = (self.usual * 3 + took) / 4;
        }
    }

    /// Every lane with the number it is listed by, ascending.
    #[cfg(test)]
    pub(super) fn pairs(&self) -> Vec<(u64, u64)> {
        let all = self.creations.iter().chain(&self.others);
        let mut pairs: Vec<_> = all.map(|(seq, lane)| (*seq, *lane)).collect();
        pairs.sort_unstable();
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_creation_has_a_head_start_before_the_next_but_holds_nothing_else_up() {
        let now = Instant::now();
        let mut ready = Ready::default();
        ready.insert(1, 10, Kind::Create);
        ready.insert(2, 20, Kind::Create);
        ready.insert(3, 30, Kind::Event);
        assert_eq!(ready.next(None, now), Some((1, 10)));
        ready.sent(1, Kind::Create, now);
        assert_eq!(ready.next(None, now), Some((3, 30)));
        let due = ready.deadline().unwrap();
        assert_eq!(ready.next(None, due), Some((2, 20)), "the server is slow");
        ready.landed(1, now);
        assert_eq!(
            ready.next(None, now),
            Some((2, 20)),
            "the server has answered"
        );
    }

    #[test]
    fn a_slow_server_is_waited_for_less() {
        let now = Instant::now();
        let mut ready = Ready::default();
        for seq in [1, 2, 3] {
            ready.insert(seq, seq * 10, Kind::Create);
        }
        ready.sent(1, Kind::Create, now);
        assert_eq!(ready.deadline(), Some(now + FAST_HEAD_START));
        ready.landed(1, now + Duration::from_millis(50));
        ready.sent(2, Kind::Create, now);
        assert_eq!(ready.deadline(), Some(now + HEAD_START));
    }

    #[test]
    fn answers_that_arrive_close_together_do_not_make_a_slow_server_fast() {
        let start = Instant::now();
        let mut ready = Ready::default();
        let latency = Duration::from_millis(50);
        for seq in 1..=40_u64 {
            ready.insert(seq, seq * 10, Kind::Create);
            let now = start + HEAD_START * u32::try_from(seq).unwrap();
            ready.sent(seq, Kind::Create, now);
            if let Some(answered) = seq.checked_sub(25) {
                ready.landed(answered, now);
            }
        }
        assert!(ready.usual > FAST, "{:?} of {latency:?}", ready.usual);
    }

    #[test]
    fn a_cursor_is_wrapped_around() {
        let now = Instant::now();
        let mut ready = Ready::default();
        ready.insert(1, 10, Kind::Event);
        ready.insert(2, 20, Kind::Create);
        assert_eq!(ready.next(Some(1), now), Some((2, 20)));
        assert_eq!(ready.next(Some(2), now), Some((1, 10)));
    }
}
