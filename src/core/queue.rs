//! The queue of one client: its lanes, its bounds, and who may be sent next.
//!
//! Pure: no I/O, no threads; time and chance are passed in. What happens with the answers is in
//! [`super::settle`].

mod adopt;
mod bounds;
mod control;
mod exit;
mod flight;
mod index;
mod keep;
mod ready;
mod spill;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(in crate::core) use self::keep::Chores;
use self::keep::Keep;
use self::ready::Ready;
pub(in crate::core) use self::spill::Fill;
use super::concurrency::Concurrency;
use super::error::{DeliveryError, DropReason};
use super::health::{Gate, Health, State, Totals};
use super::lane::Lane;
use super::notices::{Level, Notice};
use super::options::SpoolMode;
use super::request::{Kind, Request};
use super::session::{Identity, Session};
use super::silence::Silence;
use super::stats::Counters;

/// Bounds and habits of a queue.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes that may wait, bodies plus a fixed overhead each.
    pub max_bytes: usize,
    /// Requests that may wait.
    pub max_items: usize,
    /// Requests in flight at first; adapted to what the server takes.
    pub max_in_flight: usize,
    /// Events of one session in flight at most.
    pub session_concurrency: usize,
    /// Retries of an answer without a usable session id.
    pub max_retries: u32,
    /// Every request has somebody waiting for it: no gate, no pause.
    pub immediate: bool,
    /// Whoever waits is told by an exception: no lines.
    pub told: bool,
    /// Hold events back: `(threshold, interval)`.
    pub batch: Option<(usize, Duration)>,
    /// What goes to disk.
    pub spool: SpoolMode,
}

/// Lanes that need the id of one session before they can go on.
#[derive(Debug)]
struct Dependants {
    session: Arc<Session>,
    lanes: BTreeSet<u64>,
}

/// Requests of one client between the call and its settlement.
#[derive(Debug)]
pub struct Queue {
    pub(super) limits: Limits,
    pub(super) lanes: HashMap<u64, Lane>,
    by_id: HashMap<Arc<str>, u64>,
    ready: Ready,
    oldest: BTreeSet<(u64, u64)>,
    /// Lanes with requests that wait in memory, by the number of the first.
    fronts: BTreeSet<(u64, u64)>,
    /// The same by the number of the first event, which is what is given up first.
    events: BTreeSet<(u64, u64)>,
    delayed: BTreeSet<(Instant, u64)>,
    held: HashSet<u64>,
    waiting_for: HashMap<u64, Dependants>,
    /// State of [`super::session::changes`] up to which `waiting_for` is served.
    heard: u64,
    released: u64,
    held_count: usize,
    held_since: Option<Instant>,
    next_seq: u64,
    bytes: usize,
    items: usize,
    in_flight: usize,
    overflowing: bool,
    /// The oldest requests are being moved to disk.
    spilling: bool,
    /// Lanes whose next request is on disk, by its number.
    on_disk: BTreeSet<(u64, u64)>,
    keep: Keep,
    /// The last request that met an outage; probes go on behind it, so that one request which
    /// breaks every connection cannot hold up the others for ever.
    pub(super) cursor: u64,
    pub(super) key_epoch: u64,
    /// There is no key to send with.
    locked: bool,
    pub(super) counters: Counters,
    pub(super) health: Health,
    pub(super) concurrency: Concurrency,
    pub(super) silence: Silence,
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
        let keep = Keep::new(limits.spool);
        let concurrency = Concurrency::new(limits.max_in_flight);
        Self {
            limits,
            lanes: HashMap::new(),
            by_id: HashMap::new(),
            ready: Ready::default(),
            oldest: BTreeSet::new(),
            fronts: BTreeSet::new(),
            events: BTreeSet::new(),
            delayed: BTreeSet::new(),
            held: HashSet::new(),
            waiting_for: HashMap::new(),
            heard: 0,
            released,
            held_count: 0,
            held_since: None,
            next_seq: 1,
            bytes: 0,
            items: 0,
            in_flight: 0,
            overflowing: false,
            spilling: false,
            on_disk: BTreeSet::new(),
            keep,
            cursor: 0,
            key_epoch: 0,
            locked: false,
            counters: Counters::default(),
            health: Health::default(),
            concurrency,
            silence: Silence::default(),
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
        request.since = Some(now);
        self.keep.began.get_or_insert(now);
        request.seq = self.next_seq;
        self.next_seq += 1;
        request.charged = request.weight();
        self.items += 1;
        self.bytes += request.charged;
        if request.session.identity() == Identity::Dead {
            self.forget(request, DropReason::SessionRejected, None);
            return false;
        }
        let (kind, seq) = (request.kind, request.seq);
        let key = self.lane_of(&request.session);
        request.lane = key;
        let lane = self
            .lanes
            .entry(key)
            .or_insert_with(|| Lane::new(Arc::clone(&request.session)));
        lane.creates |= kind == Kind::Create;
        // What dead processes have left waits behind everything of this one.
        let front = lane.waiting.front().is_none_or(|first| first.seq > seq);
        let first_event = kind == Kind::Event && lane.listed.event.is_none();
        lane.put_back(Box::new(request));
        if self.keep.every {
            self.note_unsaved(key, seq, now);
        }
        let released = self.hold(kind, now);
        if front || first_event {
            self.reindex(key, now);
        }
        self.shed(now);
        released
    }

