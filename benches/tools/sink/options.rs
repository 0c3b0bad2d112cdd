//! What the sink is asked to do, and what becomes of each request.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The command line.
#[derive(Debug)]
pub(crate) struct Options {
    /// Before each answer.
    pub(crate) delay: Duration,
    pub(crate) threads: usize,
    /// Count doubled keys and events out of order?
    pub(crate) check: bool,
    /// The header line of a refusal.
    pub(crate) retry_after: String,
    status: u16,
    status_share: f64,
    reset_share: f64,
    /// Number of the request from which on none is answered.
    hang_after: u64,
    /// How long the silence lasts.
    hang: Duration,
    silent_since: OnceLock<Instant>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    Taken,
    Refused(u16),
    Reset,
    Silence,
}

impl Options {
    pub(crate) fn from_arguments(
        mut arguments: impl Iterator<Item = String>,
    ) -> Result<Self, String> {
        let mut options = Self {
            delay: Duration::ZERO,
            threads: 2,
            check: false,
            retry_after: String::new(),
            status: 503,
            status_share: 0.0,
            reset_share: 0.0,
            hang_after: u64::MAX,
            hang: Duration::MAX,
            silent_since: OnceLock::new(),
        };
        while let Some(name) = arguments.next() {
            // `cargo bench` says so to every bench.
            if name == "--bench" {
                continue;
            }
            if name == "--check" {
                options.check = true;
                continue;
            }
            if name == "--hang" {
                options.hang_after = 0;
                continue;
            }
            let value = arguments.next().unwrap_or_default();
            let number: f64 = value
                .parse()
                .map_err(|_| format!("{name}: not a number: {value}"))?;
            options.set(&name, number)?;
        }
        Ok(options)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share or a small count"
    )]
    fn set(&mut self, name: &str, number: f64) -> Result<(), String> {
        match name {
            "--delay-ms" => self.delay = Duration::from_secs_f64(number / 1000.0),
            "--threads" => self.threads = (number as usize).max(1),
            "--status" => self.status = number as u16,
            "--rate" => self.status_share = number,
            "--retry-after" => {
                let _ = write!(self.retry_after, "retry-after: {number}\r\n");
            }
            "--reset-rate" => self.reset_share = number,
            "--hang-after" => self.hang_after = number as u64,
            "--hang-ms" => self.hang = Duration::from_secs_f64(number / 1000.0),
            _ => return Err(format!("unknown option: {name}")),
        }
        Ok(())
    }

    /// What becomes of the request with this number.
    pub(crate) fn fate(&self, number: u64) -> Fate {
        if number >= self.hang_after {
            let since = self.silent_since.get_or_init(Instant::now);
            if since.elapsed() < self.hang {
                return Fate::Silence;
            }
        }
        let chance = chance(number);
        if chance < self.reset_share {
            Fate::Reset
        } else if chance < self.reset_share + self.status_share {
            Fate::Refused(self.status)
        } else {
            Fate::Taken
        }
    }
}

/// A number in 0..1 that looks random and is the same in every run (splitmix64).
#[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
fn chance(number: u64) -> f64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
}
