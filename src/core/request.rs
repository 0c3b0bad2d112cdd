//! One logical request: what the caller recorded, until it is delivered or dropped.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::receipt::Receipt;
use super::redact::Shape;
use super::session::Session;
use super::spool::row::{Home, RowRef};
use super::spool::{MAX_AGE, earliest};

/// Everything but RFC 3986 "unreserved" characters is escaped in an id put into a path.
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `POST /api/sdk/sessions`.
    Create,
    /// `POST /api/sdk/events`.
    Event,
    /// `PATCH /api/sdk/sessions/{id}`, the end of a session.
    Complete,
    /// `PATCH /api/sdk/sessions/{id}` with fields the caller chose.
    Update,
    /// `GET /api/sdk/sessions/{id}`, behind what the session has sent before.
    Fetch,
}

impl Kind {
    /// The word used in log lines.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Create => "session",
            Self::Event => "event",
            Self::Complete => "session completion",
            Self::Update => "session update",
            Self::Fetch => "look at a session",
        }
    }

    /// The HTTP method.
    #[must_use]
    pub fn method(self) -> &'static str {
        match self {
            Self::Create | Self::Event => "POST",
            Self::Complete | Self::Update => "PATCH",
            Self::Fetch => "GET",
        }
    }
}

/// How long a request is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until it is delivered or the process ends.
    Background,
    /// At most this many attempts: somebody waits for the answer.
    Blocking {
        /// Attempts, the first one included.
        attempts: u32,
    },
}

/// The JSON body, perhaps still without the session id it names.
#[derive(Debug, Clone)]
pub enum Body {
    /// Finished bytes of a JSON object.
    Ready(Bytes),
    /// `{` + `"field": id of the session` + `tail`, where the tail starts with a comma or `}`.
    /// A dead session leaves the field out.
    Led {
        /// The field the id goes into.
        field: &'static str,
        /// The session whose id it is.
        session: Arc<Session>,
        /// The rest of the object.
        tail: Vec<u8>,
    },
}

impl Body {
    /// Bytes of the body as it stands.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ready(bytes) => bytes.len(),
            Self::Led { tail, .. } => tail.len(),
        }
    }

    /// The bytes as they were sent; empty before that.
    pub(super) fn sent(&self) -> Bytes {
        match self {
            Self::Ready(bytes) => bytes.clone(),
            Self::Led { .. } => Bytes::new(),
        }
    }

    /// Puts other bytes in the place of those that hold what the caller recorded. The id of the
    /// session is not among them.
    pub(super) fn rewrite(&mut self, new: impl FnOnce(&[u8], Shape) -> Option<Vec<u8>>) {
        match self {
            Self::Ready(bytes) if bytes.is_empty() => {}
            Self::Ready(bytes) => {
                if let Some(new) = new(bytes, Shape::Body) {
                    *bytes = Bytes::from(new);
                }
            }
            Self::Led { tail, .. } => {
                if let Some(new) = new(tail, Shape::Tail) {
                    *tail = new;
                }
            }
        }
    }

    /// The session whose id is needed before the body can be sent, if it may still arrive.
    pub(super) fn waits_for(&self) -> Option<&Arc<Session>> {
        match self {
            Self::Led { session, .. } if session.can_be_named() => Some(session),
            _ => None,
        }
    }

    /// The bytes to send; splices the id once and keeps the result for further attempts.
    pub(super) fn wire(&mut self) -> Bytes {
        if let Self::Led {
            field,
            session,
            tail,
        } = self
        {
            *self = Self::Ready(splice(field, session.id().map(AsRef::as_ref), tail));
        }
        self.sent()
    }
}

fn splice(field: &str, id: Option<&str>, tail: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(tail.len() + field.len() + 48);
    out.push(b'{');
    let rest = if let Some(id) = id {
        out.push(b'"');
        out.extend_from_slice(field.as_bytes());
        out.extend_from_slice(b"\":");
        // An id is a plain string; serde_json cannot fail on it.
        out.extend_from_slice(serde_json::Value::from(id).to_string().as_bytes());
        tail
    } else {
        tail.strip_prefix(b",").unwrap_or(tail)
    };
    out.extend_from_slice(rest);
    Bytes::from(out)
}

/// One logical request.
#[derive(Debug)]
pub struct Request {
    /// What it does.
    pub kind: Kind,
    /// The session whose lane it travels in.
    pub session: Arc<Session>,
    /// Its JSON body.
    pub body: Body,
    /// When the caller made it.
    pub made_at: SystemTime,
    /// The same on the clock of the queue, which nobody sets; none before it is queued.
    pub(super) since: Option<Instant>,
    /// Number that makes the `Idempotency-Key` of this process unique.
    pub number: u64,
    /// Makes it unique among copies of this process; see [`super::process::salt`].
    pub(super) salt: u64,
    /// Order within the client, given by the queue.
    pub(super) seq: u64,
    /// The lane it was put into.
    pub(super) lane: u64,
    /// Where it is on disk, if it is.
    pub(super) row: Option<RowRef>,
    /// The `Idempotency-Key` under which another process has made it.
    pub(super) idempotency_key: Option<Arc<str>>,
    /// What it counts against the byte bound; its body may change when the id is spliced in.
    pub(super) charged: usize,
    /// The version of the rules with which the body was given its final form.
    pub(super) sealed: Option<u64>,
    /// When it was sent last, if it has been on the wire.
    pub(super) sent_at: Option<Instant>,
    /// Attempts that failed, for whatever reason.
    pub(super) attempts: u32,
    /// Answers that put the fault on this request alone (408, 425, 500, no usable id).
    pub(super) faults: u32,
    /// Answers 500, or pages, that refused it.
    pub(super) refusals: u32,
    /// Answers 2xx that broke off before what was asked for.
    pub(super) breaks: u32,
    /// Requests of the client delivered when the failures of this one began.
    pub(super) delivered_before: Option<u64>,
    /// Was it the probe of a client whose delivery is broken? Known once it has landed.
    pub(super) probe: bool,
    /// Which key of the client it was sent with.
    pub(super) key_epoch: u64,
    /// How long it is tried.
    pub patience: Patience,
    /// Where the outcome goes, if anybody may ask.
    pub receipt: Option<Arc<Receipt>>,
}

