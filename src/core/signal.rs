//! Waking the delivery thread without making the caller pay for it.
//!
//! Waking a sleeping thread costs the caller 5–12 µs. While there has been work recently the
//! thread looks by itself every few milliseconds, and a caller only sets a flag; a thread that has
//! nothing to do for a while sleeps, and the next event wakes it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Events after which a caller wakes a thread that would look by itself soon.
const THRESHOLD: usize = 128;

/// The thread works.
const WORKING: u8 = 0;
/// It has been asked to leave.
const ASKED: u8 = 1;
/// It has left, or does so next.
const GONE: u8 = 2;

/// The bell of the delivery thread.
#[derive(Debug, Default)]
pub(super) struct Signal {
    asleep: AtomicBool,
    queued: AtomicUsize,
    parking: AtomicU8,
    bell: Notify,
}

impl Signal {
    /// One more event is queued.
    pub(super) fn queued(&self) {
        if self.queued.fetch_add(1, Ordering::SeqCst) + 1 == THRESHOLD
            || self.asleep.load(Ordering::SeqCst)
        {
            self.ring();
        }
    }

    /// Somebody waits: look now.
    pub(super) fn ring(&self) {
        self.asleep.store(false, Ordering::SeqCst);
        self.bell.notify_one();
    }

    /// Asks the thread to leave its loop, before a fork.
    pub(super) fn park(&self) {
        self.swap_parking(WORKING, ASKED);
        self.ring();
    }

    /// Takes the request to park back. True if it comes too late: the thread is gone, and
    /// another one must take over from it. False if it stays.
    pub(super) fn unpark(&self) -> bool {
        self.parking.swap(WORKING, Ordering::SeqCst) == GONE
    }

    /// Has the thread been asked to leave?
    pub(super) fn is_asked(&self) -> bool {
        self.parking.load(Ordering::SeqCst) == ASKED
    }

    /// Does the thread leave now, because nobody has taken the request back meanwhile? Then it
    /// must: [`Signal::unpark`] counts on it.
    pub(super) fn leaves(&self) -> bool {
        self.swap_parking(ASKED, GONE)
    }

    fn swap_parking(&self, from: u8, to: u8) -> bool {
        self.parking
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// The thread has looked at everything queued so far.
    pub(super) fn looked(&self) -> bool {
        self.queued.swap(0, Ordering::SeqCst) > 0
    }

    /// The thread intends to sleep; whatever was queued before is seen by [`Signal::has_queued`],
    /// whatever comes later rings.
    pub(super) fn doze(&self) {
        self.asleep.store(true, Ordering::SeqCst);
    }

    /// Was something queued since the last look?
    pub(super) fn has_queued(&self) -> bool {
        self.queued.load(Ordering::SeqCst) > 0
    }

    /// Awake again.
    pub(super) fn wake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Completes at the next ring, also one that came before.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }
}
