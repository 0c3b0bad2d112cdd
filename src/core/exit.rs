//! How long the end of the process waits for delivery. Pure.

use std::time::{Duration, Instant};

/// One deadline for all clients: the largest values count.
#[derive(Debug, Clone, Copy, Default)]
pub struct Patience {
    /// How long to wait for the next successful answer.
    pub quiet: Duration,
    /// How long to wait at all.
    pub max: Duration,
}

impl Patience {
    /// The more patient of both.
    #[must_use]
    pub fn or_longer(self, quiet: Duration, max: Duration) -> Self {
        Self {
            quiet: self.quiet.max(quiet),
            max: self.max.max(max),
        }
    }

    /// Until when to wait: as long as answers keep arriving, but not for ever.
    #[must_use]
    pub fn deadline(self, started: Instant, last_success: Option<Instant>) -> Instant {
        let progress = last_success.map_or(started, |at| at.max(started));
        // A quiet time longer than the maximum wins: the user asked for it.
        (progress + self.quiet).min(started + self.max.max(self.quiet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        quiet: Duration::from_secs(2),
        max: Duration::from_secs(15),
    };

    #[test]
    fn without_answers_it_ends_after_the_quiet_time() {
        let start = Instant::now();
        assert_eq!(
            PATIENCE.deadline(start, None),
            start + Duration::from_secs(2)
        );
        let before = start.checked_sub(Duration::from_secs(1));
        assert_eq!(
            PATIENCE.deadline(start, before),
            start + Duration::from_secs(2)
        );
    }

    #[test]
    fn answers_extend_it_up_to_the_maximum() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        assert_eq!(PATIENCE.deadline(start, Some(at(5))), at(7));
        assert_eq!(PATIENCE.deadline(start, Some(at(14))), at(15));
    }
}
