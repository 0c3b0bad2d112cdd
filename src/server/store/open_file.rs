//! Which file a connection has open, so that its removal is noticed.

use std::path::{Path, PathBuf};

/// The database file and its write-ahead log, as they were when the database was opened.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    /// Each file with its device and its number on it.
    opened: Vec<(PathBuf, Identity)>,
}

type Identity = (u64, u64);

impl OpenFile {
    /// Notes the files at `path`; what cannot be looked at is not watched.
    pub(super) fn at(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let opened = [path.to_owned(), PathBuf::from(log)]
            .into_iter()
            .filter_map(|file| identity(&file).map(|identity| (file, identity)))
            .collect();
        Self {
            path: path.to_owned(),
            opened,
        }
    }

    /// Whether they are still the same.
    pub(super) fn is_there(&self) -> bool {
        self.opened
            .iter()
            .all(|(file, opened)| identity(file) == Some(*opened))
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// An open file cannot be removed there.
#[cfg(not(unix))]
fn identity(_path: &Path) -> Option<Identity> {
    None
}
