//! What is let in: bodies of callers with a key, as many bytes at a time as there is room for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::{Answer, ApiError};
use super::database::Database;
use super::keys::Key;
use super::timestamp::Timestamp;
use super::validate::Document;

/// The largest body that is read.
pub(crate) const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// How much of a larger body is read and thrown away, so that a client that sends before it
/// listens gets the 413 instead of a broken connection.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// All bodies that are held at a time, in KiB.
const ROOM: usize = 32 * 1024;
const KIB: usize = 1024;
/// Bodies up to this size are parsed where they are received; larger ones on another thread, so that
/// other requests go on.
const PARSED_AT_ONCE: usize = 64 * 1024;
/// Keys that are remembered as admitted.
const REMEMBERED: usize = 64;

/// The gate in front of the bodies. A clone is another handle on the same one.
#[derive(Clone)]
pub(crate) struct Intake {
    database: Database,
    /// Digests of keys that were active when they were asked for. The writer asks again for each
    /// request, so a revoked key gets no further than to be parsed.
    admitted: Arc<Mutex<VecDeque<Vec<u8>>>>,
    room: Arc<Semaphore>,
    /// Parsing a large body takes a thread and memory: one at a time.
    parser: Arc<Semaphore>,
}

impl Intake {
    pub(crate) fn new(database: Database) -> Self {
        Self {
            database,
            admitted: Arc::default(),
            room: Arc::new(Semaphore::new(ROOM)),
            parser: Arc::new(Semaphore::new(1)),
        }
    }

    /// Refuses a request without an active key.
    pub(crate) async fn admit(&self, key: Option<&Key>) -> Result<(), ApiError> {
        let key = key.cloned().ok_or_else(ApiError::unauthorized)?;
        let digest = key.digest().as_bytes().to_vec();
        if self.admitted().contains(&digest) {
            return Ok(());
        }
        self.database
            .read(move |store| {
                let caller = store.authenticate(&key, Timestamp::now())?;
                caller.ok_or_else(ApiError::unauthorized)?;
                Answer::ok(&())
            })
            .await?;
        let mut admitted = self.admitted();
        admitted.truncate(REMEMBERED - 1);
        admitted.push_front(digest);
        Ok(())
    }

    fn admitted(&self) -> std::sync::MutexGuard<'_, VecDeque<Vec<u8>>> {
        self.admitted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a body only to throw it away, so that the client gets its answer.
    pub(crate) async fn discard(&self, headers: &HeaderMap, body: Body) {
        drop(in_time(collect(headers, body, 0)).await);
    }

    /// Reads and parses a body; with it the room it takes.
    pub(crate) async fn document(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> (Option<OwnedSemaphorePermit>, Result<Document, ApiError>) {
        if let Err(refused) = check_content_type(headers) {
            // Read all the same, so that the connection stays usable.
            self.discard(headers, body).await;
            return (None, Err(refused));
        }
        let size = declared_length(headers)
            .unwrap_or(BODY_LIMIT)
            .min(BODY_LIMIT);
        let permits = u32::try_from(size / KIB + 1).unwrap_or(u32::MAX);
        let received = in_time(async {
            let room = Arc::clone(&self.room).acquire_many_owned(permits).await;
            let bytes = collect(headers, body, BODY_LIMIT).await?;
            Ok((room.ok(), bytes))
        });
        match received.await {
            Err(refused) => (None, Err(refused)),
            Ok((room, bytes)) => (room, self.parse(bytes).await),
        }
    }

    async fn parse(&self, bytes: Bytes) -> Result<Document, ApiError> {
        if bytes.len() <= PARSED_AT_ONCE {
            return Document::parse(&bytes);
        }
        // The semaphore is never closed.
        let _turn = self.parser.acquire().await;
        tokio::task::spawn_blocking(move || Document::parse(&bytes))
            .await
            .map_err(|_| ApiError::internal(&"a body could not be parsed"))?
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

async fn in_time<T>(reading: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    let too_slow = |_| {
        ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time",
        )
    };
    tokio::time::timeout(BODY_TIMEOUT, reading)
        .await
        .map_err(too_slow)?
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok())
}

/// Reads a body to its end and keeps it if it has at most `limit` bytes.
async fn collect(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let too_large = || {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than 8 MiB",
        )
    };
    if declared_length(headers).is_some_and(|length| length > DRAIN_LIMIT) {
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
        if seen > limit {
            collected = BytesMut::new();
        } else {
            collected.extend_from_slice(&chunk);
        }
    }
    if seen > limit {
        Err(too_large())
    } else {
        Ok(collected.freeze())
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Request, header};

    use super::super::database::Database;
    use super::super::store::tests::Scratch;
    use super::{ApiError, BODY_LIMIT, Document, Intake, ROOM};

    async fn receive(
        request: http::request::Builder,
        body: impl Into<Body>,
    ) -> Result<Document, ApiError> {
        let scratch = Scratch::new();
        let intake = Intake::new(Database::open(&scratch.database()).unwrap());
        let (parts, body) = request.body(body.into()).unwrap().into_parts();
        let (room, document) = intake.document(&parts.headers, body).await;
        drop(room);
        assert_eq!(intake.room.available_permits(), ROOM);
        document
    }

    fn json() -> http::request::Builder {
        Request::builder().header(header::CONTENT_TYPE, "application/json; charset=utf-8")
    }

    #[tokio::test]
    async fn bodies_up_to_the_limit_are_read() {
        let padded = |size: usize| format!("{{{}}}", " ".repeat(size - 2));
        assert!(receive(json(), padded(BODY_LIMIT)).await.is_ok());
        let refused = receive(json(), padded(BODY_LIMIT + 1)).await;
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
            let refused = receive(request, "{}").await;
            assert_eq!(refused.unwrap_err().status, 415);
        }
    }
}
