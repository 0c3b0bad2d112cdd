//! Is delivery of a client working? A pure state machine; the clock is passed in.
//!
//! ```text
//!        outages by rule       probe fails
//!   Up ───────────────▶ Suspect ─────────▶ Down ──▶ Down …
//!   ▲ ▲                    │                 │
//!   │ └────── any success ─┴─────────────────┘
//!   ├── 429 by rule ──▶ Limited ── pause over, probe succeeds ──▶ Up
//!   └── 401 ──▶ Paused  ── new key, or a probe succeeds ─▶ Up
//! ```
//! A failure that is the exception changes nothing here: the request that met it waits alone.
//! No answer at all for some seconds also leads from `Up` to `Down`.
//! A 500 also leads back to `Up`, silently: the server is there, the request is at fault. Several in
//! a row, with nothing delivered between them, are told like an outage.
//! Every state but `Up` lets one probe through at a time.

mod lines;
mod recent;
mod slowdown;
mod state;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use self::recent::Recent;
use self::slowdown::Slowdown;
pub use self::state::State;
use super::notices::Notice;
use super::retry::{self, Kind as Pace};

/// How often a refused key is tried again.
const PAUSED_PROBE: Duration = Duration::from_secs(300);
/// Answers such as 500 in a row after which that is worth a line.
const MANY_FAULTS: u32 = 3;

/// May a request be sent now?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// As many as the limit allows.
    Open,
    /// One, to see whether the server works again.
    Probe,
    /// Not before the next probe is due.
    Closed,
}

/// What a line about recovery tells.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// Requests waiting or in flight.
    pub pending: u64,
    /// Requests dropped so far.
    pub dropped: u64,
}

/// Health of one client's delivery.
#[derive(Debug, Default)]
pub struct Health {
    state: State,
    failures: u32,
    /// Answers such as 500 since the last success.
    faults: u32,
    since: Option<Instant>,
    next_probe: Option<Instant>,
    /// The request that is out as a probe. Its number tells it from a probe of an earlier
    /// outage that comes home late.
    probing: Option<u64>,
    /// A line about the trouble was said; the first success says the other one.
    announced: bool,
    dropped_before: u64,
    recent: Recent,
    slowdown: Slowdown,
}

