//! The end of the process: everything leaves memory, for the disk if there is one.

use std::time::Instant;

use super::Queue;
use super::keep::{ADOPTED, Rest, is_spoolable};
use crate::core::error::{DeliveryError, DropReason};
use crate::core::receipt::Outcome;
use crate::core::request::Request;
use crate::core::spool::row::Home;

impl Queue {
    /// The process ends: everything leaves memory. What is to be written is handed out; it counts
    /// as pending until [`Queue::left`].
    pub(in crate::core) fn evacuate(&mut self, now: Instant) -> Rest {
        let mut requests = Vec::new();
        let mut moved = 0;
        for key in self.lanes.keys().copied().collect::<Vec<_>>() {
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            // Their thread did not give them back: they may still arrive, nobody will know.
            for (seq, _) in std::mem::take(&mut lane.flying) {
                self.items = self.items.saturating_sub(1);
                self.give_up_flight(seq);
            }
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            if !self.keep.is_on() && lane.creates && lane.session.is_pending() {
                // With a spool a later process creates it, and what comes now may still follow.
                lane.session.kill();
            }
            let on_disk = lane.spooled.take().map_or(0, |spooled| spooled.count);
            self.keep.out = self.keep.out.saturating_sub(on_disk);
            self.counters.pending = self.counters.pending.saturating_sub(on_disk);
            self.counters.spooled += on_disk;
            moved += on_disk;
            for request in std::mem::take(&mut lane.waiting) {
                if let Some(request) = self.leave(*request) {
                    requests.push(request);
                }
            }
        }
        for (_, (_, receipt)) in self.keep.receipts.drain() {
            receipt.settle(Outcome::Failed(DeliveryError::Spooled));
        }
        requests.sort_by_key(|request| request.seq);
        // Moved out of memory is not yet on disk.
        let on_their_way = (self.keep.transit.0 as u64)
            .saturating_sub(self.keep.left_before)
            .min(moved);
        self.counters.spooled -= on_their_way;
        self.counters.pending += on_their_way;
        self.keep.left_before += on_their_way;
        self.keep.leaving += requests.len() as u64 + on_their_way;
        self.keep.unsaved.clear();
        // Whatever comes now will not see another end: it is written at once.
        self.keep.every = true;
        self.rebuild(now);
        let rest = Rest {
            requests,
            gone: std::mem::take(&mut self.keep.gone),
            lanes: std::mem::take(&mut self.keep.lanes),
        };
        self.keep.closing = self.keep.is_on() && (self.keep.used || !rest.is_empty());
        rest
    }

    fn give_up_flight(&mut self, seq: u64) {
        let saved = matches!(self.keep.flying.remove(&seq), Some(None));
        if seq >= ADOPTED {
            self.keep.adopted = self.keep.adopted.saturating_sub(1);
            return;
        }
        self.counters.pending = self.counters.pending.saturating_sub(1);
        if saved {
            self.counters.spooled += 1;
        } else {
            self.counters.drop_one(DropReason::Exit);
        }
    }

    /// One request leaves memory at the end; returned if it is to be written.
    fn leave(&mut self, mut request: Request) -> Option<Request> {
        if !self.keep.is_on() || !is_spoolable(&request) {
            self.overflow(request, DropReason::Exit);
            return None;
        }
        self.items = self.items.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(request.charged);
        if let Some(receipt) = request.receipt.take() {
            receipt.settle(Outcome::Failed(DeliveryError::Spooled));
        }
        match request.row.map(|row| row.home) {
            // What has been handed over but not confirmed is written once more, over itself.
            None => return Some(request),
            Some(Home::Own) if !self.is_saved_row(request.seq) => return Some(request),
            Some(Home::Own) => {
                self.counters.pending = self.counters.pending.saturating_sub(1);
                self.counters.spooled += 1;
            }
            // It stays in the file it came from.
            Some(Home::Adopted(_)) => self.keep.adopted = self.keep.adopted.saturating_sub(1),
        }
        None
    }

    /// Requests that left at the end have been written, the first `written` of `count`.
    pub(in crate::core) fn left(&mut self, count: u64, written: u64) {
        let count = count.min(self.keep.leaving);
        let written = written.min(count);
        self.keep.leaving -= count;
        self.counters.pending = self.counters.pending.saturating_sub(count);
        self.counters.spooled += written;
        for _ in written..count {
            self.counters.drop_one(DropReason::Exit);
        }
    }

    /// The last writing of this process is done.
    pub(in crate::core) fn closed(&mut self) {
        self.keep.closing = false;
    }

    /// Is something still on its way to disk because the process ends?
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.keep.leaving > 0 || self.keep.closing
    }

    /// Time is over for those.
    pub(in crate::core) fn leave_behind(&mut self) {
        self.keep.left_before = 0;
        self.left(self.keep.leaving, 0);
        self.closed();
    }
}

impl Rest {
    /// Is there nothing to be done on disk?
    fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.gone.is_empty() && self.lanes.is_empty()
    }
}
