//! One instant, as stored (microseconds since the epoch) and as shown (RFC 3339, UTC).

use std::fmt;

/// An instant with the precision the server keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The server's clock.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    /// An instant read back from the database.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 date-time. The shape is checked here because the parser behind it also
    /// takes dates without seconds, week dates and zone names in brackets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let separated = matches!(bytes.get(10), Some(b'T' | b't' | b' '))
            && bytes.get(13) == Some(&b':')
            && bytes.get(16) == Some(&b':');
        if !separated || text.contains('[') {
            return None;
        }
        text.parse::<jiff::Timestamp>()
            .ok()
            .map(|at| Self(at.as_microsecond()))
    }

    /// The instant `seconds` earlier; the earliest representable one if there is none.
    #[must_use]
    pub const fn minus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_sub(seconds.saturating_mul(1_000_000)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at:.6}"),
            Err(_) => f.write_str("invalid"),
        }
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn reads_rfc_3339_with_any_offset() {
        let at = Timestamp::parse("2026-01-02T03:04:05.25+02:00").unwrap();
        assert_eq!(at.to_string(), "2026-01-02T01:04:05.250000Z");
        assert_eq!(Timestamp::from_micros(at.micros()), at);
    }

    #[test]
    fn refuses_what_is_not_rfc_3339() {
        for text in [
            "",
            "now",
            "1700000000",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-01-02T03Z",
            "2026-13-02T03:04:05Z",
            "2026-01-02T03:04:05Z[UTC]",
            "2026-01-02T03:04:05Zx",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn going_back_stops_at_the_earliest_instant() {
        assert_eq!(
            Timestamp::from_micros(0).minus_seconds(i64::MAX).micros(),
            -i64::MAX
        );
        assert_eq!(
            Timestamp::from_micros(3_000_000).minus_seconds(2).micros(),
            1_000_000
        );
    }
}
