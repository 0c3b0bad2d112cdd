//! One client of the API: its settings, its key, and its queue in this process.

mod calls;
mod inbox;
mod pressure;
mod sealing;
mod sending;
mod spooling;
mod state;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;

use self::inbox::Inbox;
use self::pressure::Pressure;
use super::api_key::ApiKey;
use super::api_url::ApiUrl;
use super::error::DropReason;
use super::lookup::Lookup;
use super::options::{BatchOptions, Options, SpoolMode};
use super::policy::{Policy, Redaction};
use super::process::Process;
use super::queue::{Limits, Queue};
use super::receipt::Receipt;
use super::redact::Report;
use super::request::{Body, Kind, Patience};
use super::session::Session;
use super::stats::Counters;
use super::sync::lock;

/// How calls and delivery relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Calls return at once.
    Background,
    /// Calls wait for the answer.
    Immediate,
}

/// What a client is made of; never changes.
#[derive(Debug)]
pub struct Settings {
    /// The API's address.
    pub url: Arc<ApiUrl>,
    /// Time-outs, bounds and the like.
    pub options: Options,
    /// Background or immediate.
    pub mode: Mode,
    /// Batching, if it is on.
    pub batch: Option<BatchOptions>,
    /// Failures are raised (`fail_silently=False`).
    pub loud: bool,
    /// Log every request (`SENTRIAL_DEBUG`).
    pub debug: bool,
    /// What is redacted.
    pub redaction: Redaction,
}

impl Settings {
    fn limits(&self) -> Limits {
        let max_items = self
            .batch
            .as_ref()
            .map_or(self.options.max_queue_items, |b| b.max_queue_size);
        Limits {
            max_bytes: self.options.max_queue_bytes,
            max_items,
            max_in_flight: self.options.max_in_flight,
            session_concurrency: self.options.session_concurrency,
            max_retries: self.options.max_retries,
            immediate: self.mode == Mode::Immediate,
            told: self.loud && self.mode == Mode::Immediate,
            spool: if self.mode == Mode::Immediate {
                // What gives up has been told to the caller.
                SpoolMode::Off
            } else {
                self.options.spool
            },
            batch: self
                .batch
                .as_ref()
                .map(|b| (b.flush_threshold, b.flush_interval)),
        }
    }

    fn patience(&self) -> Patience {
        match self.mode {
            Mode::Background => Patience::Background,
            Mode::Immediate => Patience::Blocking {
                attempts: self.options.max_retries.saturating_add(1),
            },
        }
    }
}

/// A client. Cheap to make: nothing starts before the first request.
#[derive(Debug)]
pub struct Client {
    settings: Arc<Settings>,
    key: Arc<ArcSwapOption<ApiKey>>,
    policy: Arc<Policy>,
    state: ArcSwap<ClientState>,
}

/// The part of a client that belongs to one process.
#[derive(Debug)]
pub struct ClientState {
    number: u64,
    process: Arc<Process>,
    settings: Arc<Settings>,
    key: Arc<ArcSwapOption<ApiKey>>,
    /// The end of another key whose rows this client sends as well.
    inherits: ArcSwapOption<String>,
    policy: Arc<Policy>,
    lookup: Mutex<Lookup>,
    report: Mutex<Report>,
    /// Locked while the queue is, never the other way round.
    inbox: Mutex<Inbox>,
    queue: Mutex<Queue>,
    registered: AtomicBool,
    pressure: Pressure,
    fork_reported: AtomicBool,
}

impl Client {
    /// A client with these settings.
    #[must_use]
    pub fn new(settings: Settings, key: Option<ApiKey>) -> Self {
        Self::in_process(Process::current(), settings, key)
    }

