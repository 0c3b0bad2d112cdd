//! Where spool files may live, as far as arguments and environment say.

use std::path::PathBuf;

use super::environment::Environment;

/// The folders the spool may use. Read when the client is made: later, on another thread, the
/// program may be changing its environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpoolPlaces {
    /// `spool_dir`, which is used or nothing.
    pub chosen: Option<PathBuf>,
    /// The user's state directory: `XDG_STATE_HOME`, or `.local/state` in the home.
    pub state: Option<PathBuf>,
    /// The directory for temporary files, used where the other one cannot be.
    pub temporary: PathBuf,
}

impl Default for SpoolPlaces {
    fn default() -> Self {
        Self {
            chosen: None,
            state: None,
            temporary: PathBuf::from("/tmp"),
        }
    }
}

impl SpoolPlaces {
    /// Puts the argument and the environment together.
    #[must_use]
    pub fn resolve(chosen: Option<String>, env: &Environment<'_>) -> Self {
        let absolute = |name: &str| {
            let path = env.var(name).map(PathBuf::from);
            // The XDG rules: a relative path is to be ignored.
            path.filter(|path| path.is_absolute())
        };
        let home = || Some(absolute("HOME")?.join(".local").join("state"));
        Self {
            chosen: chosen
                .or_else(|| env.var("SENTRIAL_SPOOL_DIR"))
                .map(PathBuf::from),
            state: absolute("XDG_STATE_HOME").or_else(home),
            temporary: absolute("TMPDIR").unwrap_or_else(|| Self::default().temporary),
        }
    }
}
