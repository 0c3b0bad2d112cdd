//! Which folder the spool uses, and whether it can be trusted.

use std::fs::{DirBuilder, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, statvfs};

use crate::core::options::SpoolPlaces;

/// Bits by which others than the owner could put files of theirs in the place of ours.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A folder the spool may use.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    path: PathBuf,
    /// Below a folder anybody may write to: nobody else may even look inside.
    private: bool,
}

/// The folders to try, the best first.
fn candidates(places: &SpoolPlaces) -> Vec<Candidate> {
    if let Some(path) = &places.chosen {
        return vec![Candidate {
            path: path.clone(),
            private: false,
        }];
    }
    let state = places.state.as_ref().map(|state| Candidate {
        path: state.join("sentrial").join("spool"),
        private: false,
    });
    let uid = rustix::process::getuid().as_raw();
    let temporary = Candidate {
        path: places.temporary.join(format!("sentrial-{uid}")),
        private: true,
    };
    state.into_iter().chain([temporary]).collect()
}

/// The folder to write to, made if it is not there.
///
/// # Errors
/// In words, why none can be used.
pub(super) fn to_write(places: &SpoolPlaces) -> Result<PathBuf, String> {
    let mut why = String::new();
    for candidate in candidates(places) {
        match candidate.make().and_then(|()| candidate.writable()) {
            Ok(()) => return Ok(candidate.path),
            Err(error) if why.is_empty() => why = error,
            Err(_) => {}
        }
    }
    Err(why)
}

/// The folder that would be written to; nothing is made.
///
/// # Errors
/// In words, why none can be used.
pub(super) fn to_use(places: &SpoolPlaces) -> Result<PathBuf, String> {
    let mut why = String::new();
    for candidate in candidates(places) {
        match candidate.check().and_then(|there| {
            if there {
                candidate.writable()
            } else {
                candidate.makeable()
            }
        }) {
            Ok(()) => return Ok(candidate.path),
            Err(error) if why.is_empty() => why = error,
            Err(_) => {}
        }
    }
    Err(why)
}

/// The folders in which files may have been left, and what is wrong with the others.
pub(super) fn to_read(places: &SpoolPlaces) -> (Vec<PathBuf>, Option<String>) {
    let mut usable = Vec::new();
    let mut wrong = None;
    for candidate in candidates(places) {
        match candidate.check() {
            Ok(true) => usable.push(candidate.path),
            Ok(false) => {}
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    // A worse folder does as well, and one that is not there can still be made.
    let enough = !usable.is_empty() || places.chosen.is_none();
    (usable, wrong.filter(|_| !enough))
}

impl Candidate {
    fn make(&self) -> Result<(), String> {
        if self.check()? {
            return Ok(());
        }
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path);
        made.map_err(|error| self.says(&error.to_string()))?;
        self.check().map(drop)
    }

    /// Is it there, and nobody else's?
    fn check(&self) -> Result<bool, String> {
        let found = match std::fs::symlink_metadata(&self.path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(self.says(&error.to_string())),
        };
        self.judge(&found).map_err(|why| self.says(why))?;
        Ok(true)
    }

    fn judge(&self, found: &Metadata) -> Result<(), &'static str> {
        let others = if self.private {
            0o077
        } else {
            WRITABLE_BY_OTHERS
        };
        if found.file_type().is_symlink() {
            Err("is a symbolic link")
        } else if !found.is_dir() {
            Err("is not a folder")
        } else if found.uid() != rustix::process::getuid().as_raw() {
            Err("belongs to another user")
        } else if found.mode() & others != 0 {
            Err("is open to other users; make it mode 0700")
        } else {
            Ok(())
        }
    }

    fn writable(&self) -> Result<(), String> {
        self.may_write(&self.path)
    }

    /// Could it be made, in the nearest folder above that is there?
    fn makeable(&self) -> Result<(), String> {
        let mut above = self.path.ancestors().skip(1);
        let above = above.find(|above| above.exists());
        // Of a relative path nothing may be left: then it is made where the process is.
        self.may_write(above.unwrap_or(Path::new(".")))
    }

    fn may_write(&self, folder: &Path) -> Result<(), String> {
        let access = rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK);
        access.map_err(|error| self.says(&std::io::Error::from(error).to_string()))
    }

    fn says(&self, why: &str) -> String {
        says(&self.path, why)
    }
}

/// Bytes that a new file in a folder may hold, of `share` for all files there. Above `least` it is at
/// most half of what is free on the disk: the host needs room too, and what is in the log is there
/// twice when it is written back.
pub(super) fn room_in(folder: &Path, least: u64, share: u64) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let files = entries.filter_map(Result::ok);
    let sizes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
    let room = share.saturating_sub(sizes.sum());
    // Where the system does not say what is free, a full disk says so itself.
    let free = statvfs(folder).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    free.map_or(room, |free| room.min(least.max(free / 2)))
}

/// A path and what is wrong with it.
pub(super) fn says(path: &Path, why: &str) -> String {
    format!("{}: {why}", path.display())
}
