//! The queue of one client: its lanes, its bounds, and who may be sent next.
//!
//! Pure: no I/O, no threads; time and chance are passed in. What happens with the answers is in
//! [`super::settle`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::{DeliveryError, DropReason};
use super::health::{Gate, Health, Totals};
use super::lane::{Lane, Next};
use super::notices::{Level, Notice};
use super::overflow;
use super::receipt::Outcome;
use super::request::{Kind, Request};
use super::session::{Identity, Session};
use super::stats::Counters;

/// Bounds and habits of a queue.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes that may wait, bodies plus a fixed overhead each.
    pub max_bytes: usize,
    /// Requests that may wait.
    pub max_items: usize,
    /// Requests in flight at most.
    pub max_in_flight: usize,
    /// Events of one session in flight at most.
    pub session_concurrency: usize,
    /// Retries of an answer without a usable session id.
    pub max_retries: u32,
    /// Every request has somebody waiting for it: no gate, no pause.
    pub immediate: bool,
    /// Hold events back: `(threshold, interval)`.
    pub batch: Option<(usize, Duration)>,
}

/// Requests of one client between the call and its settlement.
#[derive(Debug)]
pub struct Queue {
    pub(super) limits: Limits,
    pub(super) lanes: HashMap<u64, Lane>,
    by_id: HashMap<Arc<str>, u64>,
    ready: BTreeMap<u64, u64>,
    oldest: BTreeMap<u64, u64>,
    delayed: BTreeSet<(Instant, u64)>,
    held: HashSet<u64>,
    waiting_for: HashMap<u64, Vec<u64>>,
    released: u64,
    held_count: usize,
    held_since: Option<Instant>,
    next_seq: u64,
    bytes: usize,
    items: usize,
    in_flight: usize,
    overflowing: bool,
    pub(super) counters: Counters,
    pub(super) health: Health,
    pub(super) reported: HashSet<(Kind, u16)>,
    pub(super) last_error: Option<String>,
    pub(super) failures: Option<(DeliveryError, u64)>,
    notices: Vec<Notice>,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let released = if limits.batch.is_some() { 0 } else { u64::MAX };
        Self {
            limits,
            lanes: HashMap::new(),
            by_id: HashMap::new(),
            ready: BTreeMap::new(),
            oldest: BTreeMap::new(),
            delayed: BTreeSet::new(),
            held: HashSet::new(),
            waiting_for: HashMap::new(),
            released,
            held_count: 0,
            held_since: None,
            next_seq: 1,
            bytes: 0,
            items: 0,
            in_flight: 0,
            overflowing: false,
            counters: Counters::default(),
            health: Health::default(),
            reported: HashSet::new(),
            last_error: None,
            failures: None,
            notices: Vec::new(),
        }
    }

    /// Accepts a request. Returns whether the delivery thread should look at once.
    pub fn push(&mut self, mut request: Request, now: Instant) -> bool {
        self.counters.accepted += 1;
        self.counters.pending += 1;
        request.seq = self.next_seq;
        self.next_seq += 1;
        self.items += 1;
        self.bytes += request.weight();
        if request.session.identity() == Identity::Dead {
            self.forget(request, DropReason::SessionRejected, None);
            return false;
        }
        let kind = request.kind;
        let key = self.lane_of(&request.session);
        request.lane = key;
        let lane = self
            .lanes
            .entry(key)
            .or_insert_with(|| Lane::new(Arc::clone(&request.session)));
        let front = lane.waiting.is_empty();
        lane.waiting.push_back(request);
        let released = self.hold(kind, now);
        if front && self.lanes.contains_key(&key) {
            self.reindex(key, now);
        }
        self.shed(now);
        released
    }

    fn lane_of(&mut self, session: &Arc<Session>) -> u64 {
        let Some(id) = session.id() else {
            return session.key();
        };
        if let Some(key) = self.by_id.get(id) {
            return *key;
        }
        self.by_id.insert(Arc::clone(id), session.key());
        session.key()
    }

    /// Batching: counts held events, lets go at the threshold and before a completion.
    fn hold(&mut self, kind: Kind, now: Instant) -> bool {
        let Some((threshold, _)) = self.limits.batch else {
            return false;
        };
        if kind == Kind::Create {
            return false;
        }
        if kind == Kind::Event {
            self.held_count += 1;
            self.held_since.get_or_insert(now);
            if self.held_count < threshold {
                return false;
            }
        }
        self.release(now);
        true
    }

    /// Lets every held event go.
    pub fn release(&mut self, now: Instant) {
        if self.limits.batch.is_none() {
            return;
        }
        self.released = self.next_seq - 1;
        self.held_count = 0;
        self.held_since = None;
        for key in std::mem::take(&mut self.held) {
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.listed.held = false;
            }
            self.reindex(key, now);
        }
    }

    /// Takes the next request to send, or nothing if none may be sent at `now`.
    pub fn take(&mut self, now: Instant) -> Option<Request> {
        self.wake_delayed(now);
        let probe = match self.gate(now) {
            Gate::Closed => return None,
            Gate::Probe => true,
            Gate::Open => false,
        };
        let (_, key) = self.ready.pop_first()?;
        let lane = self.lanes.get_mut(&key)?;
        lane.listed.ready = None;
        let mut request = lane.waiting.pop_front()?;
        lane.flying.push((request.seq, request.kind));
        self.in_flight += 1;
        request.probe = probe;
        if probe {
            self.health.probe_started();
        }
        self.reindex(key, now);
        Some(request)
    }

    fn gate(&self, now: Instant) -> Gate {
        if self.in_flight >= self.limits.max_in_flight {
            Gate::Closed
        } else if self.limits.immediate {
            Gate::Open
        } else {
            self.health.gate(now)
        }
    }

    fn wake_delayed(&mut self, now: Instant) {
        if let (Some(since), Some((_, interval))) = (self.held_since, self.limits.batch)
            && now.saturating_duration_since(since) >= interval
        {
            self.release(now);
        }
        while let Some((at, key)) = self.delayed.first().copied() {
            if at > now {
                break;
            }
            self.delayed.pop_first();
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.listed.delayed = None;
                lane.not_before = None;
            }
            self.reindex(key, now);
        }
    }

    /// When [`Queue::take`] may have something new without an event or an answer.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let delayed = self.delayed.first().map(|(at, _)| *at);
        let probe = if self.ready.is_empty() {
            None
        } else {
            self.health.next_probe()
        };
        let held = match (self.held_since, self.limits.batch) {
            (Some(since), Some((_, interval))) => Some(since + interval),
            _ => None,
        };
        [delayed, probe, held].into_iter().flatten().min()
    }

    /// Brings the indexes up to date with a lane that changed.
    pub(super) fn reindex(&mut self, key: u64, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        let next = lane.next(now, self.released, self.limits.session_concurrency);
        let oldest = lane.oldest();
        let listed = &mut lane.listed;
        if listed.oldest != oldest {
            if let Some(seq) = std::mem::replace(&mut listed.oldest, oldest) {
                self.oldest.remove(&seq);
            }
            if let Some(seq) = oldest {
                self.oldest.insert(seq, key);
            }
        }
        let ready = if let Next::Ready(seq) = next {
            Some(seq)
        } else {
            None
        };
        if listed.ready != ready {
            if let Some(seq) = std::mem::replace(&mut listed.ready, ready) {
                self.ready.remove(&seq);
            }
            if let Some(seq) = ready {
                self.ready.insert(seq, key);
            }
        }
        let delayed = if let Next::Delayed(at) = next {
            Some(at)
        } else {
            None
        };
        if listed.delayed != delayed {
            if let Some(at) = std::mem::replace(&mut listed.delayed, delayed) {
                self.delayed.remove(&(at, key));
            }
            if let Some(at) = delayed {
                self.delayed.insert((at, key));
            }
        }
        let held = next == Next::Held;
        if listed.held != held {
            listed.held = held;
            if held {
                self.held.insert(key)
            } else {
                self.held.remove(&key)
            };
        }
        if let Next::Waits(session) = next {
            let lanes = self.waiting_for.entry(session).or_default();
            if !lanes.contains(&key) {
                lanes.push(key);
            }
        }
        if lane.is_idle() && lane.session.identity() != Identity::Pending {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: u64) {
        if let Some(lane) = self.lanes.remove(&key)
            && let Some(id) = lane.session.id()
            && self.by_id.get(id) == Some(&key)
        {
            self.by_id.remove(id);
        }
    }

    /// The session got its id, or never will: its own lane and those that need its id go on.
    pub(super) fn identified(&mut self, session: &Arc<Session>, now: Instant) {
        if let Some(id) = session.id() {
            self.by_id
                .entry(Arc::clone(id))
                .or_insert_with(|| session.key());
        }
        for key in self.waiting_for.remove(&session.key()).unwrap_or_default() {
            self.reindex(key, now);
        }
        self.reindex(session.key(), now);
    }

    /// Gives requests up, oldest first, until the bounds hold again.
    fn shed(&mut self, now: Instant) {
        if self.items <= self.limits.max_items && self.bytes <= self.limits.max_bytes {
            let half = |bound: usize| bound / 2;
            if self.items <= half(self.limits.max_items)
                && self.bytes <= half(self.limits.max_bytes)
            {
                self.overflowing = false;
            }
            return;
        }
        if !self.overflowing {
            self.overflowing = true;
            self.say(
                Level::Warning,
                format!(
                    "the queue is full ({} requests, {} bytes): the oldest events are dropped until delivery catches up",
                    self.items, self.bytes
                ),
            );
        }
        while self.items > self.limits.max_items || self.bytes > self.limits.max_bytes {
            // Lanes with nothing to give have their requests in flight, so they are few.
            let lanes = self.limits.max_in_flight + 2;
            let gave = (0..lanes).any(|nth| {
                let key = self.oldest.values().nth(nth).copied();
                key.is_some_and(|key| self.shed_from(key, now))
            });
            if !gave {
                break;
            }
        }
    }

    fn shed_from(&mut self, key: u64, now: Instant) -> bool {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return false;
        };
        if let Some(request) = lane.shed() {
            self.overflow(request, DropReason::QueueFull);
            self.reindex(key, now);
            return true;
        }
        if lane.flying.is_empty() && !lane.waiting.is_empty() {
            // Only the create request is left: the session is lost as a whole.
            let session = Arc::clone(&lane.session);
            self.bury(&session, DropReason::QueueFull, None, now);
            return true;
        }
        false
    }

    /// A request leaves memory undelivered, through the one place for that.
    pub(super) fn overflow(&mut self, request: Request, reason: DropReason) {
        self.settled(&request);
        overflow::take(request, reason, &mut self.counters);
    }

    /// Drops a request that the server, or the caller, does not want.
    pub(super) fn forget(
        &mut self,
        request: Request,
        reason: DropReason,
        error: Option<DeliveryError>,
    ) {
        self.settled(&request);
        self.counters.drop_one(reason);
        let error = error.unwrap_or(DeliveryError::Dropped(reason));
        if let Some((_, count)) = &mut self.failures {
            *count += 1;
        } else {
            self.failures = Some((error.clone(), 1));
        }
        if let Some(receipt) = request.receipt {
            receipt.settle(Outcome::Failed(error));
        }
    }

    /// The session will never exist: everything that waits for it is dropped.
    pub(super) fn bury(
        &mut self,
        session: &Arc<Session>,
        reason: DropReason,
        error: Option<&DeliveryError>,
        now: Instant,
    ) {
        session.kill();
        if let Some(lane) = self.lanes.get_mut(&session.key()) {
            for request in std::mem::take(&mut lane.waiting) {
                self.forget(request, reason, error.cloned());
            }
        }
        self.identified(session, now);
    }

    pub(super) fn settled(&mut self, request: &Request) {
        self.items -= 1;
        self.bytes = self.bytes.saturating_sub(request.weight());
        self.counters.pending -= 1;
    }

    /// The request came back from the wire.
    pub(super) fn landed(&mut self, request: &Request) -> u64 {
        self.in_flight -= 1;
        let key = request.lane;
        if let Some(lane) = self.lanes.get_mut(&key)
            && let Some(at) = lane.flying.iter().position(|(seq, _)| *seq == request.seq)
        {
            lane.flying.swap_remove(at);
        }
        key
    }

    pub(super) fn say(&mut self, level: Level, text: String) {
        self.notices.push(Notice::new(level, text));
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            pending: self.counters.pending,
            dropped: self.counters.dropped_total(),
        }
    }
}

