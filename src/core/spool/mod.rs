//! The spool: files that keep for a later process what this one cannot deliver.
//!
//! ```text
//! queue ──chores──▶ delivery thread ──jobs──▶ spool thread ──▶ store (SQLite), owner, place
//!   ▲                                             │
//!   └───────── rows read back, marks ─────────────┘
//! ```
//! The queue decides what goes to disk and what comes back, and never waits for it. Only the spool
//! thread reads and writes; callers and the delivery thread hand it jobs.

mod adopted;
mod clerk;
mod daily;
pub mod inspect;
mod owner;
mod place;
pub(in crate::core) mod row;
mod store;
#[cfg(test)]
mod tests;
pub(in crate::core) mod thread;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::row::{Gone, Row, Stretch};
pub use self::store::Group;
pub(in crate::core) use self::store::Stamp;
use super::client::ClientState;

/// Bytes that a file may hold however little is free on the disk.
const LEAST_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes that all files of a folder may hold together: a burst of some hundred thousand requests.
/// See [`place::room_in`].
const MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// What is older is given up, on disk and in memory: nobody waits for it any more.
pub(in crate::core) const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// No row was made before: the package had no spool then. An older date is that of a clock which had
/// not been set yet, and says nothing about the age of a row.
pub(in crate::core) fn earliest() -> SystemTime {
    // 2025-01-01T00:00:00Z.
    UNIX_EPOCH + Duration::from_secs(1_735_689_600)
}

/// Why rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core) enum Purpose {
    /// Every request is written.
    Every {
        /// Everything up to this mark is then safe.
        upto: Option<u64>,
        /// What the copies count against the queue's bound.
        copied: usize,
    },
    /// Memory is short. The bytes were counted against the queue's bound.
    Overflow(usize),
    /// The process ends, perhaps with these as its last rows.
    Exit {
        /// Nothing comes after them.
        last: bool,
    },
}

/// Changes of a client's rows that belong together.
#[derive(Debug)]
pub(in crate::core) struct Batch {
    pub(in crate::core) purpose: Purpose,
    pub(in crate::core) rows: Vec<Row>,
    pub(in crate::core) gone: Vec<Gone>,
    pub(in crate::core) lanes: Vec<u64>,
}

/// Something for the spool thread to do.
#[derive(Debug)]
pub(in crate::core) enum Task {
    /// Write and remove rows.
    Write(Batch),
    /// Read a part of a lane back.
    Load(Stretch),
    /// Find requests of dead processes.
    Adopt,
    /// The client's rows belong to another key.
    Rekey,
}

/// A task of a client.
#[derive(Debug)]
pub(in crate::core) struct Job {
    pub(in crate::core) client: Arc<ClientState>,
    pub(in crate::core) task: Task,
}
