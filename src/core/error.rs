//! What can go wrong: one type per audience.
//!
//! [`ConfigError`] is for the person who wrote the configuration and is always raised;
//! [`DeliveryError`] is for a caller who asked to be told (loud, or immediate delivery);
//! [`DropReason`] is for the ledger in `stats()`. No message ever holds the API key or a body.

use std::fmt;

use thiserror::Error;

use super::answer::ApiError;

/// An option, an argument or an environment variable that cannot be used.
///
/// Shown as `parameter: message`. By convention the message says what is wrong and, after a
/// semicolon, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{parameter}: {message}")]
pub struct ConfigError {
    /// The name of the parameter as the caller spells it, for example `timeout`.
    pub parameter: &'static str,
    /// What is wrong and what to do about it; never contains a secret.
    pub message: String,
}

impl ConfigError {
    /// An error about `parameter`.
    #[must_use]
    pub fn new(parameter: &'static str, message: impl Into<String>) -> Self {
        Self {
            parameter,
            message: message.into(),
        }
    }
}

/// Why an accepted request was never delivered. The set is closed, so counters are arrays of
/// [`DropReason::COUNT`] indexed by [`DropReason::index`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// The queue was at its bound and the spool off or full; the oldest request made room.
    QueueFull,
    /// A blocking call used up its attempts; the caller was told.
    GaveUp,
    /// The session of this request was refused by the API, so the request had nowhere to go.
    SessionRejected,
    /// The API kept answering 2xx without a usable session id.
    BadAnswer,
    /// `create_session()` stopped waiting and withdrew its request.
    CreateAbandoned,
    /// The arguments were unusable (for example an empty session id); nothing was sent.
    Invalid,
    /// Made in a forked child for a session whose id only the parent can learn.
    UnresolvedAtFork,
    /// The API answered 400.
    Rejected400,
    /// The API answered 403.
    Rejected403,
    /// The API answered 404.
    Rejected404,
    /// The API answered 413.
    Rejected413,
    /// The API answered 422.
    Rejected422,
    /// The API answered another 4xx that a retry cannot cure.
    Rejected4xx,
    /// The API answered this request 500 again and again while others succeeded.
    Rejected500,
    /// The API answered another 5xx that a retry cannot cure (501, 505).
    Rejected5xx,
    /// The process ended, its time was used up and there was no spool.
    Exit,
    /// The request outlived the age cap of the queue or of the spool.
    TooOld,
    /// The program's `before_send` gave None for it, or raised.
    BeforeSend,
}

impl DropReason {
    /// Every reason, in the order of [`DropReason::index`].
    pub const ALL: [Self; 18] = [
        Self::QueueFull,
        Self::GaveUp,
        Self::SessionRejected,
        Self::BadAnswer,
        Self::CreateAbandoned,
        Self::Invalid,
        Self::UnresolvedAtFork,
        Self::Rejected400,
        Self::Rejected403,
        Self::Rejected404,
        Self::Rejected413,
        Self::Rejected422,
        Self::Rejected4xx,
        Self::Rejected500,
        Self::Rejected5xx,
        Self::Exit,
        Self::TooOld,
        Self::BeforeSend,
    ];

    /// The number of reasons: the length of an array of counters.
    pub const COUNT: usize = Self::ALL.len();

    /// The position of this reason in [`DropReason::ALL`]; always below [`DropReason::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The stable name used in `stats()` and in log lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::GaveUp => "gave_up",
            Self::SessionRejected => "session_rejected",
            Self::BadAnswer => "bad_answer",
            Self::CreateAbandoned => "create_abandoned",
            Self::Invalid => "invalid",
            Self::UnresolvedAtFork => "unresolved_at_fork",
            Self::Rejected400 => "rejected_400",
            Self::Rejected403 => "rejected_403",
            Self::Rejected404 => "rejected_404",
            Self::Rejected413 => "rejected_413",
            Self::Rejected422 => "rejected_422",
            Self::Rejected4xx => "rejected_4xx",
            Self::Rejected500 => "rejected_500",
            Self::Rejected5xx => "rejected_5xx",
            Self::Exit => "exit",
            Self::TooOld => "too_old",
            Self::BeforeSend => "before_send",
        }
    }

    /// The reason for a request that was refused with this HTTP status.
    #[must_use]
    pub const fn from_status(status: u16) -> Self {
        match status {
            400 => Self::Rejected400,
            403 => Self::Rejected403,
            404 => Self::Rejected404,
            413 => Self::Rejected413,
            422 => Self::Rejected422,
            500 => Self::Rejected500,
            501..=599 => Self::Rejected5xx,
            _ => Self::Rejected4xx,
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a request was not delivered, for a caller who waits for it.
///
/// The bindings map each variant to one Python exception class in a single exhaustive match.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// The API answered with a status other than 2xx.
    #[error(transparent)]
    Api(Box<ApiError>),
    /// No connection, or it broke before an answer came.
    #[error("could not reach the Sentrial API: {message}")]
    Connection {
        /// The cause in words, without the key.
        message: String,
    },
    /// The API did not answer in time.
    #[error("the Sentrial API did not answer in time: {message}")]
    Timeout {
        /// Which limit was reached, in words.
        message: String,
    },
    /// The API answered 2xx with a body that does not hold what was asked for.
    #[error("the Sentrial API gave an unusable answer: {message}")]
    BadAnswer {
        /// What was missing, in words.
        message: String,
    },
    /// An argument of the call cannot be sent.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    /// The request was given up for a reason other than its own answer.
    #[error("the request was dropped: {0}")]
    Dropped(DropReason),
    /// There is no API key, and the API is not on a loopback address.
    #[error("no API key; set SENTRIAL_API_KEY or pass api_key=\"sentrial_live_…\"")]
    NoKey,
}

impl From<ApiError> for DeliveryError {
    fn from(error: ApiError) -> Self {
        Self::Api(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_index_and_name() {
        for (position, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), position);
        }
        let mut names: Vec<_> = DropReason::ALL
            .iter()
            .map(|reason| reason.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DropReason::COUNT);
    }

    #[test]
    fn a_refused_status_has_a_reason() {
        assert_eq!(DropReason::from_status(404).to_string(), "rejected_404");
        assert_eq!(DropReason::from_status(409).to_string(), "rejected_4xx");
        assert_eq!(DropReason::from_status(500).to_string(), "rejected_500");
        assert_eq!(DropReason::from_status(505).to_string(), "rejected_5xx");
    }

    #[test]
    fn a_configuration_error_names_its_parameter() {
        let error = ConfigError::new("timeout", "must be above 0: -1; pass for example 30.0");
        assert_eq!(
            error.to_string(),
            "timeout: must be above 0: -1; pass for example 30.0"
        );
    }
}
