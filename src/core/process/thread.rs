//! The delivery thread: started by the first event, survived when it panics.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Process;
use super::os_thread::OsThread;
use crate::core::notices::{Level, Notice};
use crate::core::sync::lock;
use crate::core::worker::Worker;

/// How long to leave it at that when the system refuses a thread or a descriptor.
const START_PAUSE: Duration = Duration::from_secs(1);
/// The same while something waits for what the thread would bring.
pub(in crate::core) const WAITED_PAUSE: Duration = Duration::from_millis(20);
/// Panics after which a thread ends and the next event starts another one.
const MAX_PANICS: u32 = 3;

const NAME: &str = "sentrial-delivery";
/// Threads whose panics become a line.
const OURS: [&str; 2] = [NAME, "sentrial-spool"];

thread_local! {
    /// Where this thread panicked last.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Where the delivery thread is.
#[derive(Debug, Default)]
pub(super) enum Slot {
    #[default]
    Idle,
    Running(OsThread<Option<Worker>>),
    Parked(Worker),
    Refused(Instant),
}

impl Slot {
    /// Takes over from a thread that has ended, or is about to: what it had in flight goes on.
    /// Waits until `deadline` for the system to forget it.
    fn join(&mut self, deadline: Instant) {
        match std::mem::take(self) {
            Self::Running(thread) => {
                if let Some(worker) = thread.join(deadline).ok().flatten() {
                    *self = Self::Parked(worker);
                }
            }
            other => *self = other,
        }
    }
}

impl Process {
    /// Starts the delivery thread unless it runs.
    pub(in crate::core) fn ensure_running(self: &Arc<Self>) {
        if !self.running.load(Ordering::Acquire) {
            self.spool.go_on(self);
            self.start(&mut lock(&self.worker), START_PAUSE);
        }
    }

    /// Has the system refused a thread or a descriptor that has yet to be granted?
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed) || self.spool.is_refused()
    }

    /// Something waits for what the system has refused: asks for it again.
    pub(super) fn ask_again(self: &Arc<Self>) {
        self.spool.ask_again(self);
        if self.running.load(Ordering::Acquire) {
            return;
        }
        let mut slot = lock(&self.worker);
        if matches!(*slot, Slot::Refused(_)) {
            self.start(&mut slot, WAITED_PAUSE);
        }
    }

    /// Starts the thread, unless the system has refused it less than `pause` ago.
    pub(super) fn start(self: &Arc<Self>, slot: &mut Slot, pause: Duration) {
        if matches!(slot, Slot::Running(_)) {
            if self.running.load(Ordering::Acquire) {
                return;
            }
            slot.join(Instant::now());
        }
        let worker = match std::mem::take(slot) {
            Slot::Parked(worker) => Ok(worker),
            Slot::Refused(at) if at.elapsed() < pause => {
                *slot = Slot::Refused(at);
                return;
            }
            _ => Worker::new(),
        };
        // Before it runs: a thread that gives up at once must not be overruled.
        self.running.store(true, Ordering::Release);
        let thread = worker.and_then(|worker| {
            let process = Arc::clone(self);
            OsThread::spawn(NAME, move || process.run(worker)).map_err(|error| error.to_string())
        });
        match thread {
            Ok(thread) => {
                *slot = Slot::Running(thread);
                self.refused.store(false, Ordering::Relaxed);
            }
            Err(why) => {
                *slot = Slot::Refused(Instant::now());
                self.running.store(false, Ordering::Release);
                self.complain(&why);
            }
        }
    }

    /// Once until a thread has started: there are several attempts per second, not lines.
    fn complain(&self, why: &str) {
        if !self.refused.swap(true, Ordering::Relaxed) {
            let text = format!("the delivery thread cannot start: {why}; requests are kept");
            self.notices.park(Notice::new(Level::Error, text));
        }
    }

    /// The thread's body. A panic is a defect of ours: it is reported, never passed on, and
    /// delivery goes on with a new runtime.
    fn run(self: Arc<Self>, mut worker: Worker) -> Option<Worker> {
        keep_panics_quiet();
        for _ in 0..MAX_PANICS {
            let body = AssertUnwindSafe(|| worker.run(&self));
            if let Ok(worker) = catch_unwind(body) {
                return Some(worker);
            }
            self.survive();
            match Worker::new() {
                Ok(fresh) => worker = fresh,
                Err(why) => {
                    self.complain(&why);
                    break;
                }
            }
        }
        // Last of all: whoever sees this joins the thread.
        self.running.store(false, Ordering::Release);
        None
    }

    /// Puts the ledgers right after a panic and says so.
    fn survive(&self) {
        self.with_clients(|clients| {
            for client in clients.iter() {
                client.queue().crashed();
            }
        });
        self.announce();
        let place = PLACE
            .take()
            .unwrap_or_else(|| "an unknown place".to_owned());
        let text = format!(
            "internal error in the delivery thread at {place}; it starts again; please report this"
        );
        self.notices.park(Notice::new(Level::Error, text));
    }

    /// The process ends: what is in flight goes back to the queues, as far as the delivery thread
    /// can be stopped within this time. The next event starts another one.
    pub(in crate::core) fn recall(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut slot = loop {
            match self.worker.try_lock() {
                Ok(slot) => break slot,
                Err(_) if Instant::now() >= deadline => return,
                Err(_) => std::thread::sleep(Duration::from_micros(50)),
            }
        };
        self.leave(&mut slot, deadline);
        match std::mem::take(&mut *slot) {
            Slot::Parked(worker) => {
                self.running.store(false, Ordering::Release);
                worker.give_back(self);
            }
            other => *slot = other,
        }
        self.signal.unpark();
    }

    /// Does the delivery thread run?
    #[cfg(test)]
    pub(in crate::core) fn has_thread(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// The thread leaves its loop, if it can before `deadline`.
    pub(super) fn leave(&self, slot: &mut Slot, deadline: Instant) {
        if matches!(slot, Slot::Running(_)) {
            self.signal.park();
            wait_for_end(slot, deadline);
        }
    }
}

/// Waits until the thread of the slot has ended and takes over from it; false if it takes longer.
pub(super) fn wait_for_end(slot: &mut Slot, deadline: Instant) -> bool {
    while let Slot::Running(thread) = slot {
        if thread.is_finished() {
            slot.join(deadline);
        } else if Instant::now() >= deadline {
            return false;
        } else {
            std::thread::sleep(Duration::from_micros(50));
        }
    }
    true
}

/// A panic of the delivery thread becomes a log line: nothing is printed in the host's terminal.
/// Only the place is told, for the message may quote what the program recorded. Other threads,
/// and whatever hook was there, are left alone; the hook is that of this library's own runtime.
fn keep_panics_quiet() {
    // Not a `Once`: a child forked while the hook is being set would wait for it for ever.
    static SET: AtomicBool = AtomicBool::new(false);
    if SET.swap(true, Ordering::SeqCst) {
        return;
    }
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current()
            .name()
            .is_some_and(|name| OURS.contains(&name))
        {
            PLACE.set(info.location().map(ToString::to_string));
        } else {
            previous(info);
        }
    }));
}
