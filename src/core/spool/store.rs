//! One spool file: made, taken over and closed. This folder is the only part of the core that names
//! rusqlite.

mod files;
mod read;
mod schema;
mod write;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use thiserror::Error;

pub(super) use self::files::{ASIDE, SUFFIX, is_aside, is_name, lock_of, set_aside};
use self::files::{log_of, remove_files};
pub(super) use self::read::peek;
use self::schema::{check_version, connect, connect_with, judge, prepare, set_up};
pub(super) use self::write::horizon;
use super::owner::Owner;
use super::place::says;

/// Why a spool file cannot be used.
#[derive(Debug, Error)]
pub(super) enum StoreError {
    /// Not a spool file, or a damaged one.
    #[error("{}", says(.0, "is damaged"))]
    Corrupt(PathBuf),
    /// Written by a later version of the package.
    #[error("{}", says(.0, "was written by a newer version of sentrial; it is left alone"))]
    Newer(PathBuf),
    /// The disk is full; what was written before can still be read.
    #[error("{}", says(.0, "the disk is full"))]
    Full(PathBuf),
    /// The system refuses.
    #[error("{}", says(.0, .1))]
    System(PathBuf, String),
}

/// For whom rows are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::core) struct Stamp {
    /// The client's number in its process.
    pub(in crate::core) client: i64,
    /// The API's address.
    pub(in crate::core) url: String,
    /// Names the key without giving it away.
    pub(in crate::core) fingerprint: String,
    /// The form in which the key is shown: `…abcd`.
    pub(in crate::core) key_end: String,
}

/// Rows of one address and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The API's address.
    pub url: String,
    /// Names the key without giving it away.
    pub fingerprint: String,
    /// The form in which the key is shown: `…abcd`.
    pub key_end: String,
    /// Requests.
    pub requests: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// When the oldest was made, in microseconds since 1970.
    pub oldest: i64,
    /// The clients it was recorded by, as numbered in the file.
    pub(super) clients: Vec<i64>,
}

impl Group {
    /// Was it recorded with the key that is shown as `end`, or that has this fingerprint?
    pub(in crate::core) fn is_of_key(&self, end: &str) -> bool {
        let bare = |text: &str| text.trim().trim_start_matches(['…', '.']).to_owned();
        let wanted = bare(end);
        !wanted.is_empty() && (wanted == bare(&self.key_end) || wanted == self.fingerprint)
    }
}

/// How a file is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// Often, a few rows each time.
    Trickle,
    /// Rarely, and then thousands of rows.
    Bursts,
}

/// An open spool file that is ours alone.
#[derive(Debug)]
pub(super) struct Store {
    db: Connection,
    path: PathBuf,
    owner: Option<Owner>,
    rows: u64,
    bytes: u64,
    /// The highest number of a row that this process has written.
    highest: i64,
}

impl Store {
    /// Makes the file of this process.
    pub(super) fn create(path: &Path, habit: Habit) -> Result<Self, StoreError> {
        let system =
            |error: &dyn std::fmt::Display| StoreError::System(path.to_owned(), error.to_string());
        // First the lock: a file without an owner is taken for that of a dead process.
        let owner = Owner::take(&lock_of(path)).map_err(|error| system(&error))?;
        let owner = owner.ok_or_else(|| system(&"is in use"))?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let store = file.map_err(|error| system(&error)).and_then(|file| {
            // Closed before SQLite opens it: closing it later would end SQLite's locks.
            drop(file);
            let db = connect_with(path, |db| prepare(db, habit))?;
            set_up(&db).map_err(|error| judge(path, &error))?;
            Ok(db)
        });
        match store {
            Ok(db) => Ok(Self {
                db,
                path: path.to_owned(),
                owner: Some(owner),
                rows: 0,
                bytes: 0,
                highest: 0,
            }),
            Err(error) => {
                remove_files(path);
                owner.remove();
                Err(error)
            }
        }
    }

    /// Takes over the file of a dead process; `None` if its owner lives or it is gone.
    pub(super) fn adopt(path: &Path) -> Result<Option<Self>, StoreError> {
        let owner = Owner::take(&lock_of(path))
            .map_err(|error| StoreError::System(path.to_owned(), error.to_string()))?;
        let Some(owner) = owner else { return Ok(None) };
        match std::fs::symlink_metadata(path) {
            // Its owner died between making and filling it.
            Ok(found) if found.is_file() && found.len() == 0 => {
                remove_files(path);
                owner.remove();
                return Ok(None);
            }
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(StoreError::System(path.to_owned(), "is no file".to_owned())),
            Err(_) => {
                owner.remove();
                return Ok(None);
            }
        }
        let db = connect(path)?;
        if !check_version(&db, path)? {
            drop(db);
            remove_files(path);
            owner.remove();
            return Ok(None);
        }
        let mut store = Self {
            db,
            path: path.to_owned(),
            owner: Some(owner),
            rows: 0,
            bytes: 0,
            highest: i64::MAX,
        };
        store.count()?;
        Ok(Some(store))
    }

    /// Requests in it.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes the log back into the file if it is longer than that. It takes longer than what is in
    /// the log took to write, so it should not be done while a burst is being written.
    pub(super) fn write_back(&self, most: u64) {
        let log = std::fs::metadata(log_of(&self.path));
        if log.is_ok_and(|log| log.len() > most) {
            // A failure leaves the log as it is, and the next time tries again.
            let _ = self.db.pragma_query(None, "wal_checkpoint", |_| Ok(()));
        }
    }

    fn count(&mut self) -> Result<(), StoreError> {
        let sum = "SELECT count(*), coalesce(sum(length(body) + 256), 0) FROM requests";
        let (rows, bytes): (i64, i64) = self
            .db
            .query_row(sum, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|error| judge(&self.path, &error))?;
        (self.rows, self.bytes) = (rows.unsigned_abs(), bytes.unsigned_abs());
        Ok(())
    }

    /// Closes the file; removes it if nothing is left in it.
    pub(super) fn close(mut self) {
        let (path, empty, owner) = (self.path.clone(), self.rows == 0, self.owner.take());
        // Closing writes the log back into the file. A failure leaves both, which is as good.
        drop(self);
        if empty {
            remove_files(&path);
            if let Some(owner) = owner {
                owner.remove();
            }
        }
    }
}
