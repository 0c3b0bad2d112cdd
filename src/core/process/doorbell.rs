//! Telling an event loop of the program that something has settled: one byte through a socket pair.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Weak};

use super::Process;
use crate::core::sync::lock;

/// Bytes read at once; more than one waits only where rings overlapped with a look.
const MANY: usize = 64;

/// A bell that the delivery thread rings when something settles, at most once until it is armed
/// again. Both ends live here, so that it never writes into a closed pair.
#[derive(Debug)]
pub struct Doorbell {
    inside: UnixStream,
    outside: UnixStream,
    armed: AtomicBool,
}

impl Process {
    /// A new bell, rung from now on for as long as it exists.
    ///
    /// # Errors
    /// The system has no file descriptors left.
    pub fn doorbell(&self) -> io::Result<Arc<Doorbell>> {
        let (inside, outside) = UnixStream::pair()?;
        inside.set_nonblocking(true)?;
        outside.set_nonblocking(true)?;
        let bell = Arc::new(Doorbell {
            inside,
            outside,
            armed: AtomicBool::new(false),
        });
        let mut doorbells = lock(&self.doorbells);
        doorbells.retain(|bell| bell.strong_count() > 0);
        doorbells.push(Arc::downgrade(&bell));
        Ok(bell)
    }

    /// Rings every armed bell. The caller has passed a fence since it settled something.
    pub(super) fn ring_doorbells(&self) {
        for bell in lock(&self.doorbells).iter().filter_map(Weak::upgrade) {
            bell.ring();
        }
    }
}

impl Doorbell {
    /// The file descriptor that becomes readable; it stays ours.
    #[must_use]
    pub fn fileno(&self) -> i32 {
        self.inside.as_raw_fd()
    }

    /// Asks for the next ring. To be called before looking at what one waits for: whatever settles
    /// after that look rings.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
        // Pairs with the fence in announce(): either that sees the arm, or the look that follows
        // sees what has settled.
        fence(Ordering::SeqCst);
    }

    /// Nobody waits any more.
    pub fn disarm(&self) {
        self.armed.store(false, Ordering::SeqCst);
    }

    /// Takes the rings that have arrived.
    pub fn silence(&self) {
        let mut bytes = [0; MANY];
        while matches!((&self.inside).read(&mut bytes), Ok(MANY)) {}
    }

    fn ring(&self) {
        if self.armed.swap(false, Ordering::SeqCst) {
            // A full pair is as good as a ring: the reader has not looked yet.
            let _ = (&self.outside).write(&[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung(bell: &Doorbell) -> usize {
        let mut bytes = [0; MANY];
        (&bell.inside).read(&mut bytes).unwrap_or(0)
    }

    #[test]
    fn an_armed_bell_rings_once() {
        let process = Process::new(std::process::id());
        let bell = process.doorbell().unwrap();
        process.announce();
        assert_eq!(rung(&bell), 0, "not armed");
        bell.arm();
        process.announce();
        process.announce();
        assert_eq!(rung(&bell), 1);
        bell.arm();
        bell.disarm();
        process.announce();
        assert_eq!(rung(&bell), 0);
    }

    #[test]
    fn every_bell_rings_and_those_that_are_gone_are_forgotten() {
        let process = Process::new(std::process::id());
        let bells: Vec<_> = (0..3).map(|_| process.doorbell().unwrap()).collect();
        for bell in &bells {
            bell.arm();
        }
        process.announce();
        assert!(bells.iter().all(|bell| rung(bell) == 1));
        drop(bells);
        let kept = process.doorbell().unwrap();
        assert_eq!(lock(&process.doorbells).len(), 1);
        drop(kept);
        process.announce();
    }

    #[test]
    fn a_bell_that_nobody_answers_never_blocks() {
        let process = Process::new(std::process::id());
        let bell = process.doorbell().unwrap();
        for _ in 0..100_000 {
            bell.arm();
            process.announce();
        }
        bell.silence();
        assert_eq!(rung(&bell), 0);
    }
}
