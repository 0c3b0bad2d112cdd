//! Who owns a spool file: a POSIX record lock on a file beside it.
//!
//! Such a lock belongs to the process, not to the open file: a forked child does not inherit it,
//! and it ends with the owner even while children live on. The locks of `flock` and std are shared
//! with every child that has inherited the descriptor, so the file of a dead parent would look
//! alive for as long as a daemon it has forked. See docs/design/2026-11-25-spool.md.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, fcntl_lock};
use rustix::io::Errno;

/// How often to try again when the lock file is replaced meanwhile.
const ATTEMPTS: usize = 3;

/// The right to a spool file, until it is dropped or the process ends.
///
/// The process must open a lock file once only: closing any descriptor of it ends the lock.
#[derive(Debug)]
pub(super) struct Owner {
    _file: File,
    path: PathBuf,
}

impl Owner {
    /// Takes the right; `None` if a living process has it.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        for _ in 0..ATTEMPTS {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(path)?;
            match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::AGAIN | Errno::ACCESS) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            // Whoever had it before may have removed the file: then the lock is on nothing.
            let (ours, there) = (file.metadata()?, std::fs::metadata(path));
            if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
                return Ok(Some(Self {
                    _file: file,
                    path: path.to_owned(),
                }));
            }
        }
        Ok(None)
    }

    /// Gives the right up for good: nothing is left to own.
    pub(super) fn remove(self) {
        // While the lock is held: nobody can have taken it in between.
        let _ = std::fs::remove_file(&self.path);
    }
}
