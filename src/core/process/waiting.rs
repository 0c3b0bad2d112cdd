//! Waiting for requests to settle, without missing the moment.

use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Process;
use crate::core::sync::lock;

/// Somebody who waits for requests to settle.
#[derive(Debug)]
pub struct Waiting<'a> {
    process: &'a Arc<Process>,
}

impl Process {
    /// Registers somebody who waits; the delivery thread looks at once.
    #[must_use]
    pub fn waiting(self: &Arc<Self>) -> Waiting<'_> {
        self.wanted();
        self.waiters.fetch_add(1, Ordering::SeqCst);
        // Pairs with the fence in announce(): either that sees the waiter, or the waiter sees
        // what has settled.
        fence(Ordering::SeqCst);
        self.signal.ring();
        Waiting { process: self }
    }

    /// Somebody waits without blocking: the delivery thread looks at once.
    pub fn nudge(self: &Arc<Self>) {
        self.wanted();
        self.signal.ring();
    }

    /// Tells whoever waits that something has settled.
    pub(in crate::core) fn announce(&self) {
        fence(Ordering::SeqCst);
        if self.waiters.load(Ordering::SeqCst) > 0 {
            *lock(&self.generation) += 1;
            self.changed.notify_all();
        }
        self.ring_doorbells();
    }
}

impl Waiting<'_> {
    /// To be read before looking at what one waits for.
    #[must_use]
    pub fn generation(&self) -> u64 {
        *lock(&self.process.generation)
    }

    /// Blocks until something settles after `generation` was read, at most `slice`.
    pub fn wait(&self, generation: u64, slice: Duration) {
        // Also the threads that the system has refused meanwhile: there may be no further event.
        self.process.wanted();
        let current = lock(&self.process.generation);
        let _ = self
            .process
            .changed
            .wait_timeout_while(current, slice, |now| *now == generation)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.process.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}
