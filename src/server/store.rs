//! The database: keys, sessions, events and remembered answers in one `SQLite` file.
//!
//! This module and its submodules are the only ones that name `SQLite`. A [`Store`] belongs to one
//! thread; several processes may open the same file (WAL, with a bounded wait for the writer).

mod events;
mod experiments;
mod idempotency;
mod keys;
mod open_file;
mod queries;
mod schema;
mod sessions;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use thiserror::Error;

pub use events::{EventRecord, NewEvent};
pub use experiments::{ExperimentRecord, NewExperiment, NewRun, RunEnd, RunRecord};
pub(crate) use idempotency::{Remembered, RememberedAnswer};
pub use keys::{CreatedKey, KeyRecord, Principal};
use open_file::OpenFile;
pub use queries::SessionFilter;
pub use sessions::{NewSession, Outcome, SessionRecord};

/// How long a statement waits for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const BUSY_STEP: Duration = Duration::from_millis(5);
/// Enough for every statement of this module to stay prepared.
const STATEMENT_CACHE: usize = 64;

/// Why the database did not do what was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file or its directory cannot be made or opened.
    #[error("cannot open the database {path}: {reason}", path = .path.display())]
    Open {
        /// The file asked for.
        path: PathBuf,
        /// What the system or `SQLite` said.
        reason: String,
    },
    /// A `SQLite` database of another program.
    #[error("{path} is a database of another program; choose another file with --db", path = .0.display())]
    Foreign(PathBuf),
    /// Written by a later version of this package.
    #[error("{path} was written by a newer version of sentrial (schema {version}); upgrade sentrial or choose another file with --db", path = .path.display())]
    Newer {
        /// The file asked for.
        path: PathBuf,
        /// Its schema version.
        version: i64,
    },
    /// A key name that cannot be used.
    #[error("invalid key name: {0}")]
    KeyName(&'static str),
    /// No active key has this name or id.
    #[error("no active key has the name or id {0}; `sentrial keys list` shows them")]
    UnknownKey(String),
    /// Several active keys have this name.
    #[error("several active keys are named {name}; revoke by id: {ids}")]
    AmbiguousKey {
        /// The name asked for.
        name: String,
        /// Their ids, separated by commas.
        ids: String,
    },
    /// No session has this id.
    #[error("no session has the id {0}; `sentrial sessions list` shows them")]
    UnknownSession(String),
    /// Several sessions have ids that begin like this.
    #[error("several sessions have an id that begins with {0}; give more of it")]
    AmbiguousSession(String),
    /// The file is no longer the one that was opened.
    #[error("the database {path} was removed or replaced while the server runs; restart it", path = .0.display())]
    Gone(PathBuf),
    /// `SQLite` failed.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// What a failure means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Another process held the database for longer than the bounded wait.
    Busy,
    /// The file was removed or replaced.
    Gone,
    /// The disk is full.
    Full,
    /// Anything else.
    Other,
}

impl StoreError {
    /// The kind of the failure.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
        match self {
            Self::Gone(_) => Trouble::Gone,
            Self::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => match error.code {
                DatabaseBusy | DatabaseLocked => Trouble::Busy,
                DiskFull => Trouble::Full,
                _ => Trouble::Other,
            },
            _ => Trouble::Other,
        }
    }
}

/// One connection to the database.
pub struct Store {
    connection: Connection,
    file: OpenFile,
}

impl Store {
    /// Opens `path`, making the file (mode 0600), missing directories (0700) and the schema.
    ///
    /// # Errors
    /// If the file cannot be opened, or is not a database of this version or an earlier one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |reason: &dyn std::fmt::Display| StoreError::Open {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        make_private(path).map_err(|error| failed(&error))?;
        let connection = Connection::open(path).map_err(|error| failed(&error))?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        let deadline = Instant::now() + BUSY_TIMEOUT;
        loop {
            match schema::prepare(&connection, path) {
                Ok(()) => {
                    let file = OpenFile::at(path);
                    return Ok(Self { connection, file });
                }
                // Switching a new file to WAL does not wait for others that do the same.
                Err(error) if error.trouble() == Trouble::Busy && Instant::now() < deadline => {
                    std::thread::sleep(BUSY_STEP);
                }
                Err(StoreError::Sqlite(error)) => return Err(failed(&error)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Checks that the file is still the one that was opened: `SQLite` goes on writing into a file
    /// that has no name any more.
    ///
    /// # Errors
    /// If it was removed or replaced.
    pub(crate) fn check_file(&self) -> Result<(), StoreError> {
        if self.file.is_there() {
            Ok(())
        } else {
            Err(StoreError::Gone(self.file.path.clone()))
        }
    }

    /// Starts a batch: what follows is kept only by [`Store::commit`].
    pub(crate) fn begin(&self) -> Result<(), StoreError> {
        Ok(self
            .connection
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute([])
            .map(drop)?)
    }

    /// Ends a batch and keeps it.
    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        Ok(self
            .connection
            .prepare_cached("COMMIT")?
            .execute([])
            .map(drop)?)
    }

    /// Ends a batch and forgets it; harmless where none is open.
    pub(crate) fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // If even this fails the connection reports it with the next `begin`.
            drop(self.connection.execute_batch("ROLLBACK"));
        }
    }

