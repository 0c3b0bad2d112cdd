//! The spool thread: started by the first job, gone when idle, parked for a fork.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Job;
use super::clerk::Clerk;
use crate::core::notices::{Level, Notice};
use crate::core::process::{OsThread, Process, WAITED_PAUSE};
use crate::core::sync::lock;

/// How long the thread waits for another job before it ends.
const LINGER: Duration = Duration::from_millis(500);
/// How long to leave it at that when the system refuses a thread.
const START_PAUSE: Duration = Duration::from_secs(1);

/// Threads of this process that are inside `SQLite`.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// This process was forked while one was: locks of `SQLite` itself may be held for ever.
static TAINTED: AtomicBool = AtomicBool::new(false);

/// The spool thread of one process and its jobs.
#[derive(Debug, Default)]
pub(in crate::core) struct SpoolThread {
    inbox: Mutex<Inbox>,
    bell: Condvar,
    /// The system has refused the thread, and its jobs wait.
    refused: AtomicBool,
    /// The time for the end of the process is over.
    late: AtomicBool,
}

#[derive(Debug, Default)]
struct Inbox {
    jobs: VecDeque<Job>,
    /// It has been asked to step aside, for a fork.
    parking: bool,
    running: bool,
    thread: Option<OsThread<()>>,
    refused: Option<Instant>,
    /// The files, while no thread looks after them.
    clerk: Option<Box<Clerk>>,
}

/// A process begins whose memory is a copy of another one's.
pub(in crate::core) fn after_fork() {
    if INSIDE.swap(0, Ordering::SeqCst) > 0 {
        TAINTED.store(true, Ordering::SeqCst);
    }
}

/// Must `SQLite` not be used in this process?
pub(super) fn is_tainted() -> bool {
    TAINTED.load(Ordering::SeqCst)
}

impl SpoolThread {
    /// Hands a job to the thread, which starts if it does not run.
    pub(in crate::core) fn post(&self, process: &Arc<Process>, job: Job) {
        let mut inbox = lock(&self.inbox);
        inbox.jobs.push_back(job);
        self.start(&mut inbox, process, START_PAUSE);
        drop(inbox);
        self.bell.notify_one();
    }

    /// Is what the end of the process has left no longer to be written?
    pub(super) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// Writes nothing more of what the end of the process has left, or does so again.
    pub(in crate::core) fn set_late(&self, late: bool) {
        self.late.store(late, Ordering::Relaxed);
    }

    fn start(&self, inbox: &mut Inbox, process: &Arc<Process>, pause: Duration) {
        let paused = inbox.refused.is_some_and(|at| at.elapsed() < pause);
        if inbox.running || inbox.parking || inbox.jobs.is_empty() || paused {
            return;
        }
        let body = {
            let process = Arc::clone(process);
            move || process.spool.run(&process)
        };
        match OsThread::spawn("sentrial-spool", body) {
            Ok(thread) => {
                inbox.running = true;
                inbox.refused = None;
                inbox.thread = Some(thread);
                self.refused.store(false, Ordering::Relaxed);
            }
            // The jobs wait; the next one, and what waits for them, tries again.
            Err(_) => {
                inbox.refused = Some(Instant::now());
                self.refused.store(true, Ordering::Relaxed);
            }
        }
    }

    fn run(&self, process: &Arc<Process>) {
        let clerk = lock(&self.inbox).clerk.take();
        let mut clerk = clerk.unwrap_or_else(|| Box::new(Clerk::new(process)));
        loop {
            let mut inbox = self.wait(lock(&self.inbox));
            if inbox.parking || inbox.jobs.is_empty() {
                inbox.clerk = Some(clerk);
                inbox.running = false;
                return;
            }
            let jobs: Vec<_> = inbox.jobs.drain(..).collect();
            drop(inbox);
            INSIDE.fetch_add(1, Ordering::SeqCst);
            let worked = catch_unwind(AssertUnwindSafe(|| clerk.work(jobs)));
            INSIDE.fetch_sub(1, Ordering::SeqCst);
            if worked.is_err() {
                let text = "internal error in the spool thread; please report this";
                process
                    .notices
                    .park(Notice::new(Level::Error, text.to_owned()));
            }
            process.signal.ring();
            process.announce();
        }
    }

    fn wait<'a>(&self, inbox: MutexGuard<'a, Inbox>) -> MutexGuard<'a, Inbox> {
        let idle = |inbox: &mut Inbox| inbox.jobs.is_empty() && !inbox.parking;
        let waited = self.bell.wait_timeout_while(inbox, LINGER, idle);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Asks the thread to step aside.
    pub(in crate::core) fn ask_to_park(&self) {
        if let Ok(mut inbox) = self.inbox.try_lock() {
            inbox.parking = true;
            self.bell.notify_all();
        }
    }

    /// Before a fork: the thread steps aside between two groups of jobs, and its files with it.
    /// False if it has not by the deadline; then the child does without a spool.
    pub(in crate::core) fn park(&self, deadline: Instant) -> bool {
        loop {
            self.ask_to_park();
            if let Ok(mut inbox) = self.inbox.try_lock()
                && !inbox.running
            {
                if let Some(thread) = inbox.thread.take() {
                    // It has nothing left to do but to end.
                    let _ = thread.join(deadline);
                }
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    /// After a fork, in the parent: the thread may run again. Has it something to do?
    pub(in crate::core) fn stand_by(&self) -> bool {
        let mut inbox = lock(&self.inbox);
        inbox.parking = false;
        !inbox.running && !inbox.jobs.is_empty()
    }

    /// Starts the thread if it has something to do and need not step aside.
    pub(in crate::core) fn go_on(&self, process: &Arc<Process>) {
        self.start(&mut lock(&self.inbox), process, START_PAUSE);
    }

    /// Has the system refused the thread?
    pub(in crate::core) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Something waits for the jobs: asks for a thread again that the system has refused.
    pub(in crate::core) fn ask_again(&self, process: &Arc<Process>) {
        if self.is_refused() {
            self.start(&mut lock(&self.inbox), process, WAITED_PAUSE);
        }
    }
}