    /// The lane a session's requests travel in: one for all handles of the same server session.
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
        self.refresh(now);
        if !self.has_room() && !self.ready.is_empty() {
            self.concurrency.crowded();
        }
        let (seq, key, probe) = loop {
            let probe = match self.gate(now) {
                Gate::Closed => return None,
                Gate::Probe => true,
                Gate::Open => false,
            };
            let (seq, key) = self.ready.next(probe.then_some(self.cursor), now)?;
            if !self.expire(key, now) {
                break (seq, key, probe);
            }
        };
        let lane = self.lanes.get_mut(&key)?;
        lane.listed.ready = None;
        let mut request = *lane.waiting.pop_front()?;
        self.ready.sent(seq, request.kind, now);
        lane.flying.push((request.seq, request.kind));
        self.in_flight += 1;
        request.key_epoch = self.key_epoch;
        if request.sent_at.replace(now).is_some() {
            self.counters.retries += 1;
        }
        if probe {
            self.health.probe_started(request.seq);
        }
        self.reindex(key, now);
        Some(request)
    }

    /// What time and other sessions have changed.
    pub(super) fn refresh(&mut self, now: Instant) {
        self.wake_delayed(now);
        self.wake_dependants(now);
        let totals = self.totals();
        if let Some(line) = self.health.calm(now, totals) {
            self.say(line.level, line.text);
        }
    }

    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.ready.next(None, now).is_some()
    }

    pub(super) fn gate(&self, now: Instant) -> Gate {
        if !self.has_room() {
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
            self.end_delay(at, key, now);
        }
    }

    fn end_delay(&mut self, at: Instant, key: u64, now: Instant) {
        self.delayed.remove(&(at, key));
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.listed.delayed = None;
            lane.not_before = None;
        }
        self.reindex(key, now);
    }

    /// When [`Queue::take`] may have something new without an event or an answer.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let delayed = self.delayed.first().map(|(at, _)| *at);
        // Above the limit, or without a gate, only an answer makes room: time changes nothing.
        let room = self.has_room();
        let gated = !self.limits.immediate && room;
        let probe = if gated && !(self.ready.is_empty() && self.on_disk.is_empty()) {
            let held = self.ready.held_until();
            self.health
                .next_probe()
                .map(|at| held.map_or(at, |held| at.max(held)))
        } else {
            None
        };
        // Where the gate is closed, the probe decides.
        let open = self.limits.immediate || self.health.state() == State::Up;
        let creation = if open && room {
            self.ready.deadline()
        } else {
            None
        };
        let held = match (self.held_since, self.limits.batch) {
            (Some(since), Some((_, interval))) if !self.held.is_empty() => Some(since + interval),
            _ => None,
        };
        let calm = self.health.calm_at();
        let all = [delayed, probe, creation, held, calm];
        all.into_iter().flatten().min()
    }

    pub(super) fn say(&mut self, level: Level, text: String) {
        if self.limits.told {
            return;
        }
        self.notices.push(Notice::new(level, text));
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            pending: self.counters.pending,
            dropped: self.counters.dropped_total(),
        }
    }
}
