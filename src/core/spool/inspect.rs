//! What is in the spool, for `sentrial spool`.

use std::path::PathBuf;

use super::store::{self, Group, Store, StoreError};
use super::{place, row};
use crate::core::options::SpoolPlaces;
use crate::core::process::Process;

/// A spool file as found.
#[derive(Debug)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub state: FileState,
}

/// What can be said of a spool file.
#[derive(Debug)]
pub enum FileState {
    /// Its process lives, and sends it itself.
    InUse(Vec<Group>),
    /// Its process is dead; the next one sends it.
    Left(Vec<Group>),
    /// It cannot be read: damaged, or written by a newer version.
    Unreadable(String),
    /// It was damaged and has been set aside.
    SetAside,
}

/// All files in the folders the spool may use.
#[must_use]
pub fn files(places: &SpoolPlaces) -> Vec<File> {
    let (folders, _) = place::to_read(places);
    let mut files = Vec::new();
    for entry in folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
    {
        let Ok(entry) = entry else { continue };
        let path = entry.path();
        if store::is_name(&entry.file_name()) {
            files.push(File {
                state: state_of(&path),
                path,
            });
        } else if store::is_aside(&entry.file_name()) {
            files.push(File {
                state: FileState::SetAside,
                path,
            });
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn state_of(path: &std::path::Path) -> FileState {
    let ours = Process::existing().is_some_and(|process| process.has_opened(path));
    let looked = if ours {
        store::peek(path).map(FileState::InUse)
    } else {
        match Store::adopt(path) {
            Ok(Some(store)) => {
                let groups = store.groups();
                store.close();
                groups.map(FileState::Left)
            }
            Ok(None) => store::peek(path).map(FileState::InUse),
            Err(error) => Err(error),
        }
    };
    looked.unwrap_or_else(|error| FileState::Unreadable(error.to_string()))
}

/// Removes what dead processes have left, and damaged files: all of it, or what was recorded with
/// the key whose end is `from`. The number of requests removed.
///
/// # Errors
/// In words, a file that cannot be changed.
pub fn purge(places: &SpoolPlaces, from: Option<&str>) -> Result<u64, String> {
    let mut removed = 0;
    for file in files(places) {
        match file.state {
            FileState::SetAside if from.is_none() => {
                std::fs::remove_file(&file.path)
                    .map_err(|error| place::says(&file.path, &error.to_string()))?;
            }
            FileState::Left(groups) => {
                removed +=
                    purge_file(&file.path, &groups, from).map_err(|error| error.to_string())?;
            }
            _ => {}
        }
    }
    Ok(removed)
}

fn purge_file(
    path: &std::path::Path,
    groups: &[Group],
    from: Option<&str>,
) -> Result<u64, StoreError> {
    let Some(mut store) = Store::adopt(path)? else {
        return Ok(0);
    };
    let mut removed = 0;
    for group in groups
        .iter()
        .filter(|group| from.is_none_or(|end| group.is_of_key(end)))
    {
        removed += store.purge(&group.url, &group.fingerprint)?;
    }
    store.close();
    Ok(removed)
}

/// The folder that a process would write to; nothing is made.
///
/// # Errors
/// In words, why there is none.
pub fn folder(places: &SpoolPlaces) -> Result<PathBuf, String> {
    place::to_use(places)
}

/// Microseconds since 1970, now.
#[must_use]
pub fn now() -> i64 {
    row::micros(std::time::SystemTime::now())
}
