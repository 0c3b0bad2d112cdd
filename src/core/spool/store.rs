//! One spool file. The only file of the core that names rusqlite.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, params};
use thiserror::Error;

use super::owner::Owner;
use super::place::says;
use super::row::{self, Gone, Read, Room, Row, Stretch};

/// How files of ours are called.
pub(super) const SUFFIX: &str = "db";
/// Appended to the name of a file that cannot be read.
pub(super) const ASIDE: &str = "corrupt";
/// The layout below; files of a higher version are left alone.
const VERSION: i64 = 1;
/// What tells a spool file from any other `SQLite` file: "snsp".
const APPLICATION: i64 = 0x736e_7370;
/// How long to wait for `sentrial spool status`, which may look at a file in use.
const BUSY: Duration = Duration::from_secs(2);

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

/// Why a spool file cannot be used.
#[derive(Debug, Error)]
pub(super) enum StoreError {
    /// Not a spool file, or a damaged one.
    #[error("{}", says(.0, "is damaged"))]
    Corrupt(PathBuf),
    /// Written by a later version of the package.
    #[error("{}", says(.0, "was written by a newer version of sentrial; it is left alone"))]
    Newer(PathBuf),
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

/// An open spool file that is ours alone.
#[derive(Debug)]
pub(super) struct Store {
    db: Connection,
    path: PathBuf,
    owner: Option<Owner>,
    rows: u64,
    bytes: u64,
}

impl Store {
    /// Makes the file of this process.
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
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
            let db = connect(path)?;
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
        };
        store.count()?;
        Ok(Some(store))
    }

    /// Requests in it.
    pub(super) fn rows(&self) -> u64 {
        self.rows
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

    /// Writes rows and removes others, all or nothing; rows beyond `cap` bytes are left out. The
    /// number of rows written, which are the first ones.
    pub(super) fn apply(
        &mut self,
        stamp: &Stamp,
        rows: &[Row],
        gone: &[Gone],
        lanes: &[u64],
        cap: u64,
    ) -> Result<usize, StoreError> {
        let (mut count, mut bytes) = (self.rows, self.bytes);
        let mut work = || -> rusqlite::Result<usize> {
            let tx = self.db.unchecked_transaction()?;
            let removed = remove(&tx, &gone.iter().collect::<Vec<_>>(), lanes)?;
            count = count.saturating_sub(removed.0);
            bytes = bytes.saturating_sub(removed.1);
            let mut written = 0;
            if !rows.is_empty() {
                stamp_client(&tx, stamp)?;
                let mut insert = tx.prepare_cached(
                    "INSERT OR REPLACE INTO requests VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
                )?;
                for row in rows {
                    if bytes + row.weight() > cap {
                        break;
                    }
                    insert.execute(params![
                        row.id,
                        stamp.client,
                        row.lane,
                        row.seq,
                        row::word(row.kind),
                        row.session,
                        row.lead.map(|(field, _)| field),
                        row.lead.map(|(_, lane)| lane),
                        &row.body[..],
                        row.idempotency_key,
                        row.made_at,
                    ])?;
                    bytes += row.weight();
                    count += 1;
                    written += 1;
                }
            }
            if count == 0 {
                tx.execute("DELETE FROM sessions", [])?;
            }
            tx.commit()?;
            Ok(written)
        };
        let written = work().map_err(|error| judge(&self.path, &error))?;
        (self.rows, self.bytes) = (count, bytes);
        Ok(written)
    }

    /// Removes rows; what they created is kept with them.
    pub(super) fn remove(&mut self, gone: &[&Gone]) -> Result<(), StoreError> {
        let work = || {
            let tx = self.db.unchecked_transaction()?;
            let removed = remove(&tx, gone, &[])?;
            tx.commit()?;
            Ok(removed)
        };
        let (rows, bytes) = work().map_err(|error| judge(&self.path, &error))?;
        self.rows = self.rows.saturating_sub(rows);
        self.bytes = self.bytes.saturating_sub(bytes);
        Ok(())
    }

    /// The client's rows, past and future ones, belong to another key.
    pub(super) fn rekey(&self, stamp: &Stamp) -> Result<(), StoreError> {
        let changed = "UPDATE clients SET fingerprint = ?2, key_end = ?3 WHERE id = ?1";
        self.db
            .execute(
                changed,
                params![stamp.client, stamp.fingerprint, stamp.key_end],
            )
            .map(drop)
            .map_err(|error| judge(&self.path, &error))
    }

    /// Rows of a lane in call order, as many as there is room for.
    pub(super) fn of_lane(&self, part: Stretch) -> Result<Read, StoreError> {
        let sql = "SELECT * FROM requests WHERE lane = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq";
        let (lane, first, last) = (part.lane, part.first, part.last);
        let range = params![row::signed(lane), row::signed(first), row::signed(last)];
        self.query(sql, range, part.room)
    }

    /// Rows of these clients behind row `after`, in call order.
    pub(super) fn behind(
        &self,
        clients: &[i64],
        after: i64,
        room: Room,
    ) -> Result<Read, StoreError> {
        let clients: Vec<_> = clients.iter().map(ToString::to_string).collect();
        let sql = format!(
            "SELECT * FROM requests WHERE id > ?1 AND client IN ({}) ORDER BY id",
            clients.join(",")
        );
        self.query(&sql, params![after], room)
    }

    fn query(
        &self,
        sql: &str,
        params: &[&dyn rusqlite::ToSql],
        room: Room,
    ) -> Result<Read, StoreError> {
        let work = || {
            let mut statement = self.db.prepare_cached(sql)?;
            let mut found = statement.query_map(params, read)?;
            let (mut rows, mut bytes) = (Vec::new(), 0);
            while rows.is_empty() || (rows.len() < room.items && bytes < room.bytes) {
                let Some(row) = found.next().transpose()? else {
                    return Ok(Read { rows, all: true });
                };
                bytes += usize::try_from(row.weight()).unwrap_or(usize::MAX);
                rows.push(row);
            }
            Ok(Read { rows, all: false })
        };
        work().map_err(|error| judge(&self.path, &error))
    }

    /// The id of a session whose creation has been delivered.
    pub(super) fn session(&self, lane: i64) -> Result<Option<String>, StoreError> {
        self.db
            .query_row("SELECT id FROM sessions WHERE lane = ?1", [lane], |row| {
                row.get(0)
            })
            .optional()
            .map_err(|error| judge(&self.path, &error))
    }

    /// What is in it, by address and key.
    pub(super) fn groups(&self) -> Result<Vec<Group>, StoreError> {
        groups(&self.db).map_err(|error| judge(&self.path, &error))
    }

    /// Removes what was made before a point in time; how many requests that were.
    pub(super) fn expire(&mut self, before: i64) -> Result<u64, StoreError> {
        self.delete("DELETE FROM requests WHERE made_at < ?1", params![before])
    }

    /// Removes the requests of a key, of an address.
    pub(super) fn purge(&mut self, url: &str, fingerprint: &str) -> Result<u64, StoreError> {
        self.delete(
            "DELETE FROM requests WHERE client IN
             (SELECT id FROM clients WHERE url = ?1 AND fingerprint = ?2)",
            params![url, fingerprint],
        )
    }

    fn delete(&mut self, sql: &str, params: &[&dyn rusqlite::ToSql]) -> Result<u64, StoreError> {
        let deleted = self.db.execute(sql, params);
        let deleted = deleted.map_err(|error| judge(&self.path, &error))?;
        self.count()?;
        Ok(deleted as u64)
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

/// What is in the file of somebody else, alive or not.
pub(super) fn peek(path: &Path) -> Result<Vec<Group>, StoreError> {
    let db = connect(path)?;
    if !check_version(&db, path)? {
        return Ok(Vec::new());
    }
    groups(&db).map_err(|error| judge(path, &error))
}

/// Is this the name of a spool file?
pub(super) fn is_name(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|end| end == SUFFIX)
}

/// Is this the name of a file that was set aside?
pub(super) fn is_aside(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|end| end == ASIDE)
}

