//! Has the server stopped answering? Pure; the clock is passed in.
//!
//! A server that hangs, or a network that swallows what is sent, breaks no connection: nothing comes
//! back until each request has met its time-out. So requests in flight look around from time to time,
//! and what has waited too long is sent once more over a fresh connection, with the same
//! `Idempotency-Key`; the first answer counts.

use std::time::{Duration, Instant};

/// No answer for so long, with requests in flight: one of them is sent once more.
const SUSPICIOUS: Duration = Duration::from_secs(2);
/// No answer for so long: an outage.
const OUTAGE: Duration = Duration::from_secs(5);
/// How many times as long as usual a server that is known to be slow may take.
const PATIENCE: u32 = 2;

/// What a request that has no answer yet can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Wait.
    Wait,
    /// Nothing is answered: this one is sent once more, by a new pool of connections.
    Probe,
    /// Requests sent later are answered: once more, by the connections that those used.
    Again,
}

/// What is known about answers.
#[derive(Debug, Default)]
pub(super) struct Silence {
    last: Option<Instant>,
    /// When the newest request that has an answer was sent.
    newest: Option<Instant>,
    /// How long an answer usually takes.
    usual: Duration,
    /// The request that is sent once more while nothing is answered.
    probe: Option<u64>,
    /// When the last silence was noticed.
    noticed: Option<Instant>,
}

impl Silence {
    /// An attempt that began at `sent` has an answer.
    pub(super) fn answered(&mut self, sent: Instant, now: Instant) {
        let took = now.saturating_duration_since(sent);
        self.usual = (self.usual * 3 + took) / 4;
        self.last = Some(now);
        self.newest = self.newest.max(Some(sent));
    }

    /// The request with this number is no longer in flight.
    pub(super) fn landed(&mut self, seq: u64) {
        self.probe.take_if(|probe| *probe == seq);
    }

    /// No request is in flight any more.
    pub(super) fn clear(&mut self) {
        self.probe = None;
    }

    /// For how long nothing has been answered, as far as a request sent at `sent` can tell.
    pub(super) fn quiet(&self, sent: Instant, now: Instant) -> Duration {
        let since = self.last.map_or(sent, |last| last.max(sent));
        now.saturating_duration_since(since)
    }

    /// Has nothing been answered since `sent`?
    pub(super) fn is_silent_since(&self, sent: Instant) -> bool {
        self.last.is_none_or(|last| last <= sent)
    }

    /// Is it so long that nothing is answered at all?
    pub(super) fn is_outage(&self, sent: Instant, now: Instant) -> bool {
        self.quiet(sent, now) >= self.at_least(OUTAGE)
    }

    /// What the request `seq`, sent at `sent` and not answered yet, can do.
    pub(super) fn look(&mut self, seq: u64, sent: Instant, now: Instant) -> Look {
        let overtaken = self.newest.is_some_and(|newest| newest > sent);
        if overtaken {
            let dead = |noticed| sent < noticed && self.newest >= Some(noticed);
            let late = now.saturating_duration_since(sent) >= self.at_least(OUTAGE);
            return if late || self.noticed.is_some_and(dead) {
                Look::Again
            } else {
                Look::Wait
            };
        }
        if self.quiet(sent, now) < self.at_least(SUSPICIOUS) {
            return Look::Wait;
        }
        if *self.probe.get_or_insert(seq) != seq {
            return Look::Wait;
        }
        self.noticed = Some(now);
        Look::Probe
    }

    fn at_least(&self, least: Duration) -> Duration {
        least.max(self.usual * PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_request_asks_again_while_nothing_is_answered() {
        let start = Instant::now();
        let mut silence = Silence::default();
        assert_eq!(silence.look(1, start, start + seconds(1)), Look::Wait);
        assert_eq!(silence.look(1, start, start + seconds(2)), Look::Probe);
        assert_eq!(silence.look(2, start, start + seconds(2)), Look::Wait);
        assert_eq!(silence.look(1, start, start + seconds(3)), Look::Probe);
        assert!(!silence.is_outage(start, start + seconds(4)));
        assert!(silence.is_outage(start, start + seconds(5)));
        silence.landed(1);
        assert_eq!(silence.look(2, start, start + seconds(6)), Look::Probe);
    }

    #[test]
    fn what_is_older_than_the_silence_is_sent_again_once_something_newer_is_answered() {
        let start = Instant::now();
        let mut silence = Silence::default();
        let later = start + seconds(1);
        assert_eq!(silence.look(1, start, start + seconds(2)), Look::Probe);
        let (sent, now) = (start + seconds(2), start + seconds(3));
        silence.answered(sent, now);
        silence.landed(1);
        assert_eq!(silence.look(2, later, now), Look::Again);
        assert_eq!(silence.look(3, now, now + seconds(1)), Look::Wait);
    }

    #[test]
    fn an_answer_to_something_older_is_no_reason_to_send_again() {
        let start = Instant::now();
        let mut silence = Silence::default();
        let now = start + seconds(3);
        assert_eq!(silence.look(2, start + seconds(1), now), Look::Probe);
        silence.answered(start, now);
        assert_eq!(silence.look(2, start + seconds(1), now), Look::Wait);
    }

    #[test]
    fn a_connection_that_hangs_while_others_are_answered_is_given_five_seconds() {
        let start = Instant::now();
        let mut silence = Silence::default();
        for n in 1..60_u32 {
            let now = start + Duration::from_millis(100) * n;
            silence.answered(now.checked_sub(Duration::from_millis(5)).unwrap(), now);
            let late = now >= start + seconds(5);
            let look = silence.look(1, start, now);
            assert_eq!(look == Look::Again, late, "{:?}", now - start);
        }
    }

    #[test]
    fn a_slow_server_is_not_silent() {
        let start = Instant::now();
        let mut silence = Silence::default();
        let mut now = start;
        for _ in 0..10 {
            silence.answered(now, now + seconds(6));
            now += seconds(6);
        }
        assert_eq!(silence.look(1, now, now + seconds(7)), Look::Wait);
        assert!(!silence.is_outage(now, now + seconds(7)));
        assert!(silence.is_outage(now, now + seconds(12)));
    }
}
