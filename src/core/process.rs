//! What belongs to this process: the delivery thread, its clients, its parked log lines.
//!
//! Everything hangs on one pointer stamped with the process id. A forked child finds a foreign id
//! and puts a fresh [`Process`] in its place; what it inherited is leaked on purpose, because its
//! locks may be held by threads that do not exist here, and its sockets belong to the parent.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use uuid::Uuid;

use super::client::ClientState;
use super::exit::Patience;
use super::health::State;
use super::notices::{Level, Notice, Notices};
use super::signal::Signal;
use super::stats::Counters;
use super::sync::lock;
use super::worker::Worker;

static CURRENT: ArcSwapOption<Process> = ArcSwapOption::const_empty();

/// How long a fork waits for the delivery thread to step aside.
const PARK_PATIENCE: Duration = Duration::from_millis(5);

/// State of one operating-system process.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    nonce: String,
    next_number: AtomicU64,
    started: Instant,
    pub(super) signal: Signal,
    pub(super) notices: Notices,
    clients: Mutex<Vec<Arc<ClientState>>>,
    retired: Mutex<Counters>,
    worker: Mutex<Slot>,
    running: AtomicBool,
    generation: Mutex<u64>,
    changed: Condvar,
    waiters: AtomicUsize,
    last_success: AtomicU64,
}

#[derive(Debug, Default)]
enum Slot {
    #[default]
    Idle,
    Running(JoinHandle<Option<Worker>>),
    Parked(Worker),
}

impl Process {
    /// The state of the calling process, made on first use and after every fork.
    #[must_use]
    pub fn current() -> Arc<Self> {
        let pid = std::process::id();
        let seen = CURRENT.load();
        if let Some(process) = seen.as_ref().filter(|process| process.pid == pid) {
            return Arc::clone(process);
        }
        let fresh = Arc::new(Self::new(pid));
        let previous = CURRENT.compare_and_swap(&seen, Some(Arc::clone(&fresh)));
        match (previous.as_ref(), seen.as_ref()) {
            (Some(other), _) if other.pid == pid => Arc::clone(other),
            (_, inherited) => {
                if let Some(inherited) = inherited {
                    std::mem::forget(Arc::clone(inherited));
                }
                fresh
            }
        }
    }

    /// The state, if this process has any.
    #[must_use]
    pub fn existing() -> Option<Arc<Self>> {
        let pid = std::process::id();
        CURRENT.load_full().filter(|process| process.pid == pid)
    }

    fn new(pid: u32) -> Self {
        Self {
            pid,
            nonce: Uuid::new_v4().simple().to_string(),
            next_number: AtomicU64::new(1),
            started: Instant::now(),
            signal: Signal::default(),
            notices: Notices::default(),
            clients: Mutex::default(),
            retired: Mutex::default(),
            worker: Mutex::default(),
            running: AtomicBool::new(false),
            generation: Mutex::default(),
            changed: Condvar::new(),
            waiters: AtomicUsize::new(0),
            last_success: AtomicU64::new(0),
        }
    }

    /// The process this state belongs to.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn next_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// The `Idempotency-Key` of the request with this number.
    pub(super) fn idempotency_key(&self, number: u64) -> String {
        format!("{}-{number:x}", self.nonce)
    }

    /// Parked log lines.
    #[must_use]
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    pub(super) fn register(&self, client: Arc<ClientState>) {
        lock(&self.clients).push(client);
    }

    pub(super) fn with_clients<T>(&self, f: impl FnOnce(&mut Vec<Arc<ClientState>>) -> T) -> T {
        f(&mut lock(&self.clients))
    }

    pub(super) fn retire(&self, counters: &Counters) {
        lock(&self.retired).add(counters);
    }

    /// The sum over all clients of this process, also those already collected.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut sum = lock(&self.retired).clone();
        self.with_clients(|clients| {
            for client in clients.iter() {
                sum.add(client.queue().counters());
            }
        });
        sum
    }

    /// Does no client have anything left that could be delivered?
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        self.with_clients(|clients| {
            clients.iter().all(|client| {
                let queue = client.queue();
                queue.is_drained() || queue.health().state() == State::Paused
            })
        })
    }

    /// Lets every client send what it holds back; what there is now can be waited for.
    #[must_use]
    pub fn begin_flush(&self) -> Marks {
        let clients = self.with_clients(|clients| clients.clone());
        Marks(
            clients
                .into_iter()
                .map(|client| (client.begin_flush(), client))
                .collect(),
        )
    }

    /// The patience of the most patient client that has something to deliver.
    #[must_use]
    pub fn exit_patience(&self) -> Patience {
        self.with_clients(|clients| {
            clients
                .iter()
                .filter(|client| !client.queue().is_drained())
                .fold(Patience::default(), |patience, client| {
                    client.or_longer(patience)
                })
        })
    }

    /// The process is about to end: nothing is held back, broken clients probe once more.
    pub fn hurry(&self) {
        let now = Instant::now();
        self.with_clients(|clients| {
            for client in clients.iter() {
                client.queue().hurry(now);
            }
        });
        self.signal.ring();
    }

    /// Gives up what is left; how many requests that were.
    #[must_use]
    pub fn abandon_all(&self) -> u64 {
        self.with_clients(|clients| {
            clients
                .iter()
                .map(|client| client.queue().abandon_all())
                .sum()
        })
    }

    pub(super) fn note_success(&self) {
        let elapsed = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last_success.store(elapsed.max(1), Ordering::Relaxed);
    }

    /// When the last successful answer arrived.
    #[must_use]
    pub fn last_success(&self) -> Option<Instant> {
        let micros = self.last_success.load(Ordering::Relaxed);
        (micros > 0).then(|| self.started + Duration::from_micros(micros))
    }
}

