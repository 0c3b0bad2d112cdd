//! One spooled request, and how it becomes a request again.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::core::request::{Body, Kind, Patience, Request};
use crate::core::session::Session;

/// What a row costs on disk beyond its body, for the cap.
const OVERHEAD: u64 = 256;

/// Whose file a row is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::core) enum Home {
    /// That of this process.
    Own,
    /// That of a dead process, which this one has adopted.
    Adopted(u32),
}

/// Where a request is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::core) struct RowRef {
    /// The file.
    pub(in crate::core) home: Home,
    /// The row in it.
    pub(in crate::core) id: i64,
}

impl RowRef {
    /// The row of a request of this process.
    pub(in crate::core) fn own(number: u64) -> Self {
        Self {
            home: Home::Own,
            id: signed(number),
        }
    }
}

/// A row that is no longer needed.
#[derive(Debug)]
pub(in crate::core) struct Gone {
    /// Which.
    pub(in crate::core) row: RowRef,
    /// If it created a session: the session, whose id the rows behind it need.
    pub(in crate::core) created: Option<Arc<Session>>,
}

/// A request as it is written to disk, in the form in which it may leave memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::core) struct Row {
    /// The request's number in its process.
    pub(in crate::core) id: i64,
    /// Its lane; of a session without an id also the name by which others refer to it.
    pub(in crate::core) lane: i64,
    /// Order within the client.
    pub(in crate::core) seq: i64,
    /// What it does.
    pub(in crate::core) kind: Kind,
    /// The server's id of the session, if it was known.
    pub(in crate::core) session: Option<String>,
    /// The field of the body that names a session without an id, and the lane of that session.
    pub(in crate::core) lead: Option<(&'static str, i64)>,
    /// The body; without its lead, if there is one.
    pub(in crate::core) body: Bytes,
    /// The key of the process that made it.
    pub(in crate::core) idempotency_key: String,
    /// When the caller made it, in microseconds since 1970.
    pub(in crate::core) made_at: i64,
}

impl Row {
    /// The row of a request of this process.
    pub(in crate::core) fn of(request: &mut Request, idempotency_key: String) -> Self {
        let session = request.session.id().map(ToString::to_string);
        let lead = match &request.body {
            Body::Led { field, session, .. } if session.can_be_named() => {
                Some((*field, signed(session.key())))
            }
            _ => None,
        };
        let body = match (&request.body, lead) {
            (Body::Led { tail, .. }, Some(_)) => Bytes::copy_from_slice(tail),
            _ => request.body.wire(),
        };
        Self {
            id: signed(request.number),
            lane: signed(request.lane),
            seq: signed(request.seq),
            kind: request.kind,
            session,
            lead,
            body,
            idempotency_key,
            made_at: micros(request.made_at),
        }
    }

    /// Bytes that count against the cap.
    pub(in crate::core) fn weight(&self) -> u64 {
        self.body.len() as u64 + OVERHEAD
    }

    /// The request it was. `named` gives the session of a lane.
    pub(in crate::core) fn revive(
        self,
        home: Home,
        session: Arc<Session>,
        named: impl FnOnce(i64) -> Arc<Session>,
    ) -> Request {
        let body = match self.lead {
            Some((field, lane)) => Body::Led {
                field,
                session: named(lane),
                tail: self.body.to_vec(),
            },
            None => Body::Ready(self.body),
        };
        let mut request = Request::new(self.kind, session, body, Patience::Background);
        request.made_at = UNIX_EPOCH + Duration::from_micros(self.made_at.unsigned_abs());
        request.number = self.id.unsigned_abs();
        request.seq = self.seq.unsigned_abs();
        request.row = Some(RowRef { home, id: self.id });
        // It may have been on the wire before; nobody counts that as a retry of this process.
        request.idempotency_key = Some(Arc::from(self.idempotency_key));
        request
    }
}

/// Part of a lane that is on disk, to be read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core) struct Stretch {
    /// Whose requests.
    pub(in crate::core) lane: u64,
    /// None has a smaller number.
    pub(in crate::core) first: u64,
    /// None has a larger one.
    pub(in crate::core) last: u64,
    /// As many of them as there is room for.
    pub(in crate::core) room: Room,
}

/// How much may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core) struct Room {
    /// Requests.
    pub(in crate::core) items: usize,
    /// Bytes, as they count in memory; one request may always be read.
    pub(in crate::core) bytes: usize,
}

/// What was read, and whether it was all there is.
#[derive(Debug, Default)]
pub(in crate::core) struct Read {
    /// In call order.
    pub(in crate::core) rows: Vec<Row>,
    /// Nothing is left behind them.
    pub(in crate::core) all: bool,
}

impl Read {
    /// What there is where nothing can be read.
    pub(in crate::core) fn nothing() -> Self {
        Self {
            rows: Vec::new(),
            all: true,
        }
    }
}

/// The word for a kind in the file; a look at a session is never spooled.
pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Create => "create",
        Kind::Event => "event",
        Kind::Complete => "complete",
        Kind::Update | Kind::Fetch => "update",
    }
}

/// The kind a word stands for.
pub(super) fn kind(word: &str) -> Option<Kind> {
    [Kind::Create, Kind::Event, Kind::Complete, Kind::Update]
        .into_iter()
        .find(|kind| self::word(*kind) == word)
}

/// The field a text names; no other ever leads a body.
pub(super) fn field(text: &str) -> Option<&'static str> {
    ["sessionId", "parentSessionId"]
        .into_iter()
        .find(|field| *field == text)
}

/// A number of ours as `SQLite` stores it; none ever reaches 2⁶³.
pub(in crate::core) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Microseconds since 1970.
pub(in crate::core) fn micros(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    // Rounded, as the header is that is made from it.
    i64::try_from((since.as_nanos() + 500) / 1000).unwrap_or(i64::MAX)
}
