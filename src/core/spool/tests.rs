//! Files, owners and adoption, on a real disk.

mod adoption;
mod files;
mod folders;
mod owners;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use bytes::Bytes;

use super::row::{Gone, Home, Room, Row, RowRef, Stretch, micros};
use super::store::{Habit, Stamp, Store};
use crate::core::request::{Body, Kind, Patience, Request};
use crate::core::session::Session;

/// As much as there is.
const ALL: Room = Room {
    items: usize::MAX,
    bytes: usize::MAX,
};
/// No cap.
const ENDLESS: u64 = u64::MAX;
const URL: &str = "http://127.0.0.1:9";

/// A folder of its own for a test, removed at its end.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("sentrial-spool-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Everything in it, by name.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap().map(Result::unwrap);
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A client of a process, with a key whose end is its fingerprint.
fn stamp(client: i64, key: &str) -> Stamp {
    Stamp {
        client,
        url: URL.to_owned(),
        fingerprint: format!("fingerprint-{key}"),
        key_end: format!("…{key}"),
    }
}

/// A row that belongs to the session `s<lane>`.
fn row(id: i64, lane: i64, text: &str) -> Row {
    Row {
        id,
        lane,
        seq: id,
        kind: Kind::Event,
        session: Some(format!("s{lane}")),
        lead: None,
        body: Bytes::from(format!("{{\"text\":\"{text}\"}}")),
        idempotency_key: format!("key-{id}"),
        made_at: micros(SystemTime::now()),
    }
}

/// The row of a request that creates a session, or needs its id.
fn unborn(id: i64, session: &Arc<Session>, kind: Kind) -> Row {
    let body = Body::Led {
        field: "sessionId",
        session: Arc::clone(session),
        tail: b",\"name\":\"n\"}".to_vec(),
    };
    let body = match kind {
        Kind::Create => Body::Ready(Bytes::from_static(b"{\"name\":\"chat\"}")),
        _ => body,
    };
    let mut request = Request::new(kind, Arc::clone(session), body, Patience::Background);
    request.number = id.unsigned_abs();
    request.seq = id.unsigned_abs();
    request.lane = session.key();
    Row::of(&mut request, format!("key-{id}"))
}

fn gone(home: Home, id: i64) -> Gone {
    Gone {
        row: RowRef { home, id },
        created: None,
    }
}

fn stretch(lane: u64, room: Room) -> Stretch {
    Stretch {
        lane,
        first: 0,
        last: u64::MAX >> 1,
        room,
    }
}

/// A file with rows, whose process is dead.
fn left(path: &Path, stamp: &Stamp, rows: &[Row]) {
    let mut store = Store::create(path, Habit::Bursts).unwrap();
    assert_eq!(
        store.apply(stamp, rows, &[], &[], ENDLESS).unwrap(),
        rows.len()
    );
    store.close();
}

/// Everything in a file, for whoever it is.
fn all(store: &Store, clients: &[i64]) -> Vec<i64> {
    let read = store.behind(clients, i64::MIN, ALL).unwrap();
    assert!(read.all);
    read.rows.iter().map(|row| row.id).collect()
}
