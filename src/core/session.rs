//! A session as the delivery core sees it: an id that may not be known yet.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

static NEXT_KEY: AtomicU64 = AtomicU64::new(1);
/// Counts the sessions of this process that got their id, or lost the prospect of one.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// One session of one client.
///
/// Sessions begun in the background start without an id; it is filled in when the answer to the
/// create request arrives. Nothing here is ever locked, so a forked child may read it.
#[derive(Debug)]
pub struct Session {
    key: u64,
    pid: u32,
    id: OnceLock<Arc<str>>,
    dead: AtomicBool,
}

/// What is known of a session's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The server has named it.
    Known(Arc<str>),
    /// Its create request has not been answered yet.
    Pending,
    /// Its create request was refused or withdrawn.
    Dead,
}

impl Session {
    /// A session whose id is known: created by somebody else, or in another process.
    #[must_use]
    pub fn known(id: &str) -> Arc<Self> {
        let session = Self::new(false);
        let _ = session.id.set(Arc::from(id));
        Arc::new(session)
    }

    /// A session whose create request is about to be queued.
    #[must_use]
    pub fn pending() -> Arc<Self> {
        Arc::new(Self::new(false))
    }

    /// A session that does not exist: every request of it is dropped.
    #[must_use]
    pub fn dead() -> Arc<Self> {
        Arc::new(Self::new(true))
    }

    /// A pending session as a forked child finds it.
    #[cfg(test)]
    pub(super) fn inherited() -> Arc<Self> {
        let mut session = Self::new(false);
        session.pid = session.pid.wrapping_add(1);
        Arc::new(session)
    }

    fn new(dead: bool) -> Self {
        Self {
            key: NEXT_KEY.fetch_add(1, Ordering::Relaxed),
            pid: std::process::id(),
            id: OnceLock::new(),
            dead: AtomicBool::new(dead),
        }
    }

    /// Unique within the process; names the session's lane.
    #[must_use]
    pub fn key(&self) -> u64 {
        self.key
    }

    /// The server's id, as soon as it is known.
    #[must_use]
    pub fn id(&self) -> Option<&Arc<str>> {
        self.id.get()
    }

    /// The id, or why there is none.
    #[must_use]
    pub fn identity(&self) -> Identity {
        match self.id.get() {
            Some(id) => Identity::Known(Arc::clone(id)),
            None if self.dead.load(Ordering::Acquire) => Identity::Dead,
            None => Identity::Pending,
        }
    }

    /// Was it begun by a parent process whose answer never reaches this one?
    #[must_use]
    pub fn lost_at_fork(&self, pid: u32) -> bool {
        self.pid != pid && self.id.get().is_none()
    }

    /// Is the id still to come? Cheaper than [`Session::identity`].
    pub(super) fn is_pending(&self) -> bool {
        self.id.get().is_none() && !self.dead.load(Ordering::Acquire)
    }

    /// Is the id still to come, and will it come to this process?
    pub(super) fn can_be_named(&self) -> bool {
        self.is_pending() && !self.lost_at_fork(std::process::id())
    }

    pub(super) fn resolve(&self, id: &str) {
        let _ = self.id.set(Arc::from(id));
        CHANGES.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
        CHANGES.fetch_add(1, Ordering::Release);
    }
}

/// A number that grows whenever some session stops being pending, in whichever client: a queue
/// whose requests wait for a session of another client looks again when it has moved.
pub(super) fn changes() -> u64 {
    CHANGES.load(Ordering::Acquire)
}