/// The lock that says who owns a file.
pub(super) fn lock_of(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

/// Renames a damaged file out of the way, with what belongs to it.
pub(super) fn set_aside(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let from = with_end(path, end);
        let _ = std::fs::rename(&from, with_end(&from, &format!(".{ASIDE}")));
    }
    let _ = std::fs::remove_file(lock_of(path));
}

fn remove_files(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(with_end(path, end));
    }
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(BUSY)?;
        // Commits survive the death of the process in any way. With NORMAL the log is synced when
        // it is written back and not at every commit, which would take the disk's time 20 times a
        // second; a power cut may cost the last moments and never damages the file.
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(db)
    };
    open().map_err(|error: rusqlite::Error| judge(path, &error))
}

/// Makes the tables, all at once: whoever dies meanwhile leaves an empty file.
fn set_up(db: &Connection) -> rusqlite::Result<()> {
    let tx = db.unchecked_transaction()?;
    tx.execute_batch(SCHEMA)?;
    tx.pragma_update(None, "application_id", APPLICATION)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
}

/// Is this a file of ours? False if its process died before it could put anything in.
fn check_version(db: &Connection, path: &Path) -> Result<bool, StoreError> {
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

fn judge(path: &Path, error: &rusqlite::Error) -> StoreError {
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

fn groups(db: &Connection) -> rusqlite::Result<Vec<Group>> {
    let mut statement = db.prepare(
        "SELECT url, fingerprint, min(key_end), count(*), sum(length(body)), min(made_at),
         group_concat(DISTINCT client) FROM requests JOIN clients ON clients.id = client
         GROUP BY url, fingerprint ORDER BY min(made_at)",
    )?;
    let groups = statement.query_map([], |row| {
        Ok(Group {
            url: row.get(0)?,
            fingerprint: row.get(1)?,
            key_end: row.get(2)?,
            requests: row.get::<_, i64>(3)?.unsigned_abs(),
            bytes: row.get::<_, i64>(4)?.unsigned_abs(),
            oldest: row.get(5)?,
            clients: row
                .get::<_, String>(6)?
                .split(',')
                .filter_map(|number| number.parse().ok())
                .collect(),
        })
    })?;
    groups.collect()
}

fn stamp_client(tx: &Transaction<'_>, stamp: &Stamp) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO clients VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            stamp.client,
            stamp.url,
            stamp.fingerprint,
            stamp.key_end
        ])
        .map(drop)
}