impl Health {
    /// The state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Is nothing in the way, so that a failure concerns its request alone?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Up
    }

    /// Has something been delivered lately?
    #[must_use]
    pub fn works(&self, now: Instant) -> bool {
        self.recent.works(now)
    }

    /// Is waiting for an answer pointless for now?
    #[must_use]
    pub fn is_broken(&self) -> bool {
        matches!(self.state, State::Down | State::Paused)
    }

    /// May a request be sent at `now`?
    #[must_use]
    pub fn gate(&self, now: Instant) -> Gate {
        match (self.state, self.next_probe) {
            (State::Up, _) => Gate::Open,
            _ if self.probing.is_some() => Gate::Closed,
            (_, Some(at)) if at > now => Gate::Closed,
            _ => Gate::Probe,
        }
    }

    /// When the gate opens next, if it is closed by time.
    #[must_use]
    pub fn next_probe(&self) -> Option<Instant> {
        if self.state == State::Up || self.probing.is_some() {
            None
        } else {
            self.next_probe
        }
    }

    /// The request with this number goes out as a probe.
    pub fn probe_started(&mut self, seq: u64) {
        self.probing = Some(seq);
    }

    /// A request came back; was it the probe?
    pub fn probe_landed(&mut self, seq: u64) -> bool {
        let probe = self.probing == Some(seq);
        if probe {
            self.probing = None;
        }
        probe
    }

    /// The probe will not come back.
    pub fn probe_lost(&mut self) {
        self.probing = None;
    }

    /// An answer arrived that shows a working server.
    pub fn success(&mut self, now: Instant, probe: bool, totals: Totals) -> Option<Notice> {
        self.recent.succeeded(now);
        if !probe && matches!(self.state, State::Limited | State::Paused) {
            // Sent before the server asked for a pause or refused the key: no news.
            return None;
        }
        (self.state, self.next_probe, self.probing) = (State::Up, None, None);
        (self.failures, self.faults) = (0, 0);
        let since = self.since.take();
        if !std::mem::take(&mut self.announced) {
            return None;
        }
        let lasted = since.map(|at| now.saturating_duration_since(at));
        let lasted = lasted.unwrap_or_default();
        Some(lines::recovered(lasted, self.dropped_before, totals))
    }

    /// When [`Health::calm`] has something to say, if nothing happens before.
    #[must_use]
    pub fn calm_at(&self) -> Option<Instant> {
        self.slowdown.ends()
    }

    /// The line that the server has not asked for less for a minute.
    pub fn calm(&mut self, now: Instant, totals: Totals) -> Option<Notice> {
        self.slowdown.ended(now, totals)
    }

    /// The server answered, but failed over this one request (500 and the like): no outage, and
    /// no proof that delivery works either. Said only when nothing else comes any more and it did
    /// so `again`: many requests may meet the same short trouble.
    pub fn faulty(
        &mut self,
        now: Instant,
        probe: bool,
        again: bool,
        reason: &str,
        wait: Wait,
        totals: Totals,
    ) -> Option<Notice> {
        match self.state {
            State::Up => {}
            // Whether the key is good, a 500 does not tell.
            State::Paused if probe => {
                self.back_off(now, wait);
                return None;
            }
            State::Limited | State::Paused if !probe => return None,
            _ => {
                self.state = State::Up;
                self.next_probe = None;
            }
        }
        self.faults = self.faults.saturating_add(1);
        if self.faults == 1 && !self.announced {
            self.since = Some(now);
            self.dropped_before = totals.dropped;
        }
        self.announce(again && self.faults >= MANY_FAULTS, || {
            lines::broke(reason, totals)
        })
    }

    /// The server could not be reached, or a gateway answered for it.
    pub fn outage(
        &mut self,
        now: Instant,
        probe: bool,
        reason: &str,
        wait: Wait,
        totals: Totals,
    ) -> Option<Notice> {
        self.recent.failed(now);
        match self.state {
            State::Up if self.announced => self.enter(State::Down, now, totals),
            State::Up if !self.recent.fails_by_rule(now) => return None,
            State::Up if self.recent.fails_for_long(now) => self.enter(State::Down, now, totals),
            State::Up => self.enter(State::Suspect, now, totals),
            _ if !probe => {
                self.at_least(now, wait);
                return None;
            }
            // The key is still refused, as far as is known.
            State::Paused => {}
            // Down means that nothing works, not that much fails.
            State::Suspect if self.recent.works(now) => {}
            State::Suspect | State::Down | State::Limited => self.state = State::Down,
        }
        self.back_off(now, wait);
        self.announce(self.state == State::Down, || lines::broke(reason, totals))
    }

    /// Nothing has been answered for some seconds. `asking` is the request that is sent once more
    /// meanwhile; it counts as the probe.
    pub fn silent(
        &mut self,
        now: Instant,
        asking: u64,
        reason: &str,
        totals: Totals,
    ) -> Option<Notice> {
        if !matches!(self.state, State::Up | State::Suspect) {
            return None;
        }
        self.enter(State::Down, now, totals);
        self.next_probe = Some(now);
        self.probing = Some(asking);
        self.announce(true, || lines::broke(reason, totals))
    }

    /// 429.
    pub fn limited(
        &mut self,
        now: Instant,
        probe: bool,
        wait: Wait,
        totals: Totals,
    ) -> Option<Notice> {
        self.recent.failed(now);
        // Within an outage that was said, this is no news.
        let news = self.slowdown.note(now, !self.announced, totals);
        let pauses = self.limit(now, probe, wait, totals);
        news.then(|| lines::slowed(pauses, totals))
    }

    /// Pauses where refusals are the rule; for how long.
    fn limit(&mut self, now: Instant, probe: bool, wait: Wait, totals: Totals) -> Option<Duration> {
        match self.state {
            State::Up if !self.recent.fails_by_rule(now) => return None,
            State::Limited | State::Paused if !probe => {
                self.at_least(now, wait);
                return None;
            }
            State::Paused => {}
            _ => self.enter(State::Limited, now, totals),
        }
        Some(self.back_off(now, wait))
    }

    /// 401.
    pub fn unauthorized(
        &mut self,
        now: Instant,
        message: &str,
        masked_key: &str,
        totals: Totals,
    ) -> Option<Notice> {
        self.next_probe = Some(now + PAUSED_PROBE);
        if self.state == State::Paused {
            return None;
        }
        self.enter(State::Paused, now, totals);
        self.announced = false;
        self.announce(true, || lines::paused(message, masked_key, totals))
    }

    /// 403 where nothing may be sent without an answer: over until there is another key.
    pub fn denied(&mut self, now: Instant, message: &str, totals: Totals) -> Option<Notice> {
        self.enter(State::Paused, now, totals);
        self.next_probe = None;
        self.announced = false;
        self.announce(true, || lines::stopped(message, totals))
    }

    /// The key was replaced, or the process is about to end: try at once.
    pub fn retry_now(&mut self, now: Instant) {
        if self.state != State::Up {
            self.next_probe = Some(now);
        }
    }

    /// The key was replaced: a pause because of the old one is over.
    pub fn rekeyed(&mut self, now: Instant) {
        if self.state == State::Paused {
            self.state = State::Up;
            self.failures = 0;
            self.next_probe = None;
            self.probing = None;
        }
        self.retry_now(now);
    }

    fn enter(&mut self, state: State, now: Instant, totals: Totals) {
        // What began and was told lasts until the first success, whatever it turned into.
        if self.state == State::Up && !self.announced {
            self.since = Some(now);
            self.dropped_before = totals.dropped;
            self.failures = 0;
        }
        self.state = state;
    }

    /// The next probe comes after one more back-off.
    fn back_off(&mut self, now: Instant, wait: Wait) -> Duration {
        self.failures = self.failures.saturating_add(1);
        // A server that hangs has taken the probe's whole time already.
        let failures = if wait.hung { 1 } else { self.failures };
        let pace = Pace::Background;
        let delay = retry::next_delay(failures, pace, wait.retry_after, wait.jitter);
        self.next_probe = Some(now + delay);
        delay
    }

    /// `Retry-After` in an answer to another request than the probe moves the probe only back.
    fn at_least(&mut self, now: Instant, wait: Wait) {
        if let Some(asked) = wait.retry_after {
            let at = now + asked.min(retry::RETRY_AFTER_CAP);
            self.next_probe = self.next_probe.max(Some(at));
        }
    }

    fn announce(&mut self, worth: bool, line: impl FnOnce() -> Notice) -> Option<Notice> {
        if !worth || self.announced {
            return None;
        }
        self.announced = true;
        Some(line())
    }
}

/// What decides how long to wait for the next probe.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wait {
    /// The server's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Random number in 0..1.
    pub jitter: f64,
    /// There was no answer within the time-out.
    pub hung: bool,
}
