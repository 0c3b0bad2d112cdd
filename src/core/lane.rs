//! The requests of one session, in call order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::request::{Kind, Request};
use super::session::{Identity, Session};

/// What a lane can do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing waits, or the requests in flight must be answered first.
    Nothing,
    /// The request with this number may be sent.
    Ready(u64),
    /// Not before this time.
    Delayed(Instant),
    /// An event held back by batching.
    Held,
    /// The id of the session with this key is needed first.
    Waits(u64),
}

/// Where the queue's indexes currently list a lane.
#[derive(Debug, Default)]
pub struct Listed {
    pub ready: Option<u64>,
    pub oldest: Option<u64>,
    pub delayed: Option<Instant>,
    pub held: bool,
}

/// The lane of one session.
#[derive(Debug)]
pub struct Lane {
    /// Whose lane it is.
    pub session: Arc<Session>,
    /// Requests not in flight, ascending by `seq`.
    pub waiting: VecDeque<Request>,
    /// Requests in flight; at most `session_concurrency`.
    pub flying: Vec<(u64, Kind)>,
    /// Back-off after a failure that concerns this lane only.
    pub not_before: Option<Instant>,
    /// Whoever created the session no longer wants it.
    pub abandoned: bool,
    /// Index entries.
    pub listed: Listed,
}

impl Lane {
    pub fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            waiting: VecDeque::new(),
            flying: Vec::new(),
            not_before: None,
            abandoned: false,
            listed: Listed::default(),
        }
    }

    /// Nothing waits and nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_empty()
    }

    /// The smallest number not settled yet.
    pub fn oldest(&self) -> Option<u64> {
        let waiting = self.waiting.front().map(|r| r.seq);
        let flying = self.flying.iter().map(|(seq, _)| *seq).min();
        match (waiting, flying) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// What can be done next. Creates and completions travel alone; events may overlap up to
    /// `concurrency`.
    pub fn next(&self, now: Instant, released: u64, concurrency: usize) -> Next {
        let Some(front) = self.waiting.front() else {
            return Next::Nothing;
        };
        if !self.flying.is_empty() {
            let events_only = front.kind == Kind::Event
                && self.flying.iter().all(|(_, kind)| *kind == Kind::Event);
            if !events_only || self.flying.len() >= concurrency {
                return Next::Nothing;
            }
        }
        if front.kind == Kind::Event && front.seq > released {
            return Next::Held;
        }
        if let Some(at) = self.not_before.filter(|at| *at > now) {
            return Next::Delayed(at);
        }
        if let Some(parent) = front.body.waits_for() {
            return Next::Waits(parent.key());
        }
        if front.kind != Kind::Create && self.session.identity() == Identity::Pending {
            return Next::Waits(self.session.key());
        }
        Next::Ready(front.seq)
    }

    /// Puts a request back where call order wants it.
    pub fn put_back(&mut self, request: Request) {
        let at = self.waiting.partition_point(|r| r.seq < request.seq);
        self.waiting.insert(at, request);
    }

    /// Takes the oldest request that can be given up when memory is short: an event, else
    /// whatever waits behind the create request.
    pub fn shed(&mut self) -> Option<Request> {
        let at = self
            .waiting
            .iter()
            .position(|r| r.kind == Kind::Event)
            .or_else(|| self.waiting.iter().position(|r| r.kind != Kind::Create))?;
        self.waiting.remove(at)
    }
}
