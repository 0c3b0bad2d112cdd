//! The names of spool files and of what belongs to them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// How files of ours are called.
pub(in crate::core::spool) const SUFFIX: &str = "db";
/// Appended to the name of a file that cannot be read.
pub(in crate::core::spool) const ASIDE: &str = "corrupt";

/// Is this the name of a spool file?
pub(in crate::core::spool) fn is_name(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|end| end == SUFFIX)
}

/// Is this the name of a file that was set aside?
pub(in crate::core::spool) fn is_aside(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|end| end == ASIDE)
}

/// The lock that says who owns a file.
pub(in crate::core::spool) fn lock_of(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

/// Renames a damaged file out of the way, with what belongs to it.
pub(in crate::core::spool) fn set_aside(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let from = with_end(path, end);
        let _ = std::fs::rename(&from, with_end(&from, &format!(".{ASIDE}")));
    }
    let _ = std::fs::remove_file(lock_of(path));
}

/// The log of a file.
pub(super) fn log_of(path: &Path) -> PathBuf {
    with_end(path, "-wal")
}

/// Removes a file and its log.
pub(super) fn remove_files(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(with_end(path, end));
    }
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
