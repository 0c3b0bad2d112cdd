//! One client of the API: its settings, its key, and its queue in this process.

mod calls;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;

use super::api_key::ApiKey;
use super::api_url::ApiUrl;
use super::clock;
use super::error::{DeliveryError, DropReason};
use super::exit;
use super::health::State;
use super::lookup::{self, Lookup, Question, Verdict};
use super::notices::{Level, Notice};
use super::options::{BatchOptions, Options, SpoolMode, SpoolPlaces};
use super::policy::{Policy, Redaction, Version};
use super::process::Process;
use super::queue::{Limits, Queue};
use super::receipt::Receipt;
use super::redact::{self, Report, Shape};
use super::reply::Reply;
use super::request::{Body, Kind, Patience, Request};
use super::session::Session;
use super::settle::Moment;
use super::spool::row::signed;
use super::spool::{Group, Job, Stamp, Task};
use super::stats::Counters;
use super::sync::lock;
use super::transport::{Attempt, Config};

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);
/// How long the server may take to hand out the organisation's rules.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Kept free in an event for the id of its session.
const ID_ROOM: usize = 128;

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
        let policy = Arc::new(Policy::new(&settings.redaction));
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
        self.key.store(key.map(Arc::new));
        let state = self.state();
        self.policy.forget();
        *lock(&state.lookup) = first_lookup(&self.policy);
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
        policy: Arc<Policy>,
    ) -> Self {
        let queue = Mutex::new(Queue::new(settings.limits()));
        let lookup = Mutex::new(first_lookup(&policy));
        Self {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            process,
            settings,
            key,
            inherits: ArcSwapOption::empty(),
            policy,
            lookup,
            report: Mutex::default(),
            queue,
            registered: AtomicBool::new(false),
            fork_reported: AtomicBool::new(false),
        }
    }

    /// Gives the body the final form in which it may leave memory: redacted, and within
    /// `max_event_bytes`. Done once for each version of the rules. If it fails the body is withheld.
    pub fn seal(&self, request: &mut Request) {
        let rules = self.policy.current();
        if request.sealed == Some(rules.number) {
            return;
        }
        let mut report = Report::default();
        request
            .body
            .rewrite(|json, shape| self.sealed(&rules, json, shape, &mut report));
        request.sealed = Some(rules.number);
        if !report.is_empty() {
            self.note(&report);
        }
    }

    fn sealed(
        &self,
        rules: &Version,
        json: &[u8],
        shape: Shape,
        report: &mut Report,
    ) -> Option<Vec<u8>> {
        let room = if shape == Shape::Tail { ID_ROOM } else { 0 };
        let max = self.settings.options.max_event_bytes.saturating_sub(room);
        let sealing = AssertUnwindSafe(|| rules.redactor.sealed(json, shape, max, report));
        std::panic::catch_unwind(sealing).unwrap_or_else(|_| Some(redact::withheld(shape)))
    }

    /// The body of a request as it may leave for somewhere else, where it is recorded as well: the
    /// same rules apply. What they do is in the report once, with the request itself.
    #[must_use]
    pub fn sealed_copy(&self, json: &[u8]) -> Option<Vec<u8>> {
        let rules = self.policy.current();
        self.sealed(&rules, json, Shape::Body, &mut Report::default())
    }

    /// Are the rules known that bodies are redacted with? Before that nothing may leave.
    #[must_use]
    pub fn knows_rules(&self) -> bool {
        !self.policy.must_ask()
    }

    /// Adds to what has been redacted for this client.
    pub fn note(&self, report: &Report) {
        lock(&self.report).add(report);
    }

    /// What has been redacted for this client in this process.
    #[must_use]
    pub fn report(&self) -> Report {
        lock(&self.report).clone()
    }

    pub(super) fn lookup(&self) -> Lookup {
        *lock(&self.lookup)
    }

    /// The question to ask the server now, if there is one and it may be asked.
    pub(super) fn ask(&self, now: Instant) -> Option<(Question, Attempt)> {
        let mut lookup = lock(&self.lookup);
        let mut queue = self.queue();
        if *lookup != Lookup::Wanted || !queue.take_lookup(now) {
            return None;
        }
        *lookup = Lookup::Asked;
        let key = self.key().as_deref().cloned();
        let question = Question {
            epoch: queue.key_epoch,
            key: key.clone(),
        };
        let attempt = Attempt {
            url: Arc::clone(&self.settings.url),
            key,
            method: "GET",
            path: lookup::PATH.to_owned(),
            body: Bytes::new(),
            idempotency_key: String::new(),
            made_at: SystemTime::now(),
            timeout: self.settings.options.timeout.min(LOOKUP_TIMEOUT),
        };
        Some((question, attempt))
    }

    /// The server has answered the question, or not.
    pub(super) fn answered(&self, question: &Question, reply: &Reply) {
        let at = Moment {
            now: Instant::now(),
            jitter: clock::jitter(),
            key: question.key.as_ref(),
        };
        let mut lookup = lock(&self.lookup);
        let verdict = self.queue().looked_up(reply, question.epoch, at);
        *lookup = match verdict {
            Verdict::Known(settings) => {
                for problem in self.policy.learn(settings) {
                    let text = format!("the organisation's PII settings: {problem}");
                    let notice = self.sign(&Notice::new(Level::Warning, text));
                    self.process.notices.park(notice);
                }
                Lookup::Settled
            }
            Verdict::Again => Lookup::Wanted,
            Verdict::Denied => Lookup::Denied,
            Verdict::Stale => return,
        };
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
        let now = Instant::now();
        queue.release(now);
        queue.save_now(now);
        let mark = queue.mark();
        drop(queue);
        self.process.signal.ring();
        mark
    }

    /// Can a flush up to `mark` end: is everything settled, or is delivery broken and what is to
    /// be on disk there?
    #[must_use]
    pub fn is_flushed(&self, mark: u64) -> bool {
        let queue = self.queue();
        queue.is_settled(mark) || (queue.health().is_broken() && queue.is_saved(mark))
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

    /// How the server is reached.
    #[must_use]
    pub fn transport_config(&self) -> Config {
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

    /// Where the spool may be.
    pub(super) fn spool_places(&self) -> &SpoolPlaces {
        &self.settings.options.spool_places
    }

    /// For whom rows are written: the address and a name of the key, never the key.
    pub(super) fn spool_stamp(&self) -> Stamp {
        let key = self.key();
        let fingerprint = key.as_deref().map_or_else(String::new, ApiKey::fingerprint);
        let end = match key.as_deref().map(ApiKey::suffix) {
            // Too short to show a part of it.
            Some(end) if end == "…" => format!("…{}", fingerprint.get(..4).unwrap_or_default()),
            Some(end) => end,
            None => "none".to_owned(),
        };
        Stamp {
            client: signed(self.number),
            url: self.settings.url.as_str().to_owned(),
            fingerprint,
            key_end: end,
        }
    }

    /// Does this client send rows of dead processes with this address and key?
    pub(super) fn adopts(&self, group: &Group) -> bool {
        let stamp = self.spool_stamp();
        let inherits = self.inherits.load();
        let inherited = inherits.as_deref().is_some_and(|end| group.is_of_key(end));
        group.url == stamp.url && (group.fingerprint == stamp.fingerprint || inherited)
    }

    fn rekey_spool(self: &Arc<Self>) {
        if self.registered.load(Ordering::Acquire) && self.settings.options.spool != SpoolMode::Off
        {
            let (client, task) = (Arc::clone(self), Task::Rekey);
            self.process.spool.post(&self.process, Job { client, task });
        }
    }

    /// One attempt at a request, whose body is sealed: nothing leaves by another way.
    pub(super) fn attempt(&self, request: &mut Request, idempotency_key: String) -> Attempt {
        self.seal(request);
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

fn first_lookup(policy: &Policy) -> Lookup {
    if policy.must_ask() {
        Lookup::Wanted
    } else {
        Lookup::Settled
    }
}
