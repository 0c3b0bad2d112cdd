//! One client of the API: its settings, its key, and its queue in this process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;

use super::api_key::ApiKey;
use super::api_url::ApiUrl;
use super::error::{DeliveryError, DropReason};
use super::exit;
use super::health::State;
use super::notices::{Level, Notice};
use super::options::{BatchOptions, Options};
use super::process::Process;
use super::queue::{Limits, Queue};
use super::receipt::Receipt;
use super::request::{Body, Kind, Patience, Request};
use super::session::Session;
use super::stats::Counters;
use super::sync::lock;
use super::transport::{Attempt, Config};

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
    state: ArcSwap<ClientState>,
}

/// The part of a client that belongs to one process.
#[derive(Debug)]
pub struct ClientState {
    process: Arc<Process>,
    settings: Arc<Settings>,
    key: Arc<ArcSwapOption<ApiKey>>,
    queue: Mutex<Queue>,
    registered: AtomicBool,
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
        let key = Arc::new(ArcSwapOption::from_pointee(key));
        let state = ClientState::new(process, Arc::clone(&settings), Arc::clone(&key));
        Self {
            settings,
            key,
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

    /// Replaces the key of this client and of everything it has queued.
    pub fn set_key(&self, key: Option<ApiKey>) {
        self.key.store(key.map(Arc::new));
        let state = self.state();
        state.queue().rekeyed(Instant::now(), self.may_send());
        state.process.signal.ring();
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
        self.submit_with(kind, session, body, receipt, self.settings.patience())
    }

    /// Asks for a session, once: whoever asks waits for the answer and can ask again.
    pub fn fetch(&self, session: Arc<Session>) -> Option<Arc<Receipt>> {
        let patience = Patience::Blocking { attempts: 1 };
        self.submit_with(
            Kind::Fetch,
            session,
            Body::Ready(Bytes::new()),
            true,
            patience,
        )
    }

    fn submit_with(
        &self,
        kind: Kind,
        session: Arc<Session>,
        body: Body,
        receipt: bool,
        patience: Patience,
    ) -> Option<Arc<Receipt>> {
        let state = self.state();
        if session.lost_at_fork(state.process.pid()) {
            state.lost_at_fork();
            return None;
        }
        let mut request = Request::new(kind, session, body, patience);
        request.number = state.process.next_number();
        let receipt = receipt.then(Receipt::new);
        request.receipt.clone_from(&receipt);
        state.push(request);
        receipt
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

impl ClientState {
    fn new(
        process: Arc<Process>,
        settings: Arc<Settings>,
        key: Arc<ArcSwapOption<ApiKey>>,
    ) -> Self {
        let queue = Mutex::new(Queue::new(settings.limits()));
        Self {
            process,
            settings,
            key,
            queue,
            registered: AtomicBool::new(false),
            fork_reported: AtomicBool::new(false),
        }
    }

    /// The process this state belongs to.
    #[must_use]
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// The settings of the client.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The queue, locked.
    pub fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    fn push(self: &Arc<Self>, request: Request) {
        self.ensure_registered();
        let immediate = self.settings.mode == Mode::Immediate;
        let released = self.queue().push(request, Instant::now());
        self.process.ensure_running();
        if released && !immediate {
            self.process.signal.ring();
        } else {
            self.process.signal.queued();
        }
    }

    fn ensure_registered(self: &Arc<Self>) {
        if !self.registered.swap(true, Ordering::AcqRel) {
            self.process.register(Arc::clone(self));
            // Another thread may have queued a request before the client was on the list.
            self.process.signal.ring();
        }
    }

    fn lost_at_fork(self: &Arc<Self>) {
        self.ensure_registered();
        let mut queue = self.queue();
        let counters = queue.counters_mut();
        counters.accepted += 1;
        counters.drop_one(DropReason::UnresolvedAtFork);
        drop(queue);
        if !self.fork_reported.swap(true, Ordering::AcqRel) {
            let text = "calls on a session begun before the fork are dropped: its id was not known yet and only the parent process learns it";
            self.process
                .notices
                .park(self.sign(&Notice::new(Level::Warning, text.to_owned())));
        }
    }

    /// Everything the client has queued up to now; see [`ClientState::is_settled`].
    #[must_use]
    pub fn begin_flush(&self) -> u64 {
        let mut queue = self.queue();
        queue.release(Instant::now());
        let mark = queue.mark();
        drop(queue);
        self.process.signal.ring();
        mark
    }

    /// Is everything up to `mark` delivered or dropped?
    #[must_use]
    pub fn is_settled(&self, mark: u64) -> bool {
        self.queue().is_settled(mark)
    }

    /// Is waiting pointless for now: server down, or key refused?
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.queue().health().is_broken()
    }

    /// Health of delivery.
    #[must_use]
    pub fn health(&self) -> State {
        self.queue().health().state()
    }

    /// The first failure since the last call and how many there were.
    #[must_use]
    pub fn take_failures(&self) -> Option<(DeliveryError, u64)> {
        self.queue().take_failures()
    }

    /// Whoever asked for this session no longer waits.
    pub fn withdraw(&self, session: &Arc<Session>) {
        self.queue().withdraw(session, Instant::now());
        // Sessions begun below it go on without it.
        self.process.signal.ring();
        self.process.announce();
    }

    pub(super) fn or_longer(&self, patience: exit::Patience) -> exit::Patience {
        let options = &self.settings.options;
        patience.or_longer(options.shutdown_timeout, options.shutdown_max)
    }

    pub(super) fn is_debug(&self) -> bool {
        self.settings.debug
    }

    pub(super) fn key(&self) -> Option<Arc<ApiKey>> {
        self.key.load_full()
    }

    pub(super) fn transport_config(&self) -> Config {
        let options = &self.settings.options;
        let url = &self.settings.url;
        let proxies = options.proxies.clone();
        Config {
            ca_file: options.ca_file.clone(),
            proxy: options.proxy.clone(),
            proxies: if url.is_loopback() {
                proxies.for_loopback()
            } else {
                proxies
            },
            tls: url.as_str().starts_with("https:"),
        }
    }

    pub(super) fn attempt(&self, request: &mut Request, idempotency_key: String) -> Attempt {
        Attempt {
            url: Arc::clone(&self.settings.url),
            key: self.key().as_deref().cloned(),
            method: request.kind.method(),
            path: request.path().into_owned(),
            body: request.body.wire(),
            idempotency_key,
            made_at: request.made_at,
            timeout: self.settings.options.timeout,
        }
    }

    /// A line with the address it is about.
    pub(super) fn sign(&self, notice: &Notice) -> Notice {
        Notice::new(
            notice.level,
            format!("{}: {}", self.settings.url.as_str(), notice.text),
        )
    }
}
