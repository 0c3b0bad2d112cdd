//! A phase in which the server asks for less: one line when it begins, one when it is long over.

use std::time::{Duration, Instant};

use super::{Totals, lines};
use crate::core::notices::Notice;

/// The phase is over when the server has not asked for less for so long.
const CALM: Duration = Duration::from_secs(60);

/// The phase, if there is one.
#[derive(Debug, Default)]
pub(super) struct Slowdown(Option<Phase>);

#[derive(Debug)]
struct Phase {
    since: Instant,
    last: Instant,
    /// Was a line said about it?
    said: bool,
    dropped_before: u64,
}

impl Slowdown {
    /// The server asks for less. Returns whether that is news.
    pub(super) fn note(&mut self, now: Instant, say: bool, totals: Totals) -> bool {
        if let Some(phase) = &mut self.0 {
            phase.last = now;
            return false;
        }
        self.0 = Some(Phase {
            since: now,
            last: now,
            said: say,
            dropped_before: totals.dropped,
        });
        say
    }

    /// When the phase is over, if nothing more happens.
    pub(super) fn ends(&self) -> Option<Instant> {
        self.0.as_ref().map(|phase| phase.last + CALM)
    }

    /// The line that it is over, once.
    pub(super) fn ended(&mut self, now: Instant, totals: Totals) -> Option<Notice> {
        let phase = self.0.take_if(|phase| phase.last + CALM <= now)?;
        if !phase.said {
            return None;
        }
        let lasted = phase.last.saturating_duration_since(phase.since);
        Some(lines::calm(lasted, phase.dropped_before, totals))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_when_it_begins_and_one_when_it_has_been_over_for_a_minute() {
        let start = Instant::now();
        let mut slowdown = Slowdown::default();
        assert!(slowdown.note(start, true, Totals::default()));
        let mut now = start;
        for _ in 0..39 {
            now += Duration::from_secs(30);
            assert!(slowdown.ended(now, Totals::default()).is_none());
            assert!(!slowdown.note(now, true, Totals::default()));
        }
        now += Duration::from_secs(59);
        assert!(slowdown.ended(now, Totals::default()).is_none());
        now += Duration::from_secs(1);
        assert_eq!(slowdown.ends(), Some(now));
        let line = slowdown.ended(now, Totals::default()).unwrap();
        assert!(
            line.text.contains("recovered its pace after 1170.0 s"),
            "{}",
            line.text
        );
        assert!(slowdown.ended(now, Totals::default()).is_none());
        assert!(slowdown.note(now, true, Totals::default()), "a new one");
    }
}