/// The delivery thread.
impl Process {
    /// Starts the delivery thread unless it runs.
    pub(super) fn ensure_running(self: &Arc<Self>) {
        if !self.running.load(Ordering::Acquire) {
            self.start(&mut lock(&self.worker));
        }
    }

    fn start(self: &Arc<Self>, slot: &mut Slot) {
        let worker = match std::mem::take(slot) {
            Slot::Running(thread) if !thread.is_finished() => {
                *slot = Slot::Running(thread);
                return;
            }
            Slot::Running(_) | Slot::Idle => match Worker::new() {
                Ok(worker) => worker,
                Err(why) => return self.complain(&why),
            },
            Slot::Parked(worker) => worker,
        };
        let process = Arc::clone(self);
        let thread = std::thread::Builder::new()
            .name("sentrial-delivery".to_owned())
            .spawn(move || process.run(worker));
        match thread {
            Ok(thread) => {
                *slot = Slot::Running(thread);
                self.running.store(true, Ordering::Release);
            }
            Err(error) => self.complain(&error.to_string()),
        }
    }

    fn complain(&self, why: &str) {
        let text = format!("the delivery thread cannot start: {why}; requests are kept");
        self.notices.park(Notice::new(Level::Error, text));
    }

    /// The thread's body. A panic is a defect of ours: it is reported, never passed on, and the
    /// next event starts a new thread.
    fn run(self: Arc<Self>, worker: Worker) -> Option<Worker> {
        let process = Arc::clone(&self);
        let body = std::panic::AssertUnwindSafe(|| worker.run(&process));
        let ended = std::panic::catch_unwind(body);
        ended.map_or_else(
            |_| {
                self.with_clients(|clients| {
                    for client in clients.iter() {
                        client.queue().crashed();
                    }
                });
                self.running.store(false, Ordering::Release);
                let text =
                    "internal error in the delivery thread; it starts again with the next event";
                self.notices
                    .park(Notice::new(Level::Error, text.to_owned()));
                None
            },
            Some,
        )
    }

    /// Before a fork: the delivery thread leaves, taking nothing with it, so that the child is
    /// born of a single-threaded process. Gives up after 5 ms; then the thread runs on.
    pub fn park(&self) {
        let Ok(mut slot) = self.worker.try_lock() else {
            return;
        };
        let Slot::Running(thread) = std::mem::take(&mut *slot) else {
            return;
        };
        self.signal.park();
        let deadline = Instant::now() + PARK_PATIENCE;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_micros(50));
        }
        *slot = if thread.is_finished() {
            thread
                .join()
                .ok()
                .flatten()
                .map_or(Slot::Idle, Slot::Parked)
        } else {
            Slot::Running(thread)
        };
    }

    /// After a fork, in the parent: the thread goes on where it was.
    pub fn resume(self: &Arc<Self>) {
        self.signal.unpark();
        let mut slot = lock(&self.worker);
        if let Slot::Running(thread) = &*slot
            && thread.is_finished()
        {
            // It saw the request to park after park() had given up waiting.
            if let Slot::Running(thread) = std::mem::take(&mut *slot) {
                *slot = thread
                    .join()
                    .ok()
                    .flatten()
                    .map_or(Slot::Idle, Slot::Parked);
            }
        }
        if matches!(*slot, Slot::Parked(_)) {
            self.start(&mut slot);
        }
    }
}

/// Somebody who waits for requests to settle.
#[derive(Debug)]
pub struct Waiting<'a> {
    process: &'a Process,
}

impl Process {
    /// Registers somebody who waits; the delivery thread looks at once.
    #[must_use]
    pub fn waiting(&self) -> Waiting<'_> {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        self.signal.ring();
        Waiting { process: self }
    }

    /// Tells whoever waits that something has settled.
    pub(super) fn announce(&self) {
        if self.waiters.load(Ordering::SeqCst) > 0 {
            *lock(&self.generation) += 1;
            self.changed.notify_all();
        }
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

/// What all clients had queued at one moment.
#[derive(Debug)]
pub struct Marks(Vec<(u64, Arc<ClientState>)>);

impl Marks {
    /// Is all of it settled, but for clients whose delivery is broken?
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.0
            .iter()
            .all(|(mark, client)| client.is_settled(*mark) || client.is_broken())
    }
}