    /// Marks a point inside a batch, so that one piece of work can fail alone.
    pub(crate) fn savepoint(&self) -> Result<(), StoreError> {
        Ok(self
            .connection
            .prepare_cached("SAVEPOINT work")?
            .execute([])
            .map(drop)?)
    }

    /// Keeps (`true`) or undoes what was done since [`Store::savepoint`].
    pub(crate) fn release(&self, keep: bool) -> Result<(), StoreError> {
        if !keep {
            self.connection
                .prepare_cached("ROLLBACK TO work")?
                .execute([])?;
        }
        Ok(self
            .connection
            .prepare_cached("RELEASE work")?
            .execute([])
            .map(drop)?)
    }
}

/// Makes the file readable by its owner only, before `SQLite` does it with the process's umask
/// (its journal files take the mode of the database).
fn make_private(path: &Path) -> std::io::Result<()> {
    if let Some(directory) = path
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty())
    {
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(directory)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// `prefix_` and 32 hexadecimal digits, unguessable.
fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::new_v4().simple())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::PathBuf;

    use super::{Store, StoreError};

    /// A directory of its own for one test, removed at the end.
    pub(crate) struct Scratch(PathBuf);

    impl Scratch {
        pub(crate) fn new() -> Self {
            Self(std::env::temp_dir().join(super::new_id("sentrial-test")))
        }

        pub(crate) fn database(&self) -> PathBuf {
            self.0.join("state").join("local.db")
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn the_file_and_its_directory_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = Scratch::new();
        let store = Store::open(&scratch.database()).unwrap();
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&scratch.database()), 0o600);
        assert_eq!(mode(scratch.database().parent().unwrap()), 0o700);
        drop(store);
        Store::open(&scratch.database()).unwrap();
    }

    #[test]
    fn other_files_are_left_alone() {
        let scratch = Scratch::new();
        let path = scratch.database();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();

        std::fs::write(
            &path,
            "some text that is certainly no database, long enough",
        )
        .unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Open { .. })));

        std::fs::remove_file(&path).unwrap();
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE theirs (x)").unwrap();
        drop(other);
        assert!(matches!(Store::open(&path), Err(StoreError::Foreign(_))));

        assert!(matches!(
            Store::open(path.parent().unwrap()),
            Err(StoreError::Open { .. })
        ));
    }

    #[test]
    fn many_may_open_a_new_file_at_once() {
        for _ in 0..20 {
            let scratch = Scratch::new();
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| Store::open(&scratch.database()).unwrap());
                }
            });
        }
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let scratch = Scratch::new();
        drop(Store::open(&scratch.database()).unwrap());
        let raw = rusqlite::Connection::open(scratch.database()).unwrap();
        raw.pragma_update(None, "user_version", 99).unwrap();
        drop(raw);
        assert!(matches!(
            Store::open(&scratch.database()),
            Err(StoreError::Newer { version: 99, .. })
        ));
    }

    #[test]
    fn one_piece_of_work_fails_alone() {
        let scratch = Scratch::new();
        let store = Store::open(&scratch.database()).unwrap();
        let make = |name| store.create_key(name, crate::server::keys::Environment::Live);
        store.begin().unwrap();
        store.savepoint().unwrap();
        make("kept").unwrap();
        store.release(true).unwrap();
        store.savepoint().unwrap();
        make("undone").unwrap();
        store.release(false).unwrap();
        store.commit().unwrap();
        let names: Vec<String> = store
            .list_keys()
            .unwrap()
            .into_iter()
            .map(|key| key.name)
            .collect();
        assert_eq!(names, ["kept"]);
        store.begin().unwrap();
        make("forgotten").unwrap();
        store.roll_back();
        store.roll_back();
        assert_eq!(store.list_keys().unwrap().len(), 1);
    }
}
