//! Time as it is written on the wire, and chance for back-offs.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::SystemTime;

/// RFC 3339 in UTC with microseconds, for `X-Sentrial-Timestamp`. Always six digits of them: there
/// are readers that take no other number, Python's own before 3.11 among them.
#[must_use]
pub fn rfc3339(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at)
        .and_then(|time| time.round(jiff::Unit::Microsecond))
        .map_or_else(
            |_| "1970-01-01T00:00:00Z".to_owned(),
            |time| format!("{time:.6}"),
        )
}

/// A random number in 0..1, good enough to spread retries of many processes.
#[must_use]
pub fn jitter() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits fit into a double exactly"
    )]
    let fraction = bits as f64 / (1_u64 << 53) as f64;
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_time_is_rfc_3339_in_utc() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        assert_eq!(rfc3339(at), "2023-11-14T22:13:20.123456Z");
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        assert_eq!(rfc3339(at), "2023-11-14T22:13:20.500000Z");
    }

    #[test]
    fn jitter_is_a_fraction_and_varies() {
        let drawn: Vec<f64> = (0..16).map(|_| jitter()).collect();
        assert!(drawn.iter().all(|j| (0.0..1.0).contains(j)));
        assert!(drawn.windows(2).any(|pair| pair[0] < pair[1]));
    }
}
