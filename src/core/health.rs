//! Is delivery of a client working? A pure state machine; the clock is passed in.
//!
//! ```text
//!            outage            probe fails
//!   Up ───────────────▶ Suspect ─────────▶ Down ──▶ Down …
//!   ▲ ▲                    │                 │
//!   │ └────── any success ─┴─────────────────┘
//!   ├── 429 ──▶ Limited ── pause over, probe succeeds ──▶ Up
//!   └── 401 ──▶ Paused  ── new key, or a probe succeeds ─▶ Up
//! ```
//! Every state but `Up` lets one probe through at a time.

use std::time::{Duration, Instant};

use super::notices::{Level, Notice};
use super::retry::{self, Kind as Pace};

/// How often a refused key is tried again.
const PAUSED_PROBE: Duration = Duration::from_secs(300);

/// What the client's delivery is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Answers arrive.
    Up,
    /// One failure; not yet worth a line.
    Suspect,
    /// The server cannot be reached or does not work.
    Down,
    /// The server asked for a pause (429).
    Limited,
    /// The server refuses the key (401).
    Paused,
}

impl State {
    /// The word in `stats()`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up | Self::Suspect => "up",
            Self::Down => "down",
            Self::Limited => "limited",
            Self::Paused => "paused",
        }
    }
}

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
#[derive(Debug)]
pub struct Health {
    state: State,
    failures: u32,
    since: Option<Instant>,
    next_probe: Option<Instant>,
    probing: bool,
    announced: bool,
    dropped_before: u64,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            state: State::Up,
            failures: 0,
            since: None,
            next_probe: None,
            probing: false,
            announced: false,
            dropped_before: 0,
        }
    }
}

