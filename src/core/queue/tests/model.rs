//! Random interleavings of everything that can happen, against a server that remembers.

mod indexes;
mod ops;
mod soak;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use self::indexes::check_indexes;
use self::ops::{Act, Op, any_limits, op};
use super::disk::{Disk, row};
use super::{Bench, limits, refused, status_after};
use crate::core::error::DeliveryError;
use crate::core::health::State;
use crate::core::lane::Lane;
use crate::core::queue::{Limits, Queue};
use crate::core::receipt::{Outcome, Receipt};
use crate::core::reply::{Answer, Failure, Reply};
use crate::core::request::{Body, Kind, Request};
use crate::core::session::Session;

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
            // What is still on its way to disk at the end has been given up in memory.
            (
                counters.delivered,
                dropped + counters.spooled + keep.left_before
            )
        );
        assert!(queue.items <= queue.limits.max_items);
        assert!(queue.bytes <= queue.limits.max_bytes);
        assert_eq!(queue.in_flight, self.flying.len());
        assert!(queue.in_flight <= queue.concurrency.ceiling());
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
        let over = queue.health.calm_at();
        assert_eq!(
            queue.next_deadline(),
            over,
            "only a line is left to be said"
        );
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
}