/// Removes rows and whole lanes; how many rows and bytes that were.
fn remove(tx: &Transaction<'_>, gone: &[&Gone], lanes: &[u64]) -> rusqlite::Result<(u64, u64)> {
    let (mut rows, mut bytes) = (0, 0);
    let mut found =
        tx.prepare_cached("DELETE FROM requests WHERE id = ?1 RETURNING lane, length(body) + 256")?;
    let mut named = tx.prepare_cached("INSERT OR REPLACE INTO sessions VALUES (?1, ?2)")?;
    for gone in gone {
        let deleted = found
            .query_row([gone.row.id], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })
            .optional()?;
        let Some((lane, weight)) = deleted else {
            continue;
        };
        rows += 1;
        bytes += weight.unsigned_abs();
        // With the creation goes the only way to the id, in the same transaction.
        if let Some(id) = gone.created.as_ref().and_then(|session| session.id()) {
            named.execute(params![lane, id.as_ref()])?;
        }
    }
    for lane in lanes {
        let mut all =
            tx.prepare_cached("DELETE FROM requests WHERE lane = ?1 RETURNING length(body) + 256")?;
        let weights = all.query_map([row::signed(*lane)], |row| row.get::<_, i64>(0))?;
        for weight in weights {
            rows += 1;
            bytes += weight?.unsigned_abs();
        }
    }
    Ok((rows, bytes))
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let wrong = |column: usize| {
        rusqlite::Error::InvalidColumnType(column, String::new(), rusqlite::types::Type::Text)
    };
    let field: Option<String> = row.get(6)?;
    let leader: Option<i64> = row.get(7)?;
    let field = match field {
        Some(text) => Some(row::field(&text).ok_or_else(|| wrong(6))?),
        None => None,
    };
    Ok(Row {
        id: row.get(0)?,
        lane: row.get(2)?,
        seq: row.get(3)?,
        kind: row::kind(&row.get::<_, String>(4)?).ok_or_else(|| wrong(4))?,
        session: row.get(5)?,
        lead: field.zip(leader),
        body: row.get::<_, Vec<u8>>(8)?.into(),
        idempotency_key: row.get(9)?,
        made_at: row.get(10)?,
    })
}

/// Seven days before now, in microseconds since 1970.
pub(super) fn horizon(max_age: Duration) -> i64 {
    row::micros(
        SystemTime::now()
            .checked_sub(max_age)
            .unwrap_or(SystemTime::UNIX_EPOCH),
    )
}
