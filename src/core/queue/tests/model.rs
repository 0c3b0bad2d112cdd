//! Random interleavings of everything that can happen, against a server that remembers.

mod soak;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::disk::{Disk, row};
use super::{Bench, limits, refused, status, status_after};
use crate::core::error::DeliveryError;
use crate::core::health::State;
use crate::core::lane::{Lane, Next};
use crate::core::options::SpoolMode;
use crate::core::queue::{Limits, Queue};
use crate::core::receipt::{Outcome, Receipt};
use crate::core::reply::{Answer, Failure, Reply};
use crate::core::request::{Body, Kind, Request};
use crate::core::session::Session;

#[derive(Debug, Clone)]
enum Op {
    Begin {
        parent: Option<usize>,
    },
    Known {
        name: u8,
    },
    Call {
        session: usize,
        kind: Kind,
    },
    Take {
        count: usize,
    },
    Settle {
        which: usize,
        act: Act,
    },
    Pass {
        millis: u64,
    },
    Flush,
    Withdraw {
        session: usize,
    },
    Rekey,
    Hurry,
    Crash {
        lost: usize,
    },
    Abandon,
    /// The delivery thread does its chores.
    Chores,
    /// The spool thread does some work.
    Disk {
        tasks: usize,
        full: bool,
    },
}

/// What the server, or the net before it, does with one attempt.
#[derive(Debug, Clone)]
enum Act {
    Accept,
    /// Accepts a new session under a name that may exist already.
    AcceptAs(u8),
    /// Accepts, but the answer does not come through.
    AcceptUnheard,
    Nameless,
    Answer(u16, Option<u64>),
    Refuse,
    Hang,
    /// Something on the way answers with its own page.
    Portal,
}

