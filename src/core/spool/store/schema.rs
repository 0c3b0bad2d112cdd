//! The layout of a spool file, and how one is opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Habit, StoreError};

/// The layout below; files of a higher version are left alone.
const VERSION: i64 = 1;
/// What tells a spool file from any other `SQLite` file: "snsp".
const APPLICATION: i64 = 0x736e_7370;
/// How long to wait for `sentrial spool status`, which may look at a file in use.
const BUSY: Duration = Duration::from_secs(2);

/// Pages of a file into which requests are moved by the thousand: most bodies then fit into one
/// page, and one write takes several of them.
const LARGE_PAGES: i64 = 32 * 1024;
/// Memory of a connection for pages, in KiB: what one round of moved requests changes.
const CACHE: i64 = 8 * 1024;
/// What a log that was larger keeps of its size, in bytes.
const LOG_KEPT: i64 = 64 * 1024 * 1024;

const SCHEMA: &str = "
CREATE TABLE clients (
    id INTEGER PRIMARY KEY, url TEXT NOT NULL, fingerprint TEXT NOT NULL, key_end TEXT NOT NULL
);
CREATE TABLE requests (
    id INTEGER PRIMARY KEY, client INTEGER NOT NULL, lane INTEGER NOT NULL, seq INTEGER NOT NULL,
    kind TEXT NOT NULL, session TEXT, field TEXT, leader INTEGER, body BLOB NOT NULL,
    idempotency_key TEXT NOT NULL, made_at INTEGER NOT NULL
);
CREATE INDEX requests_of_lane ON requests (lane, seq);
CREATE TABLE sessions (lane INTEGER PRIMARY KEY, id TEXT NOT NULL);
";

pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    connect_with(path, |_| Ok(()))
}

/// Opens a file; `prepare` comes before the first page is read or written.
pub(super) fn connect_with(
    path: &Path,
    prepare: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(BUSY)?;
        prepare(&db)?;
        // Commits survive the death of the process in any way. With NORMAL the log is synced when
        // it is written back and not at every commit, which would take the disk's time 20 times a
        // second; a power cut may cost the last moments and never damages the file.
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        // What has been delivered, or purged, is overwritten and not merely forgotten.
        db.pragma_update(None, "secure_delete", true)?;
        Ok(db)
    };
    open().map_err(|error: rusqlite::Error| judge(path, &error))
}

/// Settings of the file of this process, before anything is in it.
pub(super) fn prepare(db: &Connection, habit: Habit) -> rusqlite::Result<()> {
    if habit == Habit::Bursts {
        db.pragma_update(None, "page_size", LARGE_PAGES)?;
    }
    db.pragma_update(None, "cache_size", -CACHE)?;
    db.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
    // The log is written back when there is time for it: see `Store::write_back`.
    db.pragma_update(None, "wal_autocheckpoint", 0)
}

/// Makes the tables, all at once: whoever dies meanwhile leaves an empty file.
pub(super) fn set_up(db: &Connection) -> rusqlite::Result<()> {
    let tx = db.unchecked_transaction()?;
    tx.execute_batch(SCHEMA)?;
    tx.pragma_update(None, "application_id", APPLICATION)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
}

/// Is this a file of ours? False if its process died before it could put anything in.
pub(super) fn check_version(db: &Connection, path: &Path) -> Result<bool, StoreError> {
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = pragma("application_id")
        .and_then(|application| Ok((application, pragma("user_version")?)))
        .map_err(|error| judge(path, &error))?;
    match (application, version) {
        (APPLICATION, VERSION) => Ok(true),
        (0, 0) if is_blank(db) => Ok(false),
        (APPLICATION, version) if version > VERSION => Err(StoreError::Newer(path.to_owned())),
        _ => Err(StoreError::Corrupt(path.to_owned())),
    }
}

fn is_blank(db: &Connection) -> bool {
    let tables = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
        row.get::<_, i64>(0)
    });
    tables.is_ok_and(|tables| tables == 0)
}

/// Words for a failure: is the file damaged, or does the system refuse?
pub(super) fn judge(path: &Path, error: &rusqlite::Error) -> StoreError {
    if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
        return StoreError::Full(path.to_owned());
    }
    let damaged = match error {
        rusqlite::Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase
        ),
        // A table or a column that is not there, or a value of the wrong type.
        rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => true,
        _ => false,
    };
    if damaged {
        StoreError::Corrupt(path.to_owned())
    } else {
        StoreError::System(path.to_owned(), error.to_string())
    }
}
