//! When to try again: pure functions, with time and chance passed in.

use std::time::{Duration, SystemTime};

/// The delay after the first failed attempt, before jitter.
const FIRST: Duration = Duration::from_millis(500);
/// The same where others get through, from the second failure on.
const ALONE: Duration = Duration::from_millis(2);
/// Doublings after which both caps are long reached; keeps the shift in range.
const MOST_DOUBLINGS: u32 = 16;
/// A server cannot make a client wait longer than this.
pub const RETRY_AFTER_CAP: Duration = Duration::from_secs(3600);

/// Who waits for the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A call that returns the answer; its delays are capped at 8 s.
    Blocking,
    /// The delivery thread; its delays are capped at 30 s.
    Background,
}

impl Kind {
    /// The longest delay that back-off alone can ask for.
    #[must_use]
    pub const fn cap(self) -> Duration {
        match self {
            Self::Blocking => Duration::from_secs(8),
            Self::Background => Duration::from_secs(30),
        }
    }
}

/// What an HTTP status means for the request that got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusClass {
    /// 2xx: delivered.
    Success,
    /// 408, 425, 500 and other 5xx except 501 and 505: try this request again.
    Retry,
    /// 429: this request waits for its `Retry-After`; the client sends less, and pauses where
    /// refusals are the rule.
    RateLimited,
    /// 401: the key is not accepted; the client pauses and keeps its queue.
    Unauthorized,
    /// 407, 502, 503, 504, 511: the API cannot be reached, for the whole client.
    Outage,
    /// 3xx: only 307 and 308 on the same origin are followed; any other counts as an outage.
    Redirect,
    /// Anything else: this request will never be accepted.
    Rejected,
}

impl StatusClass {
    /// Whether a blocking call tries again after an answer of this class.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Retry | Self::RateLimited | Self::Outage | Self::Redirect
        )
    }
}

/// The class of an HTTP status.
#[must_use]
pub const fn classify(status: u16) -> StatusClass {
    match status {
        200..=299 => StatusClass::Success,
        300..=399 => StatusClass::Redirect,
        401 => StatusClass::Unauthorized,
        429 => StatusClass::RateLimited,
        // 407 and 511 come from a proxy or a portal on the way.
        407 | 502..=504 | 511 => StatusClass::Outage,
        408 | 425 | 500 | 506..=599 => StatusClass::Retry,
        _ => StatusClass::Rejected,
    }
}

/// The delay after `attempt` failed attempts (1 = the first has failed): 0.5 s, doubling up to
/// [`Kind::cap`], ±25 % by `jitter` (0..1; 0.5 is the middle), never above the cap.
#[must_use]
pub fn backoff(attempt: u32, kind: Kind, jitter: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(MOST_DOUBLINGS);
    let base = FIRST.saturating_mul(1 << doublings).min(kind.cap());
    jittered(base, jitter).min(kind.cap())
}

/// ±25 %.
fn jittered(delay: Duration, jitter: f64) -> Duration {
    let jitter = if jitter.is_nan() {
        0.5
    } else {
        jitter.clamp(0.0, 1.0)
    };
    delay.mul_f64(0.75 + 0.5 * jitter)
}

/// The delay before the next attempt: [`backoff`], and never less than what the server asked for.
#[must_use]
pub fn next_delay(
    attempt: u32,
    kind: Kind,
    retry_after: Option<Duration>,
    jitter: f64,
) -> Duration {
    let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_CAP);
    backoff(attempt, kind, jitter).max(asked)
}

/// The delay of a request that failed `attempt` times while others get through: what the server
/// asked for, else at once, because another of its machines may answer, then from 2 ms, doubling up
/// to 30 s. A whole session waits for it, so that a third that fails must not cost 0.5 s each time.
#[must_use]
pub fn next_delay_alone(attempt: u32, retry_after: Option<Duration>, jitter: f64) -> Duration {
    let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_CAP);
    let again = attempt.saturating_sub(1).min(MOST_DOUBLINGS);
    let own = ALONE * ((1 << again) - 1);
    let cap = Kind::Background.cap();
    jittered(own.min(cap), jitter).min(cap).max(asked)
}

