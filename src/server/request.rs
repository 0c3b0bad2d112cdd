//! One HTTP request as the routes need it: who, when, once or again, and the body.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};

use super::answer::ApiError;
use super::keys::Key;
use super::store::Remembered;
use super::timestamp::Timestamp;
use super::validate::Document;

/// The largest body that is read.
pub(crate) const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// How much of a larger body is read and thrown away, so that a client that sends before it
/// listens gets the 413 instead of a broken connection.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
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
        }
    }

    /// Reads head and body of a request.
    pub(crate) async fn receive(request: Request) -> (Self, Result<Document, ApiError>) {
        let (parts, body) = request.into_parts();
        let document = match check_content_type(&parts.headers) {
            Err(refused) => {
                // Read all the same, so that the connection stays usable.
                drop(read_body(&parts.headers, body).await);
                Err(refused)
            }
            Ok(()) => read_body(&parts.headers, body)
                .await
                .and_then(|bytes| Document::parse(&bytes)),
        };
        (
            Self::of(&parts.method, &parts.uri, &parts.headers),
            document,
        )
    }
}

/// 415 unless the body is declared as uncompressed JSON.
fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let refuse = |message: &str| Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    let declared = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media = declared
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if !media.eq_ignore_ascii_case("application/json") {
        return refuse("Content-Type must be application/json");
    }
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .map(http::HeaderValue::as_bytes);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return refuse("Content-Encoding is not supported; send the body uncompressed");
    }
    Ok(())
}

async fn read_body(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let too_slow = |_| {
        ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time",
        )
    };
    tokio::time::timeout(BODY_TIMEOUT, collect(headers, body))
        .await
        .map_err(too_slow)?
}

async fn collect(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let too_large = || {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than 8 MiB",
        )
    };
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > DRAIN_LIMIT) {
        return Err(too_large());
    }
    let mut stream = body.into_data_stream();
    let mut collected = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| ApiError::bad_request("the body could not be read"))?;
        seen = seen.saturating_add(chunk.len());
        if seen > DRAIN_LIMIT {
            break;
        }
        if seen > BODY_LIMIT {
            collected = BytesMut::new();
        } else {
            collected.extend_from_slice(&chunk);
        }
    }
    if seen > BODY_LIMIT {
        Err(too_large())
    } else {
        Ok(collected.freeze())
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
    use axum::body::Body;
    use http::{HeaderMap, HeaderValue, Request, header};

    use super::{ApiError, BODY_LIMIT, Document, Submission, bearer};

    fn headers(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))])
    }

    async fn receive(
        request: http::request::Builder,
        body: impl Into<Body>,
    ) -> (Submission, Result<Document, ApiError>) {
        let request = request.method("POST").uri("/p").body(body.into()).unwrap();
        Submission::receive(request).await
    }

    fn json() -> http::request::Builder {
        Request::builder().header("content-type", "application/json; charset=utf-8")
    }

    #[test]
    fn only_a_bearer_token_is_a_key() {
        assert_eq!(bearer(&headers("Bearer abc")).unwrap().reveal(), "abc");
        assert_eq!(bearer(&headers("bearer  abc ")).unwrap().reveal(), "abc");
        for value in ["", "abc", "Bearer", "Bearer ", "Basic abc"] {
            assert!(bearer(&headers(value)).is_none(), "{value}");
        }
        assert!(bearer(&HeaderMap::new()).is_none());
    }

    #[tokio::test]
    async fn bodies_up_to_the_limit_are_read() {
        let padded = |size: usize| format!("{{{}}}", " ".repeat(size - 2));
        assert!(receive(json(), padded(BODY_LIMIT)).await.1.is_ok());
        let refused = receive(json(), padded(BODY_LIMIT + 1)).await.1;
        assert_eq!(refused.unwrap_err().status, 413);
    }

    #[tokio::test]
    async fn only_plain_json_is_taken() {
        for request in [
            Request::builder(),
            Request::builder().header("content-type", "text/plain"),
            Request::builder().header("content-type", "application/x-www-form-urlencoded"),
            json().header("content-encoding", "gzip"),
        ] {
            let refused = receive(request, "{}").await.1;
            assert_eq!(refused.unwrap_err().status, 415);
        }
    }

    #[tokio::test]
    async fn headers_are_checked() {
        let long = "x".repeat(256);
        for key in ["", &long] {
            let refused = receive(json().header("Idempotency-Key", key), "{}")
                .await
                .0
                .repetition;
            assert!(refused.unwrap_err().message.starts_with("Idempotency-Key "));
        }
        let refused = receive(json().header("X-Sentrial-Timestamp", "noon"), "{}")
            .await
            .0
            .at;
        assert!(
            refused
                .unwrap_err()
                .message
                .starts_with("X-Sentrial-Timestamp ")
        );
        let fine = receive(json().header("Idempotency-Key", "k"), "{}").await.0;
        assert_eq!(fine.repetition.unwrap().unwrap().path, "/p");
    }
}
