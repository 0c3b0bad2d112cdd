//! What the outside may ask and do besides pushing and taking.

use std::sync::Arc;
use std::time::Instant;

use super::Queue;
use crate::core::error::{DeliveryError, DropReason};
use crate::core::health::Health;
use crate::core::notices::Notice;
use crate::core::request::{Kind, Request};
use crate::core::session::Session;
use crate::core::stats::Counters;

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
        self.items == 0 && self.keep.out == 0 && !self.has_backlog()
    }

    /// Nothing is left to do, on disk either: the queue can be let go of.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_drained() && self.keep.is_tidy()
    }

    /// Number of the newest request; the mark a flush waits for.
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.next_seq - 1
    }

    /// Is everything up to `mark` settled?
    #[must_use]
    pub fn is_settled(&self, mark: u64) -> bool {
        self.oldest.first().is_none_or(|(seq, _)| *seq > mark)
    }

    /// Bytes in memory: those that wait, that are in flight, and that are on their way to disk.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes + self.keep.transit.1
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

    /// The client got another key. What the old one met no longer counts, nor do answers to
    /// requests that are still on their way with it.
    ///
    /// Without one, and with a server that needs one, nothing is sent until there is another.
    pub fn rekeyed(&mut self, now: Instant, may_send: bool) {
        self.key_epoch += 1;
        self.locked = !may_send;
        self.reported.clear();
        // What the old key met is settled by the new one.
        let refused =
            |error: &DeliveryError| matches!(error, DeliveryError::Api(api) if api.status == 401);
        self.failures.take_if(|(error, _)| refused(error));
        self.health.rekeyed(now);
        self.look_again();
    }

    /// The process is about to end: nothing is held back any longer, every delay is over.
    pub fn hurry(&mut self, now: Instant) {
        self.release(now);
        self.health.retry_now(now);
        while let Some((at, key)) = self.delayed.first().copied() {
            self.end_delay(at, key, now);
        }
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

    /// A request comes back without an answer because its delivery thread died.
    pub(in crate::core) fn returned(&mut self, mut request: Request, now: Instant) {
        if let Some(key) = self.landed(&mut request, now) {
            self.put_back(request, now);
            self.reindex(key, now);
        }
    }

    /// The delivery thread died. What was in flight has been [`returned`](Self::returned); what it
    /// held in its hands at that moment is lost, counted, and no lane waits for it.
    pub fn crashed(&mut self) {
        let now = Instant::now();
        self.health.probe_lost();
        self.silence.clear();
        let (mut items, mut bytes, mut orphans) = (0, 0, Vec::new());
        let mut adopted = 0;
        for lane in self.lanes.values_mut() {
            lane.flying.clear();
            items += lane.waiting.len();
            adopted += lane.waiting.iter().filter(|r| r.is_adopted()).count();
            bytes += lane.waiting.iter().map(|r| r.charged).sum::<usize>();
            let created = || lane.waiting.iter().any(|r| r.kind == Kind::Create);
            let on_disk = lane.spooled.as_ref().is_some_and(|spooled| spooled.create);
            if lane.creates && lane.session.is_pending() && !created() && !on_disk {
                orphans.push(Arc::clone(&lane.session));
            }
        }
        self.keep.flying.clear();
        self.keep.adopted = adopted;
        let own = (items - adopted) as u64 + self.keep.out + self.keep.leaving;
        let lost = self.counters.pending.saturating_sub(own);
        for _ in 0..lost {
            self.counters.drop_one(DropReason::GaveUp);
        }
        (self.items, self.bytes, self.in_flight) = (items, bytes, 0);
        self.counters.pending = own;
        self.rebuild(now);
        for session in orphans {
            self.bury(&session, DropReason::SessionRejected, None, now);
        }
    }
}
