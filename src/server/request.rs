//! One HTTP request as the routes need it: who, when, once or again, and the body.

use axum::extract::Request;
use http::{HeaderMap, HeaderName, Method, Uri, header};
use tokio::sync::OwnedSemaphorePermit;

use super::answer::ApiError;
use super::intake::Intake;
use super::keys::Key;
use super::store::Remembered;
use super::timestamp::Timestamp;
use super::validate::Document;

/// The longest `Idempotency-Key`.
const IDEMPOTENCY_KEY_LIMIT: usize = 255;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const CALLER_TIME: HeaderName = HeaderName::from_static("x-sentrial-timestamp");

/// The key of `Authorization: Bearer …`, if there is one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<Key> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Key::presented(token))
}

/// A request that writes. What is wrong with its headers or body is reported after the key has
/// been checked and a remembered answer looked for.
#[derive(Debug)]
pub(crate) struct Submission {
    /// The presented key.
    pub(crate) key: Option<Key>,
    /// The `Idempotency-Key`, with what it stands for.
    pub(crate) repetition: Result<Option<Remembered>, ApiError>,
    /// When the caller made the request: `X-Sentrial-Timestamp`, or now.
    pub(crate) at: Result<Timestamp, ApiError>,
    /// The room that the body takes, until the request is answered.
    room: Option<OwnedSemaphorePermit>,
}

impl Submission {
    /// Reads the head of a request that carries no body.
    pub(crate) fn without_body(request: &Request) -> Self {
        Self::of(request.method(), request.uri(), request.headers())
    }

    fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        Self {
            key: bearer(headers),
            repetition: repetition(method, uri.path(), headers),
            at: caller_time(headers),
            room: None,
        }
    }

    /// Reads head and body of a request. The body is read once the key is known to be one, so
    /// that without one the server neither holds nor parses anything.
    ///
    /// # Errors
    /// 401 without an active key; what is wrong with the body is reported later, and so in the
    /// second part.
    pub(crate) async fn receive(
        intake: &Intake,
        request: Request,
    ) -> Result<(Self, Result<Document, ApiError>), ApiError> {
        let (parts, body) = request.into_parts();
        let mut submission = Self::of(&parts.method, &parts.uri, &parts.headers);
        if let Err(refused) = intake.admit(submission.key.as_ref()).await {
            intake.discard(&parts.headers, body).await;
            return Err(refused);
        }
        let (room, document) = intake.document(&parts.headers, body).await;
        submission.room = room;
        Ok((submission, document))
    }
}

fn repetition(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Option<Remembered>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= IDEMPOTENCY_KEY_LIMIT => Ok(Some(Remembered {
            key: key.to_owned(),
            method: method.to_string(),
            path: path.to_owned(),
        })),
        _ => Err(ApiError::bad_request(
            "Idempotency-Key must be 1 to 255 visible characters",
        )),
    }
}

fn caller_time(headers: &HeaderMap) -> Result<Timestamp, ApiError> {
    let Some(value) = headers.get(CALLER_TIME) else {
        return Ok(Timestamp::now());
    };
    value
        .to_str()
        .ok()
        .and_then(Timestamp::parse)
        .ok_or_else(|| {
            ApiError::bad_request("X-Sentrial-Timestamp must be an RFC 3339 date and time")
        })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, Uri, header};

    use super::{Submission, bearer};

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    fn key_of(value: &'static str) -> Option<String> {
        bearer(&headers(header::AUTHORIZATION, value)).map(|key| key.reveal().to_owned())
    }

    fn submission(headers: &HeaderMap) -> Submission {
        Submission::of(&Method::POST, &Uri::from_static("/p"), headers)
    }

    #[test]
    fn only_a_bearer_token_is_a_key() {
        assert_eq!(key_of("Bearer abc").unwrap(), "abc");
        assert_eq!(key_of("bearer  abc ").unwrap(), "abc");
        for value in ["", "abc", "Bearer", "Bearer ", "Basic abc"] {
            assert!(key_of(value).is_none(), "{value}");
        }
        assert!(bearer(&HeaderMap::new()).is_none());
    }

    #[test]
    fn headers_are_checked() {
        let long: &'static str = "x".repeat(256).leak();
        for key in ["", long] {
            let refused = submission(&headers(super::IDEMPOTENCY_KEY, key)).repetition;
            assert!(refused.unwrap_err().message.starts_with("Idempotency-Key "));
        }
        let refused = submission(&headers(super::CALLER_TIME, "noon")).at;
        assert!(
            refused
                .unwrap_err()
                .message
                .starts_with("X-Sentrial-Timestamp ")
        );
        let fine = submission(&headers(super::IDEMPOTENCY_KEY, "k"));
        assert_eq!(fine.repetition.unwrap().unwrap().path, "/p");
    }
}