    pub(super) fn in_process(
        process: Arc<Process>,
        settings: Settings,
        key: Option<ApiKey>,
    ) -> Self {
        let settings = Arc::new(settings);
        let policy = Arc::new(Policy::new(&settings.redaction, key.as_ref()));
        let key = Arc::new(ArcSwapOption::from_pointee(key));
        let state = ClientState::new(
            process,
            Arc::clone(&settings),
            Arc::clone(&key),
            Arc::clone(&policy),
        );
        Self {
            settings,
            key,
            policy,
            state: ArcSwap::from_pointee(state),
        }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The key requests are sent with from now on.
    #[must_use]
    pub fn key(&self) -> Option<Arc<ApiKey>> {
        self.key.load_full()
    }

    /// May requests be sent: is there a key, or need there be none because the server is local?
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.key.load().is_some() || self.settings.url.is_loopback()
    }

    /// Looks at once for what dead processes have left; sends also what they have recorded with
    /// another key: one whose end, as shown in messages, is `end`.
    pub fn inherit(&self, end: Option<&str>) {
        let state = self.state();
        state
            .inherits
            .store(end.map(|end| Arc::new(end.to_owned())));
        state.ensure_registered();
        state.queue().adopt_now();
        state.process.ensure_running();
        state.process.signal.ring();
    }

    /// Replaces the key of this client and of everything it has queued.
    pub fn set_key(&self, key: Option<ApiKey>) {
        if let Some(key) = &key {
            self.policy.hide(key);
        }
        self.key.store(key.map(Arc::new));
        let state = self.state();
        self.policy.forget();
        *lock(&state.lookup) = sealing::first_lookup(&self.policy);
        state.queue().rekeyed(Instant::now(), self.may_send());
        state.rekey_spool();
        state.process.signal.ring();
    }

    /// Which rules it redacts with.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The state in this process. After a fork the inherited one is leaked, never touched: its
    /// lock may be held by a thread that does not exist here.
    #[must_use]
    pub fn state(&self) -> Arc<ClientState> {
        let seen = self.state.load();
        if seen.process.pid() == std::process::id() {
            return Arc::clone(&seen);
        }
        let fresh = Arc::new(ClientState::new(
            Process::current(),
            Arc::clone(&self.settings),
            Arc::clone(&self.key),
            Arc::clone(&self.policy),
        ));
        let previous = self.state.compare_and_swap(&seen, Arc::clone(&fresh));
        if Arc::ptr_eq(&previous, &seen) {
            std::mem::forget(Arc::clone(&seen));
            fresh
        } else {
            Arc::clone(&previous)
        }
    }

    /// The state as it is, also if it belongs to another process.
    #[cfg(test)]
    pub(super) fn inherited(&self) -> Arc<ClientState> {
        self.state.load_full()
    }

    /// Queues a request. With `receipt` the outcome can be read later.
    pub fn submit(
        &self,
        kind: Kind,
        session: Arc<Session>,
        body: Body,
        receipt: bool,
    ) -> Option<Arc<Receipt>> {
        self.state().submit(kind, session, body, receipt)
    }

    /// Asks for a session, once: whoever asks waits for the answer and can ask again.
    pub fn fetch(&self, session: Arc<Session>) -> Option<Arc<Receipt>> {
        let patience = Patience::Blocking { attempts: 1 };
        let body = Body::Ready(Bytes::new());
        let state = self.state();
        state.submit_with(Kind::Fetch, session, body, true, patience)
    }

    /// Makes the delivery thread look at once.
    pub fn ring(&self) {
        self.state().process.signal.ring();
    }

    /// A call whose arguments cannot be sent.
    pub fn reject(&self, reason: DropReason) {
        let state = self.state();
        state.ensure_registered();
        let mut queue = state.queue();
        let counters = queue.counters_mut();
        counters.accepted += 1;
        counters.drop_one(reason);
    }

    /// A call on a client that is switched off.
    pub fn count_disabled(&self) {
        self.count(|counters| counters.disabled += 1);
    }

    /// An interaction was collected without having been finished.
    pub fn count_abandoned(&self) {
        self.count(|counters| counters.abandoned += 1);
    }

    fn count(&self, f: impl FnOnce(&mut Counters)) {
        let state = self.state();
        state.ensure_registered();
        f(state.queue().counters_mut());
    }
}
