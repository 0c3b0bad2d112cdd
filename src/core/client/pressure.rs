//! What callers do for a queue that fills faster than it empties.
//!
//! A program can record at full speed faster than one thread redacts. So callers redact their own
//! requests then, on the cores they run on, which also slows them down to what the disk takes. If
//! the disk still falls behind, one call among many waits a little for it, without holding the
//! interpreter: of all calls 99 in 100 notice nothing, and fewer requests are dropped. A call of
//! the asynchronous client never waits.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::core::queue::Fill;

/// One call among so many waits.
const CALLS: u32 = 256;
/// How long it waits at most.
const MOST: Duration = Duration::from_millis(20);
/// How often it looks meanwhile.
const SLICE: Duration = Duration::from_micros(500);

/// The level as callers see it, without the lock of the queue.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    level: AtomicU8,
    calls: AtomicU32,
}

impl Pressure {
    /// Notes how full the queue is.
    pub(super) fn note(&self, level: Fill) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// Should a caller redact its own request?
    pub(super) fn is_high(&self) -> bool {
        self.level.load(Ordering::Relaxed) >= Fill::High as u8
    }

    /// Should this call wait for the disk? Close to the bound one among [`CALLS`] should.
    pub(super) fn takes_turn(&self) -> bool {
        self.level.load(Ordering::Relaxed) >= Fill::Critical as u8
            && self
                .calls
                .fetch_add(1, Ordering::Relaxed)
                .is_multiple_of(CALLS)
    }

    /// Waits until `level` is lower, [`MOST`] at most.
    pub(super) fn wait(level: impl Fn() -> Fill) {
        let until = Instant::now() + MOST;
        while level() == Fill::Critical && Instant::now() < until {
            std::thread::sleep(SLICE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_redact_above_the_low_level() {
        let pressure = Pressure::default();
        assert!(!pressure.is_high());
        for (level, redacts) in [
            (Fill::High, true),
            (Fill::Critical, true),
            (Fill::Low, false),
        ] {
            pressure.note(level);
            assert_eq!(pressure.is_high(), redacts);
        }
    }

    #[test]
    fn few_calls_wait_and_none_of_them_for_long() {
        let pressure = Pressure::default();
        let turns = || (0..2 * CALLS).filter(|_| pressure.takes_turn()).count();
        for (level, expected) in [(Fill::Low, 0), (Fill::High, 0), (Fill::Critical, 2)] {
            pressure.note(level);
            assert_eq!(turns(), expected);
        }
        let started = Instant::now();
        Pressure::wait(|| Fill::High);
        assert!(
            started.elapsed() < MOST,
            "the level is lower: there is nothing to wait for"
        );
        let started = Instant::now();
        Pressure::wait(|| Fill::Critical);
        assert!(started.elapsed() >= MOST);
    }
}
