//! What came back for one attempt.

use std::time::Duration;

use bytes::Bytes;

/// The result of one attempt.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The server answered.
    Answer(Answer),
    /// No usable answer.
    Failed(Failure),
}

/// An HTTP answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// `Retry-After`, parsed.
    pub retry_after: Option<Duration>,
    /// `X-Request-Id`, if any.
    pub request_id: Option<String>,
    /// The body, cut at the answer limit.
    pub body: Bytes,
    /// Is the body an HTML page?
    pub page: bool,
}

/// Why there is no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or it broke.
    Connection(String),
    /// The time-out passed.
    Timeout(String),
    /// A redirect that is not followed: another origin, a changed method, or a loop.
    Redirect(String),
    /// A page instead of the API's answer: whatever sent it, it was not the API.
    Page(String),
    /// This request cannot be sent to any server, for example because its address is too long.
    Unsendable(String),
    /// The HTTP client could not be built, or failed inside.
    Internal(String),
}

impl Failure {
    /// What went wrong, without the key.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Connection(text)
            | Self::Timeout(text)
            | Self::Redirect(text)
            | Self::Page(text)
            | Self::Unsendable(text)
            | Self::Internal(text) => text,
        }
    }
}
