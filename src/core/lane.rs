//! The requests of one session, in call order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::request::{Kind, Request};
use super::session::Session;

/// An event is expected among so many requests at the front: behind the creation of its session,
/// and behind an update or two.
const EVENT_AMONG: usize = 4;

/// What a lane can do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing waits, or the requests in flight must be answered first.
    Nothing,
    /// The request with this number may be sent.
    Ready(u64),
    /// Not before this time.
    Delayed(Instant),
    /// An event held back by batching.
    Held,
    /// The id of this session is needed first.
    Waits(Arc<Session>),
    /// What comes next is on disk, from this number on.
    OnDisk(u64),
}

/// Where the queue's indexes currently list a lane.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) ready: Option<u64>,
    pub(super) oldest: Option<u64>,
    pub(super) front: Option<u64>,
    pub(super) event: Option<u64>,
    pub(super) delayed: Option<Instant>,
    pub(super) held: bool,
    pub(super) waits: Option<u64>,
    pub(super) on_disk: Option<u64>,
}

/// Requests of a lane that are on disk only. No other request on disk has a number in between.
#[derive(Debug)]
pub(super) struct Spooled {
    /// How many.
    pub(super) count: u64,
    /// None of them has a smaller number.
    pub(super) first: u64,
    /// None has a larger one.
    pub(super) last: u64,
    /// The creation of the session is among them.
    pub(super) create: bool,
    /// They are being read.
    pub(super) loading: bool,
}

/// The lane of one session.
#[derive(Debug)]
pub(super) struct Lane {
    /// Whose lane it is.
    pub(super) session: Arc<Session>,
    /// Requests not in flight, ascending by `seq`. Boxed: the reserve of a long queue is then
    /// bytes per request, not hundreds.
    pub(super) waiting: VecDeque<Box<Request>>,
    /// Requests in flight; at most `session_concurrency`.
    pub(super) flying: Vec<(u64, Kind)>,
    /// Back-off after a failure that concerns this lane only.
    pub(super) not_before: Option<Instant>,
    /// The session's create request came this way, so its id is learnt here or nowhere.
    pub(super) creates: bool,
    /// Whoever created the session no longer wants it.
    pub(super) abandoned: bool,
    /// What has been moved to disk.
    pub(super) spooled: Option<Spooled>,
    /// Index entries.
    pub(super) listed: Listed,
}

impl Lane {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            waiting: VecDeque::new(),
            flying: Vec::new(),
            not_before: None,
            creates: false,
            abandoned: false,
            spooled: None,
            listed: Listed::default(),
        }
    }

    /// Nothing waits, here or on disk, and nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_empty() && self.spooled.is_none()
    }

    /// The smallest number not settled yet.
    pub(super) fn oldest(&self) -> Option<u64> {
        let waiting = self.waiting.front().map(|r| r.seq);
        let flying = self.flying.iter().map(|(seq, _)| *seq).min();
        let spooled = self.spooled.as_ref().map(|spooled| spooled.first);
        [waiting, flying, spooled].into_iter().flatten().min()
    }

    /// What can be done next. Creates and completions travel alone; events may overlap up to
    /// `concurrency`.
    pub(super) fn next(&self, now: Instant, released: u64, concurrency: usize) -> Next {
        let spooled = self.spooled.as_ref();
        let on_disk = spooled.filter(|s| self.waiting.front().is_none_or(|r| s.first <= r.seq));
        if let Some(spooled) = on_disk {
            return self.next_on_disk(spooled, now);
        }
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
        if front.kind == Kind::Event && front.seq > released && !front.is_adopted() {
            return Next::Held;
        }
        if let Some(at) = self.not_before.filter(|at| *at > now) {
            return Next::Delayed(at);
        }
        if let Some(parent) = front.body.waits_for() {
            return Next::Waits(Arc::clone(parent));
        }
        if front.kind != Kind::Create && self.session.is_pending() {
            return Next::Waits(Arc::clone(&self.session));
        }
        Next::Ready(front.seq)
    }

    fn next_on_disk(&self, spooled: &Spooled, now: Instant) -> Next {
        if let Some(at) = self.not_before.filter(|at| *at > now) {
            Next::Delayed(at)
        } else if self.session.is_pending() && !spooled.create {
            Next::Waits(Arc::clone(&self.session))
        } else {
            Next::OnDisk(spooled.first)
        }
    }

    /// Requests that are on disk only.
    #[cfg(test)]
    pub(super) fn on_disk(&self) -> u64 {
        self.spooled.as_ref().map_or(0, |spooled| spooled.count)
    }

    /// Notes a request that goes to disk.
    pub(super) fn moves(&mut self, request: &Request) {
        let seq = request.seq;
        let spooled = self.spooled.get_or_insert(Spooled {
            count: 0,
            first: seq,
            last: seq,
            create: false,
            loading: false,
        });
        spooled.count += 1;
        spooled.first = spooled.first.min(seq);
        spooled.last = spooled.last.max(seq);
        spooled.create |= request.kind == Kind::Create;
    }

    /// Notes that requests have come back from disk, or are lost there.
    pub(super) fn came_back(&mut self, count: u64) {
        if let Some(spooled) = &mut self.spooled {
            spooled.count = spooled.count.saturating_sub(count);
            if spooled.count == 0 {
                self.spooled = None;
            }
        }
    }

    /// The waiting request with this number.
    pub(super) fn find(&mut self, seq: u64) -> Option<&mut Request> {
        let at = self.waiting.binary_search_by_key(&seq, |r| r.seq).ok()?;
        self.waiting.get_mut(at).map(AsMut::as_mut)
    }

    /// The first waiting event, as far as it need not be looked for.
    pub(super) fn first_event(&self) -> Option<u64> {
        let mut front = self.waiting.iter().take(EVENT_AMONG);
        let event = front.find(|r| r.kind == Kind::Event);
        event.map(|r| r.seq)
    }

    /// Puts a request back where call order wants it.
    pub(super) fn put_back(&mut self, request: Box<Request>) {
        let at = self.waiting.partition_point(|r| r.seq < request.seq);
        self.waiting.insert(at, request);
    }

    /// Takes in the waiting requests of another lane of the same session.
    pub(super) fn absorb(&mut self, requests: VecDeque<Box<Request>>) {
        self.waiting.extend(requests);
        self.waiting.make_contiguous().sort_by_key(|r| r.seq);
    }

    /// Can anything be given up? Not while the only request is a creation in flight.
    pub(super) fn can_shed(&self) -> bool {
        !self.waiting.is_empty()
            && (self.flying.is_empty() || self.waiting.iter().any(|r| r.kind != Kind::Create))
    }

    /// Takes the oldest request that can be given up when memory is short: an event, else
    /// whatever waits behind the create request.
    pub(super) fn shed(&mut self) -> Option<Box<Request>> {
        let at = self
            .waiting
            .iter()
            .position(|r| r.kind == Kind::Event)
            .or_else(|| self.waiting.iter().position(|r| r.kind != Kind::Create))?;
        self.waiting.remove(at)
    }
}