/// What the outside may ask and do besides pushing and taking.
impl Queue {
    /// The counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Counts something that is not a request in the queue.
    pub fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// Health of delivery.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Nothing waits and nothing is in flight.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.items == 0
    }

    /// Number of the newest request; the mark a flush waits for.
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.next_seq - 1
    }

    /// Is everything up to `mark` settled?
    #[must_use]
    pub fn is_settled(&self, mark: u64) -> bool {
        self.oldest
            .first_key_value()
            .is_none_or(|(seq, _)| *seq > mark)
    }

    /// Bytes that wait or are in flight.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The last failure, in words.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// The first failure since the last call, and how many there were.
    pub fn take_failures(&mut self) -> Option<(DeliveryError, u64)> {
        self.failures.take()
    }

    /// Lines to log.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The client got another key.
    pub fn rekeyed(&mut self, now: Instant) {
        self.health.rekeyed(now);
    }

    /// The process is about to end: nothing is held back any longer.
    pub fn hurry(&mut self, now: Instant) {
        self.release(now);
        self.health.retry_now(now);
    }

    /// Whoever asked for this session has stopped waiting for its id.
    pub fn withdraw(&mut self, session: &Arc<Session>, now: Instant) {
        if session.id().is_some() {
            return;
        }
        let Some(lane) = self.lanes.get_mut(&session.key()) else {
            return;
        };
        if lane.flying.is_empty() {
            self.bury(session, DropReason::CreateAbandoned, None, now);
        } else {
            lane.abandoned = true;
        }
    }

    /// Gives up everything that waits; the process ends.
    pub fn abandon_all(&mut self) -> u64 {
        let mut count = 0;
        for lane in self
            .lanes
            .values_mut()
            .map(|lane| std::mem::take(&mut lane.waiting))
            .collect::<Vec<_>>()
        {
            for request in lane {
                self.overflow(request, DropReason::Exit);
                count += 1;
            }
        }
        self.ready.clear();
        self.delayed.clear();
        self.held.clear();
        count
    }

    /// The delivery thread died with everything in flight.
    pub fn crashed(&mut self) {
        for key in self.lanes.keys().copied().collect::<Vec<_>>() {
            let lost = self
                .lanes
                .get_mut(&key)
                .map(|lane| std::mem::take(&mut lane.flying));
            for _ in lost.unwrap_or_default() {
                self.items -= 1;
                self.in_flight -= 1;
                self.counters.pending -= 1;
                self.counters.drop_one(DropReason::GaveUp);
            }
            self.reindex(key, Instant::now());
        }
        self.health.probe_ended();
    }
}
