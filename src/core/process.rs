//! What belongs to this process: the delivery thread, its clients, its parked log lines.
//!
//! Everything hangs on one pointer stamped with the process id. A forked child finds a foreign id
//! and puts a fresh [`Process`] in its place; what it inherited is leaked on purpose, because its
//! locks may be held by threads that do not exist here, and its sockets belong to the parent.

mod doorbell;
mod fork;
mod os_thread;
mod thread;
mod waiting;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use uuid::Uuid;

use super::call::Calls;
use super::client::ClientState;
use super::exit::Patience;
use super::health::State;
use super::notices::Notices;
use super::request::Request;
use super::signal::Signal;
use super::spool::thread::{self as spool_thread, SpoolThread};
use super::stats::Counters;
use super::sync::lock;
use fork::Vain;
use thread::Slot;

pub use doorbell::Doorbell;
pub(super) use os_thread::OsThread;
pub(super) use thread::WAITED_PAUSE;

/// Requests that are written in no time.
const FEW_REQUESTS: u64 = 256;
/// How long the end of the process delivers a few requests before it writes them.
const MOMENT: Duration = Duration::from_millis(100);

static CURRENT: ArcSwapOption<Process> = ArcSwapOption::const_empty();

/// Clients below which nobody looks for collected ones when a new one comes.
const FEW_CLIENTS: usize = 32;

/// State of one operating-system process.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    nonce: String,
    /// Spool files that a parent process had open; `SQLite` must not open them here again.
    inherited: Vec<PathBuf>,
    /// Spool files that this process has had open.
    opened: ArcSwap<Vec<PathBuf>>,
    pub(super) spool: SpoolThread,
    next_number: AtomicU64,
    started: Instant,
    pub(super) signal: Signal,
    pub(super) notices: Notices,
    pub(super) calls: Calls,
    clients: Mutex<Vec<Arc<ClientState>>>,
    /// Number of clients at which the collected ones are looked for.
    crowd: AtomicUsize,
    retired: Mutex<Counters>,
    worker: Mutex<Slot>,
    running: AtomicBool,
    vain: Vain,
    /// The system has refused a thread, and that has been said.
    refused: AtomicBool,
    generation: Mutex<u64>,
    changed: Condvar,
    waiters: AtomicUsize,
    doorbells: Mutex<Vec<Weak<Doorbell>>>,
    last_success: AtomicU64,
    /// Everything is being written because the process ends.
    saving: AtomicBool,
    #[cfg(test)]
    pub(super) sabotage: AtomicBool,
}