fn op() -> impl Strategy<Value = Op> {
    let session = 0..8_usize;
    let kind = prop_oneof![
        6 => Just(Kind::Event),
        2 => Just(Kind::Complete),
        1 => Just(Kind::Update),
    ];
    prop_oneof![
        6 => proptest::option::weighted(0.3, session.clone()).prop_map(|parent| Op::Begin { parent }),
        2 => (0..3_u8).prop_map(|name| Op::Known { name }),
        20 => (session.clone(), kind).prop_map(|(session, kind)| Op::Call { session, kind }),
        15 => (1..6_usize).prop_map(|count| Op::Take { count }),
        25 => (0..16_usize, act()).prop_map(|(which, act)| Op::Settle { which, act }),
        10 => (0..40_000_u64).prop_map(|millis| Op::Pass { millis }),
        2 => Just(Op::Flush),
        2 => session.prop_map(|session| Op::Withdraw { session }),
        1 => Just(Op::Rekey),
        1 => Just(Op::Hurry),
        1 => (0..4_usize).prop_map(|lost| Op::Crash { lost }),
        1 => Just(Op::Abandon),
        10 => Just(Op::Chores),
        10 => (1..4_usize, proptest::bool::weighted(0.05)).prop_map(|(tasks, full)| Op::Disk { tasks, full }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let bad = proptest::sample::select(vec![
        302_u16, 400, 401, 403, 404, 407, 408, 409, 413, 425, 429, 500, 500, 501, 502, 503, 511,
        520,
    ]);
    prop_oneof![
        20 => Just(Act::Accept),
        2 => (0..3_u8).prop_map(Act::AcceptAs),
        3 => Just(Act::AcceptUnheard),
        1 => Just(Act::Nameless),
        10 => (bad, proptest::option::weighted(0.3, 0..60_u64)).prop_map(|(code, after)| Act::Answer(code, after)),
        4 => Just(Act::Refuse),
        2 => Just(Act::Hang),
        2 => Just(Act::Portal),
    ]
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let batch =
        proptest::option::weighted(0.3, (1..6_usize, (1..20_u64).prop_map(Duration::from_secs)));
    let spool =
        proptest::sample::select(vec![SpoolMode::Off, SpoolMode::Spill, SpoolMode::Durable]);
    (
        1..6_usize,
        12..60_usize,
        1..4_usize,
        batch,
        any::<bool>(),
        spool,
    )
        .prop_map(
            |(in_flight, items, concurrency, batch, immediate, spool)| Limits {
                max_bytes: 300 * items,
                max_items: items,
                max_in_flight: in_flight,
                session_concurrency: concurrency,
                immediate: immediate && batch.is_none() && spool == SpoolMode::Off,
                batch,
                spool,
                ..limits()
            },
        )
}

struct Call {
    session: usize,
    kind: Kind,
    /// The server session it was known to belong to when it was made.
    named: Option<Arc<str>>,
    receipt: Arc<Receipt>,
    /// Lost in a crash: nobody settles its receipt here.
    lost: bool,
}

struct World {
    bench: Bench,
    sessions: Vec<Arc<Session>>,
    calls: Vec<Call>,
    flying: Vec<(Request, Option<u32>)>,
    /// What the server has done, in its order: numbers of calls.
    done: Vec<usize>,
    ids: HashMap<usize, String>,
    /// Grows whenever the client becomes healthy again.
    episode: u32,
    disk: Disk,
    /// The process has come to its end once; sessions left on disk are never named here.
    abandoned: bool,
}

impl World {
    fn new(limits: Limits) -> Self {
        Self {
            bench: Bench::with(limits),
            sessions: Vec::new(),
            calls: Vec::new(),
            flying: Vec::new(),
            done: Vec::new(),
            ids: HashMap::new(),
            episode: 0,
            disk: Disk::default(),
            abandoned: false,
        }
    }

    fn queue(&self) -> &Queue {
        &self.bench.queue
    }

    fn apply(&mut self, op: Op) {
        let now = self.bench.now;
        let was = self.queue().health().state();
        match op {
            Op::Begin { parent } => {
                let session = Session::pending();
                let parent = parent.and_then(|nth| self.sessions.get(nth)).cloned();
                let body = parent.map_or_else(
                    || Body::Ready(Bytes::from_static(b"{}")),
                    |parent| led("parentSessionId", parent),
                );
                self.sessions.push(Arc::clone(&session));
                self.call(self.sessions.len() - 1, Kind::Create, body);
            }
            Op::Known { name } => self.sessions.push(Session::known(&format!("k{name}"))),
            Op::Call { session, kind } => {
                // The newest sessions are the interesting ones.
                let count = self.sessions.len();
                if session < count {
                    let nth = count - 1 - session;
                    let body = led("sessionId", Arc::clone(&self.sessions[nth]));
                    self.call(nth, kind, body);
                }
            }
            Op::Take { count } => {
                for _ in 0..count {
                    self.take();
                }
            }
            Op::Settle { which, act } => {
                if !self.flying.is_empty() {
                    let (request, _) = self.flying.swap_remove(which % self.flying.len());
                    let reply = self.serve(&request, &act);
                    self.bench.settle(request, reply);
                }
            }
            Op::Pass { millis } => self.bench.now += Duration::from_millis(millis),
            Op::Flush => self.bench.queue.release(now),
            Op::Withdraw { session } => {
                if let Some(session) = self.sessions.get(session) {
                    self.bench.queue.withdraw(&Arc::clone(session), now);
                }
            }
            Op::Rekey => self.bench.queue.rekeyed(now, true),
            Op::Hurry => self.bench.queue.hurry(now),
            Op::Crash { lost } => {
                for (nth, (request, _)) in std::mem::take(&mut self.flying).into_iter().enumerate()
                {
                    if nth < lost {
                        self.calls[number(&request)].lost = true;
                    } else {
                        self.bench.queue.returned(request, now);
                    }
                }
                self.bench.queue.crashed();
            }
            Op::Abandon => {
                // What is in flight is given up as well, and its answer ignored.
                for (request, _) in &self.flying {
                    self.calls[number(request)].lost = true;
                }
                let rest = self.bench.queue.evacuate(now);
                self.bench.queue.left(rest.requests.len() as u64, u64::MAX);
                self.bench.queue.closed();
                self.disk.leave(rest);
                self.abandoned = self.queue().keep.is_on();
            }
            Op::Chores => self.disk.fetch(&mut self.bench.queue, now),
            Op::Disk { tasks, full } => {
                for _ in 0..tasks {
                    self.disk.work(&mut self.bench.queue, full, now);
                }
            }
        }
        if was != State::Up && self.queue().health().state() == State::Up {
            self.episode += 1;
        }
    }

    fn call(&mut self, session: usize, kind: Kind, body: Body) {
        let handle = Arc::clone(&self.sessions[session]);
        let named = handle.id().cloned();
        let receipt = self.bench.push_body(kind, &handle, body);
        self.calls.push(Call {
            session,
            kind,
            named,
            receipt,
            lost: false,
        });
    }

    fn take(&mut self) -> bool {
        let healthy = self.queue().limits.immediate || self.queue().health().state() == State::Up;
        let Some(request) = self.bench.take() else {
            return false;
        };
        let call = &self.calls[number(&request)];
        assert!(
            call.receipt.outcome().is_none(),
            "sent after it was settled"
        );
        assert!(matches!(&request.body, Body::Ready(_)));
        assert!(
            request.kind == Kind::Create || request.session.id().is_some(),
            "sent without an id"
        );
        let probe = (!healthy).then_some(self.episode);
        let mut request = request;
        if self.queue().must_save(&request) {
            let row = row(&mut request);
            self.bench.queue.in_flight_as(request.seq, row);
        }
        self.flying.push((request, probe));
        true
    }

    fn serve(&mut self, request: &Request, act: &Act) -> Reply {
        let number = number(request);
        let fresh = format!("s{number}");
        let name = match act {
            Act::AcceptAs(name) => format!("k{name}"),
            _ => fresh,
        };
        match act {
            Act::Accept | Act::AcceptAs(_) | Act::AcceptUnheard | Act::Nameless => {
                // The first answer to an Idempotency-Key is the one.
                if !self.done.contains(&number) {
                    self.done.push(number);
                }
                let id = self.ids.entry(number).or_insert(name).clone();
                let body = match act {
                    Act::AcceptUnheard => {
                        return Reply::Failed(Failure::Timeout("no answer".to_owned()));
                    }
                    Act::Nameless => Bytes::new(),
                    _ => Bytes::from(format!("{{\"id\":\"{id}\"}}")),
                };
                Reply::Answer(Answer {
                    status: 200,
                    body,
                    ..Answer::default()
                })
            }
            Act::Answer(code, after) => status_after(*code, *after),
            Act::Refuse => refused(),
            Act::Hang => Reply::Failed(Failure::Timeout("hangs".to_owned())),
            Act::Portal => Reply::Answer(Answer {
                status: 200,
                page: true,
                body: Bytes::from_static(b"<html>"),
                ..Answer::default()
            }),
        }
    }

    /// What must hold whenever nobody is inside the queue.
    fn check(&self) {
        let queue = self.queue();
        let counters = queue.counters();
        let (accepted, dropped) = (self.calls.len() as u64, counters.dropped_total());
        assert_eq!(counters.accepted, accepted);
        assert_eq!(
            accepted,
            counters.delivered + counters.pending + counters.spooled + dropped
        );
        let keep = &queue.keep;
        assert_eq!(
            counters.pending,
            queue.items as u64 + keep.out + keep.leaving
        );
        let out: u64 = queue.lanes.values().map(Lane::on_disk).sum();
        assert_eq!(keep.out, out);
        let (mut answered, mut failed) = (0, 0);
        for call in &self.calls {
            match call.receipt.outcome() {
                Some(Outcome::Answer(_)) => answered += 1,
                Some(Outcome::Failed(_)) => failed += 1,
                None => failed += u64::from(call.lost),
            }
        }
        assert_eq!(
            (answered, failed),
            (counters.delivered, dropped + counters.spooled)
        );
        assert!(queue.items <= queue.limits.max_items);
        assert!(queue.bytes <= queue.limits.max_bytes);
        assert_eq!(queue.in_flight, self.flying.len());
        assert!(queue.in_flight <= queue.limits.max_in_flight);
        if queue.health().state() != State::Up {
            let probes = |(_, probe): &&(Request, Option<u32>)| *probe == Some(self.episode);
            assert!(self.flying.iter().filter(probes).count() <= 1);
        }
        let known = |request: &&Request| !self.calls[number(request)].lost;
        let flying: Vec<_> = self.flying.iter().map(|(r, _)| r).filter(known).collect();
        // Also what was given up is in memory until it comes back.
        let carried = self.flying.iter().map(|(r, _)| r.charged).sum();
        check_indexes(queue, self.bench.now, &flying, carried);
    }

    /// The order in which the server did things is the order in which they were called.
    fn check_order(&self) {
        let strict = self.queue().limits.session_concurrency == 1;
        let mut groups: HashMap<String, Vec<usize>> = HashMap::new();
        // What was given up in flight may arrive at any time later.
        for number in self.done.iter().filter(|number| !self.calls[**number].lost) {
            let call = &self.calls[*number];
            let handle = format!("handle {}", call.session);
            groups.entry(handle).or_default().push(*number);
            if let Some(id) = &call.named {
                groups.entry(format!("id {id}")).or_default().push(*number);
            }
        }
        for (group, numbers) in groups {
            for (at, number) in numbers.iter().enumerate() {
                if strict || self.calls[*number].kind != Kind::Event {
                    let overtaken = numbers[..at].iter().any(|other| other > number)
                        || numbers[at..].iter().any(|other| other < number);
                    assert!(!overtaken, "{group}: {numbers:?}");
                }
            }
        }
    }

    /// From now on the server works: everything is delivered or dropped, and nothing is left.
    /// Gives the [`Self::totals`].
    fn finish(mut self) -> (usize, u64) {
        for _ in 0..100_000 {
            while self.take() {}
            if let Some((request, _)) = self.flying.pop() {
                let reply = self.serve(&request, &Act::Accept);
                self.bench.settle(request, reply);
                continue;
            }
            if self.queue().is_drained() {
                break;
            }
            let now = self.bench.now;
            self.disk.fetch(&mut self.bench.queue, now);
            let mut worked = false;
            while self.disk.work(&mut self.bench.queue, false, now) {
                worked = true;
            }
            if worked {
                continue;
            }
            if self.abandoned {
                self.check();
                return self.totals();
            }
            let at = [self.queue().next_deadline(), self.queue().next_chores()];
            let at = at.into_iter().flatten().min();
            let at = at.unwrap_or_else(|| panic!("nothing will ever happen: {:?}", self.queue()));
            assert!(at > self.bench.now, "the thread would spin");
            self.bench.now = at;
        }
        let later = self.bench.now + Duration::from_secs(1);
        self.disk.fetch(&mut self.bench.queue, later);
        while self.disk.work(&mut self.bench.queue, false, later) {}
        self.check();
        self.check_order();
        for (number, call) in self.calls.iter().enumerate() {
            let number = i64::try_from(number).expect("small") + 1;
            let spooled = matches!(
                call.receipt.outcome(),
                Some(Outcome::Failed(DeliveryError::Spooled))
            );
            assert!(
                call.lost || spooled || !self.disk.has(number),
                "{number} is still on disk"
            );
        }
        let queue = self.queue();
        assert!(queue.is_drained());
        assert!(queue.is_settled(queue.mark()));
        assert_eq!((queue.bytes, queue.counters().pending), (0, 0));
        assert!(queue.lanes.is_empty(), "{:?}", queue.lanes);
        assert!(queue.by_id.is_empty() && queue.waiting_for.is_empty());
        assert_eq!(queue.next_deadline(), None);
        for call in &self.calls {
            assert!(call.lost || call.receipt.outcome().is_some());
        }
        self.totals()
    }

    /// How much the server has done, and how much counts as delivered.
    fn totals(&self) -> (usize, u64) {
        (self.done.len(), self.queue().counters().delivered)
    }
}

fn led(field: &'static str, session: Arc<Session>) -> Body {
    let tail = b",\"name\":\"n\"}".to_vec();
    Body::Led {
        field,
        session,
        tail,
    }
}

fn number(request: &Request) -> usize {
    usize::try_from(request.number).expect("small") - 1
}

fn check_indexes(queue: &Queue, now: std::time::Instant, flying: &[&Request], carried: usize) {
    let (mut items, mut bytes) = (0, 0);
    let listed = |f: fn(&Lane) -> Option<u64>| -> Vec<(u64, u64)> {
        let mut all: Vec<_> = queue
            .lanes
            .iter()
            .filter_map(|(key, lane)| f(lane).map(|seq| (seq, *key)))
            .collect();
        all.sort_unstable();
        all
    };
    let pairs = |index: &BTreeSet<(u64, u64)>| -> Vec<_> { index.iter().copied().collect() };
    assert_eq!(queue.ready.pairs(), listed(|lane| lane.listed.ready));
    assert_eq!(pairs(&queue.oldest), listed(|lane| lane.listed.oldest));
    assert_eq!(pairs(&queue.fronts), listed(|lane| lane.listed.front));
    assert_eq!(pairs(&queue.events), listed(|lane| lane.listed.event));
    assert_eq!(pairs(&queue.on_disk), listed(|lane| lane.listed.on_disk));
    for (key, lane) in &queue.lanes {
        assert!(!lane.is_idle());
        assert!(lane.waiting.iter().is_sorted_by_key(|r| r.seq));
        assert!(lane.waiting.iter().all(|r| r.lane == *key));
        assert_eq!(lane.listed.oldest, lane.oldest());
        assert_eq!(lane.listed.front, lane.waiting.front().map(|r| r.seq));
        assert_eq!(lane.listed.event, lane.first_event());
        let mine = flying.iter().filter(|r| r.lane == *key);
        let mine: BTreeSet<_> = mine.map(|r| r.seq).collect();
        let known: BTreeSet<_> = lane.flying.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(mine, known);
        items += lane.waiting.len() + lane.flying.len();
        bytes += lane.waiting.iter().map(|r| r.charged).sum::<usize>();
        let next = lane.next(now, queue.released, queue.limits.session_concurrency);
        let entry = &lane.listed;
        // A delay that has just ended is noticed by the next look.
        let due = entry.delayed.is_some_and(|at| at <= now);
        let right = match next {
            Next::Nothing => entry.ready.is_none() && entry.delayed.is_none() && !entry.held,
            Next::Ready(seq) => entry.ready == Some(seq) || due,
            Next::Delayed(at) => entry.delayed == Some(at),
            Next::Held => entry.held || due,
            Next::Waits(session) => entry.waits == Some(session.key()) || due,
            Next::OnDisk(seq) => entry.on_disk == Some(seq) || due,
        };
        assert!(right, "{lane:?}");
        let places = [
            entry.ready.is_some(),
            entry.delayed.is_some(),
            entry.held,
            entry.waits.is_some(),
        ];
        assert!(places.iter().filter(|listed| **listed).count() <= 1);
        if let Some(session) = entry.waits {
            assert!(queue.waiting_for[&session].lanes.contains(key));
        }
    }
    bytes += carried;
    assert_eq!((queue.items, queue.bytes), (items, bytes));
    let held: HashSet<u64> = queue
        .lanes
        .iter()
        .filter(|(_, lane)| lane.listed.held)
        .map(|(key, _)| *key)
        .collect();
    assert_eq!(queue.held, held);
    let delayed: BTreeSet<_> = queue
        .lanes
        .iter()
        .filter_map(|(key, lane)| lane.listed.delayed.map(|at| (at, *key)))
        .collect();
    assert_eq!(queue.delayed, delayed);
    for (session, dependants) in &queue.waiting_for {
        assert!(!dependants.lanes.is_empty());
        for key in &dependants.lanes {
            assert_eq!(queue.lanes[key].listed.waits, Some(*session));
        }
    }
    for (id, key) in &queue.by_id {
        assert_eq!(queue.lanes[key].session.id(), Some(id));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_doubled_reordered_or_stuck(
        limits in any_limits(),
        ops in proptest::collection::vec(op(), 1..150),
    ) {
        let mut world = World::new(limits);
        for op in ops {
            world.apply(op);
            world.check();
        }
        world.check_order();
        let _ = world.finish();
    }
}

#[test]
fn the_model_notices_a_request_that_is_gone() {
    let mut world = World::new(limits());
    world.apply(Op::Begin { parent: None });
    world.take();
    drop(world.flying.pop());
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.check()));
    assert!(seen.is_err());
    let _ = status(200);
}
