//! How requests leave the queue without having been delivered.

use std::sync::Arc;
use std::time::Instant;

use super::Queue;
use crate::core::error::{DeliveryError, DropReason};
use crate::core::lane::Lane;
use crate::core::notices::Level;
use crate::core::receipt::Outcome;
use crate::core::request::{Kind, Request};
use crate::core::session::Session;

impl Queue {
    /// Gives requests up, oldest first, until the bounds hold again.
    pub(super) fn shed(&mut self, now: Instant) {
        if !self.is_over() {
            // Half empty in both measures: at the bound itself it would be a line per request.
            let (items, bytes) = (self.limits.max_items / 2, self.limits.max_bytes / 2);
            if self.items <= items && self.bytes <= bytes {
                self.overflowing = false;
            }
            return;
        }
        if !std::mem::replace(&mut self.overflowing, true) {
            self.say(
                Level::Warning,
                format!(
                    "the queue is full ({} requests, {} bytes): the oldest events are dropped until delivery catches up",
                    self.items, self.bytes
                ),
            );
        }
        while self.is_over() {
            let before = self.items;
            if let Some(key) = self.next_to_shed() {
                self.shed_from(key, now);
            }
            if self.items == before {
                break;
            }
        }
    }

    /// The lane of the oldest event: sessions outlive their events, or all that follows would be
    /// lost with them. Without any event, the oldest lane that can give something.
    fn next_to_shed(&self) -> Option<u64> {
        if let Some((_, key)) = self.events.first() {
            return Some(*key);
        }
        // Lanes with nothing to give have their requests in flight, so they are few.
        let oldest = self.fronts.iter().map(|(_, key)| *key);
        let mut oldest = oldest.take(self.concurrency.ceiling() + 2);
        oldest.find(|key| self.lanes.get(key).is_some_and(Lane::can_shed))
    }

    fn is_over(&self) -> bool {
        let (items, bytes) = self.keep.charged();
        self.items + items > self.limits.max_items || self.bytes + bytes > self.limits.max_bytes
    }

    fn shed_from(&mut self, key: u64, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        if let Some(request) = lane.shed() {
            self.overflow(*request, DropReason::QueueFull);
            self.reindex(key, now);
        } else {
            // Only the create request is left: the session is lost as a whole.
            let session = Arc::clone(&lane.session);
            self.bury(&session, DropReason::QueueFull, None, now);
        }
    }

    /// Gives up the next request of a lane if it is too old; false if it is not. A session whose
    /// creation is too old is given up as a whole.
    pub(super) fn expire(&mut self, key: u64, now: Instant) -> bool {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return false;
        };
        let first = lane.waiting.front();
        if !first.is_some_and(|first| first.is_too_old(now)) {
            return false;
        }
        let Some(request) = lane.waiting.pop_front() else {
            return false;
        };
        let request = *request;
        let session = Arc::clone(&lane.session);
        let creates = request.kind == Kind::Create;
        self.forget(request, DropReason::TooOld, None);
        if creates {
            self.bury(&session, DropReason::TooOld, None, now);
        }
        self.reindex(key, now);
        true
    }

    /// A request leaves memory undelivered and unwritten.
    pub(super) fn overflow(&mut self, request: Request, reason: DropReason) {
        self.settled(&request);
        self.count_drop(&request, reason);
        if let Some(receipt) = request.receipt {
            receipt.settle(Outcome::Failed(DeliveryError::Dropped(reason)));
        }
    }

    /// Drops a request that the server, or the caller, does not want.
    pub(in crate::core) fn forget(
        &mut self,
        request: Request,
        reason: DropReason,
        error: Option<DeliveryError>,
    ) {
        self.settled(&request);
        self.count_drop(&request, reason);
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
    pub(in crate::core) fn bury(
        &mut self,
        session: &Arc<Session>,
        reason: DropReason,
        error: Option<&DeliveryError>,
        now: Instant,
    ) {
        session.kill();
        if let Some(lane) = self.lanes.get_mut(&session.key()) {
            let on_disk = lane.spooled.take().map_or(0, |spooled| spooled.count);
            for request in std::mem::take(&mut lane.waiting) {
                self.forget(*request, reason, error.cloned());
            }
            if on_disk > 0 {
                self.bury_on_disk(session.key(), on_disk, reason, now);
            }
        }
        self.identified(session, now);
    }

    pub(in crate::core) fn settled(&mut self, request: &Request) {
        // Saturating: a defect in the accounting must not turn into a queue that is full for ever.
        self.items = self.items.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(request.charged);
        if request.is_adopted() {
            self.keep.adopted = self.keep.adopted.saturating_sub(1);
            self.keep.adopted_settled += 1;
        } else {
            self.counters.pending = self.counters.pending.saturating_sub(1);
        }
        if let Some(row) = request.row {
            self.keep.forget(row, request, Instant::now());
        }
    }

    /// Counts a request that is given up; those of other processes are not in the ledger.
    fn count_drop(&mut self, request: &Request, reason: DropReason) {
        if !request.is_adopted() {
            self.counters.drop_one(reason);
        }
    }
}
