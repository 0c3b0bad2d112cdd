//! Waking the delivery thread without making the caller pay for it.
//!
//! Waking a sleeping thread costs the caller 5–12 µs. While there has been work recently the
//! thread looks by itself every few milliseconds, and a caller only sets a flag; a thread that has
//! nothing to do for a while sleeps, and the next event wakes it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Events after which a caller wakes a thread that would look by itself soon.
const THRESHOLD: usize = 128;

/// The bell of the delivery thread.
#[derive(Debug, Default)]
pub struct Signal {
    asleep: AtomicBool,
    queued: AtomicUsize,
    parking: AtomicBool,
    bell: Notify,
}

impl Signal {
    /// One more event is queued.
    pub fn queued(&self) {
        if self.queued.fetch_add(1, Ordering::SeqCst) + 1 == THRESHOLD
            || self.asleep.load(Ordering::SeqCst)
        {
            self.ring();
        }
    }

    /// Somebody waits: look now.
    pub fn ring(&self) {
        self.asleep.store(false, Ordering::SeqCst);
        self.bell.notify_one();
    }

    /// Asks the thread to leave its loop, before a fork.
    pub fn park(&self) {
        self.parking.store(true, Ordering::SeqCst);
        self.ring();
    }

    /// Takes the request to park back.
    pub fn unpark(&self) {
        self.parking.store(false, Ordering::SeqCst);
    }

    /// Has the thread been asked to leave?
    pub fn is_parking(&self) -> bool {
        self.parking.load(Ordering::SeqCst)
    }

    /// The thread has looked at everything queued so far.
    pub fn looked(&self) -> bool {
        self.queued.swap(0, Ordering::SeqCst) > 0
    }

    /// The thread intends to sleep; whatever was queued before is seen by [`Signal::has_queued`],
    /// whatever comes later rings.
    pub fn doze(&self) {
        self.asleep.store(true, Ordering::SeqCst);
    }

    /// Was something queued since the last look?
    pub fn has_queued(&self) -> bool {
        self.queued.load(Ordering::SeqCst) > 0
    }

    /// Awake again.
    pub fn wake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Completes at the next ring, also one that came before.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }
}