impl Health {
    /// The state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
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
            _ if self.probing => Gate::Closed,
            (_, Some(at)) if at > now => Gate::Closed,
            _ => Gate::Probe,
        }
    }

    /// When the gate opens next, if it is closed by time.
    #[must_use]
    pub fn next_probe(&self) -> Option<Instant> {
        if self.state == State::Up || self.probing {
            None
        } else {
            self.next_probe
        }
    }

    /// A probe goes out.
    pub fn probe_started(&mut self) {
        self.probing = true;
    }

    /// A probe ended without saying anything about the server.
    pub fn probe_ended(&mut self) {
        self.probing = false;
    }

    /// An answer arrived that shows a working server.
    pub fn success(&mut self, now: Instant, totals: Totals) -> Option<Notice> {
        let (was, announced) = (self.state, self.announced);
        let since = self.since;
        let dropped = totals.dropped.saturating_sub(self.dropped_before);
        *self = Self::default();
        if was == State::Up || !announced {
            return None;
        }
        let lasted = since.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        Some(Notice::new(
            Level::Warning,
            format!(
                "delivery recovered after {lasted:.1} s: {} requests wait, {dropped} were dropped meanwhile",
                totals.pending
            ),
        ))
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
        if probe {
            self.probing = false;
        }
        match self.state {
            State::Up => self.enter(State::Suspect, now, totals),
            _ if !probe => return None,
            State::Suspect => self.state = State::Down,
            State::Down | State::Limited | State::Paused => {}
        }
        if self.state == State::Limited || self.state == State::Paused {
            self.state = State::Down;
        }
        self.failures += 1;
        let delay = retry::next_delay(
            self.failures,
            Pace::Background,
            wait.retry_after,
            wait.jitter,
        );
        self.next_probe = Some(now + delay);
        self.announce(self.state == State::Down, || {
            Notice::new(
                Level::Warning,
                format!(
                    "delivery broke: {reason}; {} requests wait and are retried in the background",
                    totals.pending
                ),
            )
        })
    }

    /// 429.
    pub fn limited(
        &mut self,
        now: Instant,
        probe: bool,
        wait: Wait,
        totals: Totals,
    ) -> Option<Notice> {
        if probe {
            self.probing = false;
        }
        if self.state == State::Limited && !probe {
            return None;
        }
        if self.state == State::Up {
            self.enter(State::Limited, now, totals);
        }
        self.state = State::Limited;
        self.failures += 1;
        let delay = retry::next_delay(
            self.failures,
            Pace::Background,
            wait.retry_after,
            wait.jitter,
        );
        self.next_probe = Some(now + delay);
        let seconds = delay.as_secs_f64();
        self.announce(true, || {
            Notice::new(
                Level::Warning,
                format!(
                    "delivery slowed down: the server answered 429 Too Many Requests; pausing {seconds:.1} s, {} requests wait",
                    totals.pending
                ),
            )
        })
    }

    /// 401.
    pub fn unauthorized(
        &mut self,
        now: Instant,
        probe: bool,
        message: &str,
        masked_key: &str,
        totals: Totals,
    ) -> Option<Notice> {
        if probe {
            self.probing = false;
        }
        self.next_probe = Some(now + PAUSED_PROBE);
        if self.state == State::Paused {
            return None;
        }
        self.enter(State::Paused, now, totals);
        self.announced = false;
        self.announce(true, || {
            Notice::new(
                Level::Error,
                format!(
                    "delivery paused: 401 Unauthorized: {message} (key {masked_key}); {} requests are kept; set client.api_key or call configure(api_key=...) to resume",
                    totals.pending
                ),
            )
        })
    }

    /// The key was replaced, or the process is about to end: try at once.
    pub fn retry_now(&mut self, now: Instant) {
        if self.state != State::Up {
            self.next_probe = Some(now);
        }
    }

    /// The key was replaced: whatever the old one met no longer counts.
    pub fn rekeyed(&mut self, now: Instant) {
        if self.state == State::Paused {
            *self = Self {
                announced: self.announced,
                since: self.since,
                ..Self::default()
            };
        }
        self.retry_now(now);
    }

    fn enter(&mut self, state: State, now: Instant, totals: Totals) {
        if self.state == State::Up {
            self.since = Some(now);
            self.dropped_before = totals.dropped;
            self.failures = 0;
        }
        self.state = state;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait() -> Wait {
        Wait {
            retry_after: None,
            jitter: 0.5,
        }
    }

    #[test]
    fn one_failure_is_silent_a_failed_probe_is_one_line_and_recovery_is_one_line() {
        let now = Instant::now();
        let mut health = Health::default();
        assert!(
            health
                .outage(now, false, "refused", wait(), Totals::default())
                .is_none()
        );
        assert!(!health.is_broken());
        assert_eq!(health.gate(now), Gate::Closed);
        let later = now + Duration::from_secs(1);
        assert_eq!(health.gate(later), Gate::Probe);
        health.probe_started();
        assert_eq!(health.gate(later), Gate::Closed, "one probe at a time");
        assert!(
            health
                .outage(later, true, "refused", wait(), Totals::default())
                .is_some()
        );
        assert!(health.is_broken());
        for n in 2..10 {
            let at = now + Duration::from_secs(60 * n);
            health.probe_started();
            assert!(
                health
                    .outage(at, true, "refused", wait(), Totals::default())
                    .is_none()
            );
        }
        assert!(
            health
                .success(now + Duration::from_secs(900), Totals::default())
                .is_some()
        );
        assert_eq!(health.gate(now), Gate::Open);
    }

    #[test]
    fn requests_sent_before_the_break_do_not_push_the_probe_away() {
        let now = Instant::now();
        let mut health = Health::default();
        let _ = health.outage(now, false, "refused", wait(), Totals::default());
        let due = health.next_probe();
        for _ in 0..64 {
            let _ = health.outage(now, false, "refused", wait(), Totals::default());
        }
        assert_eq!(health.next_probe(), due);
    }

    #[test]
    fn a_new_key_resumes_at_once() {
        let now = Instant::now();
        let mut health = Health::default();
        assert!(
            health
                .unauthorized(now, false, "no", "…", Totals::default())
                .is_some()
        );
        assert!(health.is_broken());
        assert_eq!(health.gate(now + Duration::from_secs(200)), Gate::Closed);
        health.rekeyed(now);
        assert_eq!(health.gate(now), Gate::Open);
    }

    #[test]
    fn retry_after_is_a_minimum() {
        let now = Instant::now();
        let mut health = Health::default();
        let wait = Wait {
            retry_after: Some(Duration::from_secs(20)),
            jitter: 0.0,
        };
        assert!(
            health
                .limited(now, false, wait, Totals::default())
                .is_some()
        );
        assert_eq!(health.gate(now + Duration::from_secs(19)), Gate::Closed);
        assert_eq!(health.gate(now + Duration::from_secs(41)), Gate::Probe);
    }
}