/// What processes made from one image of the memory (Lambda `SnapStart`, CRIU) do not share, though
/// they have one nonce, count from one number and may have one process id: what the system gives
/// after that. It is asked for when a request is queued: what was queued before the image was made
/// is the same request in all of them and keeps one key.
pub(super) fn salt() -> u64 {
    Uuid::new_v4().as_u64_pair().1
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
        spool_thread::after_fork();
        let mut fresh = Self::new(pid);
        if let Some(parent) = seen.as_ref() {
            fresh.inherited.clone_from(&parent.inherited);
            fresh.inherited.extend(parent.opened.load().iter().cloned());
        }
        let fresh = Arc::new(fresh);
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

    pub(super) fn new(pid: u32) -> Self {
        Self {
            pid,
            nonce: Uuid::new_v4().simple().to_string(),
            inherited: Vec::new(),
            opened: ArcSwap::default(),
            spool: SpoolThread::default(),
            next_number: AtomicU64::new(1),
            started: Instant::now(),
            signal: Signal::default(),
            notices: Notices::default(),
            calls: Calls::default(),
            clients: Mutex::default(),
            crowd: AtomicUsize::new(FEW_CLIENTS),
            retired: Mutex::default(),
            worker: Mutex::default(),
            running: AtomicBool::new(false),
            vain: Vain::default(),
            refused: AtomicBool::new(false),
            generation: Mutex::default(),
            changed: Condvar::new(),
            waiters: AtomicUsize::new(0),
            doorbells: Mutex::default(),
            last_success: AtomicU64::new(0),
            saving: AtomicBool::new(false),
            #[cfg(test)]
            sabotage: AtomicBool::new(false),
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

    /// The `Idempotency-Key` of the request with this number and this [`salt`].
    pub(super) fn idempotency_key(&self, number: u64, salt: u64) -> String {
        format!("{}-{salt:x}-{number:x}", self.nonce)
    }

    /// The `Idempotency-Key` of a request: over all its attempts, in memory and on disk, the same.
    pub(super) fn key_of(&self, request: &Request) -> String {
        request.idempotency_key.as_deref().map_or_else(
            || self.idempotency_key(request.number, request.salt),
            ToOwned::to_owned,
        )
    }

    /// What makes names and keys of this process unique.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Notes that a spool file is open from now on.
    pub(super) fn opens(&self, path: &Path) {
        self.opened.rcu(|opened| {
            let mut opened = opened.to_vec();
            opened.push(path.to_owned());
            opened
        });
    }

    /// Had a parent process this spool file open when this one was forked?
    pub(super) fn is_inherited(&self, path: &Path) -> bool {
        self.inherited.iter().any(|inherited| inherited == path)
    }

    /// Has this process had the file open?
    #[must_use]
    pub fn has_opened(&self, path: &Path) -> bool {
        self.opened.load().iter().any(|opened| opened == path)
    }

    /// Parked log lines.
    #[must_use]
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    pub(super) fn register(&self, client: Arc<ClientState>) {
        self.with_clients(|clients| {
            clients.push(client);
            // Without a delivery thread nobody else looks: clients that only ever counted.
            if clients.len() > self.crowd.load(Ordering::Relaxed) {
                self.collect(clients);
                let crowd = (2 * clients.len()).max(FEW_CLIENTS);
                self.crowd.store(crowd, Ordering::Relaxed);
            }
        });
    }

    pub(super) fn with_clients<T>(&self, f: impl FnOnce(&mut Vec<Arc<ClientState>>) -> T) -> T {
        f(&mut lock(&self.clients))
    }

    /// Lets go of clients that the program has dropped and that have nothing left to deliver;
    /// their counts stay.
    pub(super) fn collect(&self, clients: &mut Vec<Arc<ClientState>>) {
        clients.retain(|client| {
            let keep = Arc::strong_count(client) > 1 || !client.queue().is_done();
            if !keep {
                lock(&self.retired).add(client.queue().counters());
            }
            keep
        });
    }

    /// The sum over all clients of this process, also those already collected.
    #[must_use]
    pub fn counters(&self) -> Counters {
        // Both under the lock of the list: a client being collected is in exactly one of them.
        self.with_clients(|clients| {
            let mut sum = lock(&self.retired).clone();
            for client in clients.iter() {
                sum.add(client.queue().counters());
            }
            sum
        })
    }

    /// The worst state among the clients that live, and the last error of one in that state, or of
    /// any if those have none.
    #[must_use]
    pub fn condition(&self) -> (State, Option<String>) {
        self.with_clients(|clients| {
            let conditions = clients.iter().map(|client| {
                let queue = client.queue();
                let error = queue.last_error().map(ToOwned::to_owned);
                (queue.health().state(), error)
            });
            conditions.fold((State::Up, None), |(worst, last), (state, error)| {
                if state.severity() > worst.severity() {
                    (state, error.or(last))
                } else {
                    (worst, last.or(error))
                }
            })
        })
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

    /// The process is about to end: everything is written to disk while it is delivered, so that
    /// nothing is lost for lack of time at the end. What is delivered meanwhile is removed again. A
    /// few requests have a moment first, in which most programs are done without a file.
    pub fn save_meanwhile(&self, started: Instant) {
        if self.saving.load(Ordering::Relaxed) {
            return;
        }
        let is_many = || {
            self.with_clients(|clients| {
                let mut pending = clients
                    .iter()
                    .map(|client| client.queue().counters().pending);
                pending.any(|pending| pending > FEW_REQUESTS)
            })
        };
        if started.elapsed() < MOMENT && !is_many() {
            return;
        }
        self.saving.store(true, Ordering::Relaxed);
        let now = Instant::now();
        self.with_clients(|clients| {
            for client in clients.iter() {
                client.queue().save_all(now);
            }
        });
        self.signal.ring();
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
/// What all clients had queued at one moment.
#[derive(Debug)]
pub struct Marks(Vec<(u64, Arc<ClientState>)>);

impl Marks {
    /// Is all of it settled, but for clients whose delivery is broken?
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.0.iter().all(|(mark, client)| client.is_flushed(*mark))
    }
}