/// The value of a `Retry-After` header: seconds (fractions too) or an HTTP date, at most
/// [`RETRY_AFTER_CAP`]. A date in the past is zero; anything else is `None`.
#[must_use]
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let numeric = value.starts_with(|first: char| first.is_ascii_digit())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if numeric {
        let seconds: f64 = value.parse().ok()?;
        return Some(Duration::from_secs_f64(
            seconds.min(RETRY_AFTER_CAP.as_secs_f64()),
        ));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(
        date.duration_since(now)
            .unwrap_or_default()
            .min(RETRY_AFTER_CAP),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds() -> impl Strategy<Value = Kind> {
        prop_oneof![Just(Kind::Blocking), Just(Kind::Background)]
    }

    proptest! {
        #[test]
        fn backoff_stays_between_its_bounds(attempt: u32, kind in kinds(), jitter in 0.0..1.0) {
            let delay = backoff(attempt, kind, jitter);
            prop_assert!(delay >= FIRST.mul_f64(0.75));
            prop_assert!(delay <= kind.cap());
        }

        #[test]
        fn backoff_never_shrinks_with_attempts(attempt in 0u32..40, kind in kinds(), jitter in 0.0..1.0) {
            prop_assert!(backoff(attempt + 1, kind, jitter) >= backoff(attempt, kind, jitter));
        }

        #[test]
        fn the_next_delay_is_never_below_retry_after(
            attempt: u32, kind in kinds(), jitter in 0.0..1.0, asked in 0u64..10_000,
        ) {
            let asked = Duration::from_secs(asked);
            let delay = next_delay(attempt, kind, Some(asked), jitter);
            prop_assert!(delay >= asked.min(RETRY_AFTER_CAP));
            prop_assert!(delay <= RETRY_AFTER_CAP);
        }

        #[test]
        fn a_lone_failure_waits_for_what_was_asked_and_not_longer_than_any_other(
            attempt: u32, jitter in 0.0..1.0, asked in prop::option::of(0u64..10_000),
        ) {
            let asked = asked.map(Duration::from_secs);
            let delay = next_delay_alone(attempt, asked, jitter);
            prop_assert!(delay >= asked.unwrap_or_default().min(RETRY_AFTER_CAP));
            prop_assert!(delay <= next_delay(attempt, Kind::Background, asked, 1.0));
            prop_assert!(delay <= next_delay_alone(attempt.saturating_add(1), asked, 1.0));
        }

        #[test]
        fn any_header_gives_a_bounded_answer(value: String, seconds: f64) {
            for text in [value, seconds.to_string()] {
                if let Some(delay) = parse_retry_after(&text, SystemTime::UNIX_EPOCH) {
                    prop_assert!(delay <= RETRY_AFTER_CAP);
                }
            }
        }

        #[test]
        fn every_status_has_a_class(status: u16) {
            prop_assert_eq!(classify(status) == StatusClass::Success, (200..300).contains(&status));
        }
    }

    #[test]
    fn the_documented_delays() {
        let delays: Vec<u128> = (1..=7)
            .map(|n| backoff(n, Kind::Background, 0.5).as_millis())
            .collect();
        assert_eq!(delays, [500, 1000, 2000, 4000, 8000, 16_000, 30_000]);
        let alone: Vec<u128> = (1..=5)
            .map(|n| next_delay_alone(n, None, 0.5).as_millis())
            .collect();
        assert_eq!(alone, [0, 2, 6, 14, 30]);
        assert_eq!(
            next_delay_alone(u32::MAX, None, 0.5),
            Duration::from_secs(30)
        );
        assert_eq!(backoff(9, Kind::Blocking, 0.5), Duration::from_secs(8));
        assert_eq!(backoff(1, Kind::Blocking, f64::NAN), FIRST);
        assert_eq!(backoff(1, Kind::Blocking, 0.0), Duration::from_millis(375));
        assert_eq!(backoff(1, Kind::Blocking, 1.0), Duration::from_millis(625));
        assert_eq!(backoff(9, Kind::Blocking, 1.0), Duration::from_secs(8));
    }

    #[test]
    fn the_classes_of_statuses() {
        for (status, class) in [
            (200, StatusClass::Success),
            (204, StatusClass::Success),
            (302, StatusClass::Redirect),
            (307, StatusClass::Redirect),
            (400, StatusClass::Rejected),
            (401, StatusClass::Unauthorized),
            (404, StatusClass::Rejected),
            (407, StatusClass::Outage),
            (511, StatusClass::Outage),
            (408, StatusClass::Retry),
            (425, StatusClass::Retry),
            (429, StatusClass::RateLimited),
            (500, StatusClass::Retry),
            (501, StatusClass::Rejected),
            (502, StatusClass::Outage),
            (503, StatusClass::Outage),
            (504, StatusClass::Outage),
            (505, StatusClass::Rejected),
            (520, StatusClass::Retry),
            (999, StatusClass::Rejected),
        ] {
            assert_eq!(classify(status), class, "{status}");
        }
    }

    #[test]
    fn retry_after_in_seconds_and_as_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let parse = |value| parse_retry_after(value, now);
        assert_eq!(parse("120"), Some(Duration::from_secs(120)));
        assert_eq!(parse(" 0.25 "), Some(Duration::from_millis(250)));
        assert_eq!(parse("0"), Some(Duration::ZERO));
        assert_eq!(parse("99999999999999999999"), Some(RETRY_AFTER_CAP));
        assert_eq!(
            parse("Sun, 06 Nov 1994 08:50:37 GMT"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(parse("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(
            parse("Mon, 07 Nov 1994 08:49:37 GMT"),
            Some(RETRY_AFTER_CAP)
        );
        for value in ["", "-5", "inf", "NaN", "1e3", "1.2.3", "soon", "."] {
            assert_eq!(parse(value), None, "{value}");
        }
    }
}
