//! A thread of which a fork can be sure that it is gone.

use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle, Result};
use std::time::{Duration, Instant};

/// A named thread that can be joined.
#[derive(Debug)]
pub(in crate::core) struct OsThread<T> {
    handle: JoinHandle<(T, Option<PathBuf>)>,
}

impl<T: Send + 'static> OsThread<T> {
    /// Starts a thread.
    ///
    /// # Errors
    /// The system refuses one.
    pub(in crate::core) fn spawn(
        name: &str,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> std::io::Result<Self> {
        let body = || {
            let place = place();
            (body(), place)
        };
        let handle = Builder::new().name(name.to_owned()).spawn(body)?;
        Ok(Self { handle })
    }

    /// Has it come to its end?
    pub(in crate::core) fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Waits for its end and gives its result. A thread can be joined a moment before the kernel
    /// takes it out of the count of the process, by which Python decides whether to warn of a fork:
    /// on a busy machine that was the case in one of 500 forks. Waits for that too, until the
    /// deadline.
    ///
    /// # Errors
    /// It panicked.
    pub(in crate::core) fn join(self, deadline: Instant) -> Result<T> {
        let (result, place) = self.handle.join()?;
        while place.as_deref().is_some_and(Path::exists) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_micros(20));
        }
        Ok(result)
    }
}

/// Where Linux shows the calling thread for as long as it counts it.
fn place() -> Option<PathBuf> {
    let thread = std::fs::read_link("/proc/thread-self").ok()?;
    Some(Path::new("/proc").join(thread))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_was_joined_is_no_longer_counted() {
        for number in 0..3000 {
            let thread = OsThread::spawn("sentrial-test", move || (number, place())).unwrap();
            // As long as a busy machine takes: how long a fork may wait is not the question here.
            let deadline = Instant::now() + Duration::from_secs(10);
            let (result, place) = thread.join(deadline).unwrap();
            assert_eq!(result, number);
            assert!(!place.is_some_and(|place| place.exists()), "{number}");
        }
    }

    #[test]
    fn a_thread_that_lives_is_shown() {
        assert!(place().is_none_or(|place| place.exists()));
    }
}
