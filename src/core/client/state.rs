//! The part of a client that belongs to one process: its queue, and who waits for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use arc_swap::ArcSwapOption;

use super::inbox::{Inbox, Then};
use super::pressure::Pressure;
use super::sealing::first_lookup;
use super::{ClientState, Mode, Settings};
use crate::core::api_key::ApiKey;
use crate::core::error::{DeliveryError, DropReason};
use crate::core::exit;
use crate::core::health::State;
use crate::core::notices::{Level, Notice};
use crate::core::policy::Policy;
use crate::core::process::{Process, salt};
use crate::core::queue::Queue;
use crate::core::receipt::Receipt;
use crate::core::request::{Body, Kind, Patience, Request};
use crate::core::session::Session;
use crate::core::sync::{lock, try_lock};

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

impl ClientState {
    pub(super) fn new(
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
            inbox: Mutex::new(Inbox::default()),
            queue,
            registered: AtomicBool::new(false),
            pressure: Pressure::default(),
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

    /// The queue, locked, with everything in it that has been queued.
    pub fn queue(&self) -> MutexGuard<'_, Queue> {
        let mut queue = lock(&self.queue);
        self.empty_inbox(&mut queue);
        queue
    }

    /// Puts what has been queued into its lanes. Callers need not wait meanwhile.
    fn empty_inbox(&self, queue: &mut Queue) {
        let mut inbox = lock(&self.inbox);
        if inbox.is_empty() {
            return;
        }
        let mut requests = inbox.take();
        drop(inbox);
        let last = requests.last().map(|(_, now)| *now);
        let salt = salt();
        for (mut request, now) in requests.drain(..) {
            request.salt = salt;
            queue.push(request, now);
        }
        if let Some(now) = last {
            self.pressure.note(queue.pressure(now));
        }
        lock(&self.inbox).give_back(requests);
    }

    /// Queues a request. With `receipt` the outcome can be read later.
    pub fn submit(
        self: &Arc<Self>,
        kind: Kind,
        session: Arc<Session>,
        body: Body,
        receipt: bool,
    ) -> Option<Arc<Receipt>> {
        self.submit_with(kind, session, body, receipt, self.settings.patience())
    }

    pub(super) fn submit_with(
        self: &Arc<Self>,
        kind: Kind,
        session: Arc<Session>,
        body: Body,
        receipt: bool,
        patience: Patience,
    ) -> Option<Arc<Receipt>> {
        let pid = self.process.pid();
        if session.lost_at_fork(pid) {
            self.lost_at_fork();
            return None;
        }
        let mut request = Request::new(kind, session, body, patience);
        request.number = self.process.next_number();
        let receipt = receipt.then(|| Receipt::new(pid));
        request.receipt.clone_from(&receipt);
        self.push(request);
        receipt
    }

    fn push(self: &Arc<Self>, mut request: Request) {
        self.ensure_registered();
        if self.pressure.is_high() {
            // Here, not on the delivery thread: a burst that it alone has to redact before the disk
            // takes it fills the queue.
            self.seal(&mut request);
        }
        let urgent = self.put(request);
        self.process.ensure_running();
        if urgent {
            self.process.signal.ring();
        } else {
            self.process.signal.queued();
        }
    }

    /// Should the caller wait for the disk before its next call?
    #[must_use]
    pub fn takes_turn_to_wait(&self) -> bool {
        self.pressure.takes_turn()
    }

    /// Waits, within a bound, until the disk has caught up; see [`Pressure`].
    pub fn wait_for_disk(&self) {
        Pressure::wait(|| self.queue().pressure(Instant::now()));
    }

    /// Puts a request into the queue, or before it; returns whether the delivery thread should look
    /// at once.
    fn put(&self, mut request: Request) -> bool {
        let now = Instant::now();
        if self.settings.mode == Mode::Immediate || self.settings.batch.is_some() {
            request.salt = salt();
            let urgent = self.queue().push(request, now);
            return urgent && self.settings.batch.is_some();
        }
        let then = lock(&self.inbox).put(request, now);
        match then {
            Then::Go => {}
            // Whoever is there has the rest of the work to do anyway.
            Then::EmptyIfFree => {
                if let Some(mut queue) = try_lock(&self.queue) {
                    self.empty_inbox(&mut queue);
                }
            }
            Then::Empty => drop(self.queue()),
        }
        false
    }

    pub(super) fn ensure_registered(self: &Arc<Self>) {
        if !self.registered.swap(true, Ordering::AcqRel) {
            self.process.register(Arc::clone(self));
            // Another thread may have queued a request before the client was on the list.
            self.process.signal.ring();
        }
    }

    pub(super) fn lost_at_fork(self: &Arc<Self>) {
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

    pub(in crate::core) fn or_longer(&self, patience: exit::Patience) -> exit::Patience {
        let options = &self.settings.options;
        patience.or_longer(options.shutdown_timeout, options.shutdown_max)
    }
}
