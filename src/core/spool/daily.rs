//! What a folder's processes say once a day between them: a file stands for having said it.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const PREFIX: &str = "said-";

/// Has nothing about `subject` been said in this folder within a day? From now on it has. Where that
/// cannot be noted it is said each time.
pub(super) fn is_due(folder: &Path, subject: &str) -> bool {
    forget_old(folder);
    let noted = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.join(format!("{PREFIX}{subject}")));
    !noted.is_err_and(|error| error.kind() == ErrorKind::AlreadyExists)
}

/// Removes the notes of earlier days, also those about what is no longer there.
fn forget_old(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let is_note = name.to_str().is_some_and(|name| name.starts_with(PREFIX));
        let is_old = || {
            let age = entry.metadata().ok()?.modified().ok()?.elapsed();
            // A note of the future was made by a clock that has been set since.
            Some(age.map_or(true, |age| age >= DAY))
        };
        if is_note && is_old() == Some(true) {
            // Another process may have been faster.
            drop(fs::remove_file(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::super::tests::Scratch;
    use super::{DAY, is_due};

    #[test]
    fn it_is_said_once_a_day() {
        let scratch = Scratch::new();
        assert!(is_due(&scratch.0, "ab12"));
        assert!(is_due(&scratch.0, "cd34"));
        assert!(!is_due(&scratch.0, "ab12"));
        let note = File::options()
            .write(true)
            .open(scratch.file("said-ab12"))
            .unwrap();
        note.set_modified(SystemTime::now() - DAY).unwrap();
        assert!(is_due(&scratch.0, "ab12"));
        assert!(!is_due(&scratch.0, "ab12"));
    }

    #[test]
    fn where_it_cannot_be_noted_it_is_said() {
        let scratch = Scratch::new();
        let nowhere = scratch.file("missing");
        assert!(is_due(&nowhere, "ab12"));
        assert!(is_due(&nowhere, "ab12"));
    }
}
