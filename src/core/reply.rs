//! What came back for one attempt.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::Value;

use super::answer;
use super::api_key::ApiKey;
use super::notices::{Level, Notice};
use super::retry::{self, StatusClass};

/// The result of one attempt.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The server answered.
    Answer(Answer),
    /// No usable answer.
    Failed(Failure),
}

impl Reply {
    /// One attempt as `SENTRIAL_DEBUG` shows it: what was asked and what came of it. The key is
    /// masked; of the body only its shape is shown, no value.
    #[must_use]
    pub fn debug_line(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        took: Duration,
        key: Option<&ApiKey>,
    ) -> Notice {
        let what = match self {
            Self::Answer(answer) => answer.status.to_string(),
            Self::Failed(failure) => {
                let message = failure.message();
                key.map_or_else(|| message.to_owned(), |key| key.scrub(message))
            }
        };
        let key = key.map_or_else(|| "none".to_owned(), ApiKey::masked);
        let text = format!(
            "{method} {path} (key {key}, {} bytes{}): {what} after {} ms",
            body.len(),
            shape(body),
            took.as_millis()
        );
        Notice::new(Level::Debug, text)
    }
}

/// Fields shown of one body.
const SHOWN_FIELDS: usize = 32;

/// The fields of a body and the types of their values, ready to follow in a line; empty for what
/// is no JSON object. The names of fields are ours (the API's), the values are the program's.
fn shape(body: &[u8]) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return String::new();
    };
    let kinds = fields.iter().take(SHOWN_FIELDS).map(|(name, value)| {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        format!("{name}: {kind}")
    });
    format!(", {{{}}}", kinds.collect::<Vec<_>>().join(", "))
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
    /// `Date`, parsed: the server's clock.
    pub date: Option<SystemTime>,
    /// The body, cut at the answer limit.
    pub body: Bytes,
    /// Is the body an HTML page?
    pub page: bool,
    /// Why the body is not all that the server announced, if it is not.
    pub broken: Option<String>,
}

impl Answer {
    /// A page instead of the API's answer: what sent it was not the API.
    ///
    /// A status that asks for another attempt anyway says more than its page.
    pub(super) fn imposed_page(&self) -> Option<Failure> {
        let class = retry::classify(self.status);
        let is_final = matches!(
            class,
            StatusClass::Success | StatusClass::Unauthorized | StatusClass::Rejected
        );
        (self.page && is_final).then(|| {
            let title = match self.status {
                200..=299 => None,
                _ => answer::page_title(&self.body),
            };
            let title = title.map_or_else(String::new, |title| format!(", \"{title}\""));
            Failure::Page(format!(
                "a page instead of the API's answer ({}{title}): a proxy or the sign-in page of a \
                 network stands between, or the address is not that of the API",
                self.status
            ))
        })
    }
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
