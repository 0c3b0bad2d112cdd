//! A fork: the threads step aside for it and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Process;
use super::thread::{Slot, wait_for_end};
use crate::core::client::ClientState;
use crate::core::sync::lock;

/// How long a fork waits for the threads to be gone: they need 0.1 ms, and what a busy machine
/// makes of that. With four busy processes on two processors it was 28 ms at most in 16 000 forks,
/// and 75 ms where requests of 100 kB were being sent; 5 ms were too few for every tenth.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long it waits for threads that something has held up: a disk, or what nobody thought of.
const LITTLE_PATIENCE: Duration = Duration::from_millis(5);
/// For how long that is remembered. So the long waits of a program that forks all the time take at
/// most one hundredth of its time.
const REMEMBERED: Duration = Duration::from_secs(10);
/// How long the parent waits for a thread that is leaving late.
const LEAVE_PATIENCE: Duration = Duration::from_millis(100);

/// When a fork has last waited in vain.
#[derive(Debug, Default)]
pub(super) struct Vain(AtomicU64);

impl Vain {
    /// How long to wait, this long after the start of the process.
    fn patience(&self, age: Duration) -> Duration {
        let last = self.0.load(Ordering::Relaxed);
        let since = age.saturating_sub(Duration::from_millis(last));
        if last > 0 && since < REMEMBERED {
            LITTLE_PATIENCE
        } else {
            PATIENCE
        }
    }

    fn note(&self, age: Duration) {
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        self.0.store(age.max(1), Ordering::Relaxed);
    }
}

impl Process {
    /// Before a fork: the threads leave, taking nothing with them, so that the child is born of a
    /// single-threaded process. Both are asked before either is waited for. Gives up after 100 ms,
    /// and for a while after 5 ms; then a thread runs on.
    pub fn park(&self) {
        let started = Instant::now();
        let patience = self.vain.patience(started - self.started);
        let deadline = started + patience;
        self.spool.ask_to_park();
        let delivery = self.step_aside(deadline);
        let spool = self.spool.park(deadline);
        if patience == PATIENCE && !(delivery && spool) {
            self.vain.note(self.started.elapsed());
        }
    }

    /// The delivery thread leaves. False if it has not by the deadline.
    fn step_aside(&self, deadline: Instant) -> bool {
        let Ok(mut slot) = self.worker.try_lock() else {
            // Another thread of the program starts it just now.
            return true;
        };
        self.leave(&mut slot, deadline);
        if matches!(*slot, Slot::Parked(_)) {
            // Whoever needs it finds that it runs, and does not start it before the fork.
            self.running.store(true, Ordering::Release);
        }
        !matches!(*slot, Slot::Running(_))
    }

    /// After a fork, in the parent: the threads may run again. True if one of them has something
    /// to do: it starts with [`Process::go_on`], with the next event, or with whoever waits.
    #[must_use]
    pub fn stand_by(&self) -> bool {
        let spool = self.spool.stand_by();
        // First the lock: two threads may fork at once, and the thread that left must not be
        // taken for the one that the other of them has started meanwhile.
        let mut slot = lock(&self.worker);
        if self.signal.unpark() && !wait_for_end(&mut slot, Instant::now() + LEAVE_PATIENCE) {
            // It left only after park() had stopped waiting and has not come to its end: the next
            // event takes over from it, so that nobody waits here without a bound.
            self.running.store(false, Ordering::Release);
        }
        let parked = matches!(*slot, Slot::Parked(_));
        if parked {
            self.running.store(false, Ordering::Release);
        }
        spool || (parked && !self.is_idle())
    }

    /// Starts the threads that stand by, if they have something to do. Not one that has stepped
    /// aside for a fork still to come.
    pub fn go_on(self: &Arc<Self>) {
        self.spool.go_on(self);
        let mut slot = lock(&self.worker);
        let stands_by = matches!(*slot, Slot::Parked(_)) && !self.running.load(Ordering::Acquire);
        if stands_by && !self.is_idle() {
            self.start(&mut slot, Duration::ZERO);
        }
    }

    /// Something waits: what stands by goes on, and what the system has refused is asked for again.
    pub(super) fn wanted(self: &Arc<Self>) {
        if !self.running.load(Ordering::Acquire) {
            self.go_on();
        }
        if self.is_refused() {
            self.ask_again();
        }
    }

    /// Is there nothing to deliver, and nobody who waits for anything?
    fn is_idle(&self) -> bool {
        let drained = |client: &Arc<ClientState>| client.queue().is_drained();
        self.waiters.load(Ordering::SeqCst) == 0
            && self.with_clients(|clients| clients.iter().all(drained))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_waited_for_in_vain_is_not_waited_for_as_long_again() {
        let vain = Vain::default();
        let at = Duration::from_secs;
        assert_eq!(vain.patience(at(0)), PATIENCE);
        assert_eq!(vain.patience(at(50)), PATIENCE);
        vain.note(at(50));
        assert_eq!(vain.patience(at(50)), LITTLE_PATIENCE);
        assert_eq!(vain.patience(at(59)), LITTLE_PATIENCE);
        assert_eq!(vain.patience(at(60)), PATIENCE);
        vain.note(Duration::ZERO);
        assert_eq!(vain.patience(at(1)), LITTLE_PATIENCE);
    }
}