/// What one queued request costs in memory beyond its body, for the byte bound: itself, its receipt,
/// its place in the lane, and what the allocator adds to each of these and to the body.
const OVERHEAD: usize = 400;

impl Request {
    /// A request of `session`.
    #[must_use]
    pub fn new(kind: Kind, session: Arc<Session>, body: Body, patience: Patience) -> Self {
        Self {
            kind,
            session,
            body,
            made_at: SystemTime::now(),
            since: None,
            number: 0,
            salt: 0,
            seq: 0,
            lane: 0,
            row: None,
            idempotency_key: None,
            charged: 0,
            sealed: None,
            sent_at: None,
            attempts: 0,
            faults: 0,
            refusals: 0,
            breaks: 0,
            delivered_before: None,
            probe: false,
            key_epoch: 0,
            patience,
            receipt: None,
        }
    }

    /// A copy without what belongs to the original alone, to be written to disk.
    pub(super) fn twin(&self) -> Self {
        let mut twin = Self::new(
            self.kind,
            Arc::clone(&self.session),
            self.body.clone(),
            self.patience,
        );
        twin.made_at = self.made_at;
        twin.number = self.number;
        twin.salt = self.salt;
        twin.seq = self.seq;
        twin.lane = self.lane;
        twin.sealed = self.sealed;
        twin
    }

    /// Has this process found it on disk, left by another one?
    pub(super) fn is_adopted(&self) -> bool {
        self.row.is_some_and(|row| row.home != Home::Own)
    }

    /// Is it so old that nobody waits for it any more? Whoever waits for an answer bounds the time.
    pub(super) fn is_too_old(&self, now: Instant) -> bool {
        let age = self.since.map(|since| now.saturating_duration_since(since));
        self.patience == Patience::Background && age.is_some_and(|age| age >= MAX_AGE)
    }

    /// It comes from disk, where only the date says how old it is.
    pub(super) fn date(&mut self, now: Instant) {
        // A date in the future, or before there was a spool, is that of a clock that was set since.
        let age = self.made_at.elapsed().unwrap_or_default();
        let age = if self.made_at < earliest() {
            Duration::ZERO
        } else {
            age
        };
        self.since = now.checked_sub(age);
    }

    /// Bytes that count against the queue's bound.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.body.len() + OVERHEAD
    }

    /// The path below the API's base URL; the id is percent-encoded.
    #[must_use]
    pub fn path(&self) -> Cow<'static, str> {
        match self.kind {
            Kind::Create => Cow::Borrowed("/api/sdk/sessions"),
            Kind::Event => Cow::Borrowed("/api/sdk/events"),
            Kind::Complete | Kind::Update | Kind::Fetch => {
                let id = self.session.id().map_or("", AsRef::as_ref);
                Cow::Owned(format!(
                    "/api/sdk/sessions/{}",
                    utf8_percent_encode(id, PATH_SEGMENT)
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overhead_is_what_a_request_costs() {
        let counts = 2 * size_of::<usize>();
        let place = 2 * size_of::<Box<Request>>();
        let allocations = 3 * 16;
        let cost = size_of::<Request>() + size_of::<Receipt>() + counts + place + allocations;
        assert!((OVERHEAD - 32..=OVERHEAD).contains(&cost), "{cost} bytes");
    }

    #[test]
    fn an_id_is_spliced_in_front_of_the_tail_and_escaped() {
        let session = Session::known("a\"b");
        let mut body = Body::Led {
            field: "sessionId",
            session,
            tail: b",\"eventType\":\"error\"}".to_vec(),
        };
        let wire = body.wire();
        let value: serde_json::Value = serde_json::from_slice(&wire).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"sessionId": "a\"b", "eventType": "error"})
        );
        assert_eq!(body.wire(), wire, "further attempts send the same bytes");
    }

    #[test]
    fn a_dead_session_leaves_the_field_out() {
        let tail = b",\"name\":\"n\"}".to_vec();
        let mut body = Body::Led {
            field: "parentSessionId",
            session: Session::dead(),
            tail,
        };
        assert_eq!(&body.wire()[..], b"{\"name\":\"n\"}");
    }

    #[test]
    fn ids_are_percent_encoded_in_the_path() {
        let session = Session::known("id with space/slash?q=1");
        let body = Body::Ready(Bytes::from_static(b"{}"));
        let request = Request::new(Kind::Complete, session, body, Patience::Background);
        assert_eq!(
            request.path(),
            "/api/sdk/sessions/id%20with%20space%2Fslash%3Fq%3D1"
        );
    }
}
