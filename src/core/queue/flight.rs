//! Requests in flight: how many there may be, and what becomes of those without an answer.

use std::time::Instant;

use super::Queue;
use crate::core::error::{DeliveryError, DropReason};
use crate::core::receipt::Outcome;
use crate::core::request::Request;
use crate::core::silence::Look;
use crate::core::spool::row::RowRef;

impl Queue {
    /// May one more be in flight?
    pub(in crate::core) fn has_room(&self) -> bool {
        // Immediate calls wait already; each is bounded by its own attempts.
        let limit = if self.limits.immediate {
            self.limits.max_in_flight
        } else {
            self.concurrency.limit()
        };
        !self.locked && self.in_flight < limit
    }

    /// The request came back from the wire; the key of its lane. None if it was given up meanwhile.
    pub(in crate::core) fn landed(&mut self, request: &mut Request, now: Instant) -> Option<u64> {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.ready.landed(request.seq, now);
        self.silence.landed(request.seq);
        let key = request.lane;
        if let Some(None) = self.keep.flying.remove(&request.seq) {
            request.row = Some(RowRef::own(request.number));
        }
        let flying = self.lanes.get_mut(&key).and_then(|lane| {
            let at = lane
                .flying
                .iter()
                .position(|(seq, _)| *seq == request.seq)?;
            Some(lane.flying.swap_remove(at))
        });
        if flying.is_none() {
            self.bytes = self.bytes.saturating_sub(request.charged);
            self.health.probe_landed(request.seq);
            if let Some(receipt) = request.receipt.take() {
                receipt.settle(Outcome::Failed(DeliveryError::Dropped(DropReason::Exit)));
            }
            return None;
        }
        // In immediate delivery each call probes for itself.
        request.probe = self.health.probe_landed(request.seq) || self.limits.immediate;
        Some(key)
    }

    /// What the request `seq`, sent at `sent` and not answered yet, can do. When nothing has been
    /// answered for some seconds, delivery is down.
    pub(in crate::core) fn look(&mut self, seq: u64, sent: Instant, now: Instant) -> Look {
        let look = self.silence.look(seq, sent, now);
        let silent = look == Look::Probe && self.silence.is_outage(sent, now);
        if silent && !self.limits.immediate {
            let quiet = self.silence.quiet(sent, now).as_secs();
            let reason = format!("no answer for {quiet} s");
            let totals = self.totals();
            if let Some(line) = self.health.silent(now, seq, &reason, totals) {
                self.last_error = Some(reason);
                self.say(line.level, line.text);
            }
        }
        look
    }

    /// Has nothing been answered since `sent`?
    pub(in crate::core) fn is_silent_since(&self, sent: Instant) -> bool {
        self.silence.is_silent_since(sent)
    }
}
