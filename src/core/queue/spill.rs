//! Requests that leave memory for the disk, and come back.

use std::sync::Arc;
use std::time::Instant;

use super::Queue;
use super::keep::{ADOPTED, Chores, ROUND_BYTES, is_spoolable};
use crate::core::error::{DeliveryError, DropReason};
use crate::core::health::Gate;
use crate::core::lane::Lane;
use crate::core::receipt::Outcome;
use crate::core::request::{Kind, Request};
use crate::core::session::Session;
use crate::core::spool::row::{Home, Read, Room, Row, Stretch};

/// Requests of a lane are moved together if so many were made meanwhile at most.
const SAME_AGE: u64 = 4096;
/// Eighths of a bound above which requests go to disk.
const SPILL_ABOVE: usize = 3;
/// Eighths of a bound at which enough has gone.
const SPILL_DOWN_TO: usize = 2;
/// Eighths of a bound above which callers redact their own requests: below those that go to disk,
/// or the first of these would still have to be redacted by one thread.
const HIGH: usize = 1;
/// Eighths of a bound above which callers wait for the disk from time to time.
const CRITICAL: usize = 5;
/// Lanes read back at the same time.
const LOADS: usize = 16;
/// What is read back of one lane at once.
const LOAD: Room = Room {
    items: 64,
    bytes: 256 * 1024,
};

/// How full the queue is that the disk relieves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::core) enum Fill {
    /// Nothing to do.
    Low,
    /// Callers redact what they record.
    High,
    /// Close to the bound at which requests are dropped.
    Critical,
}

impl Queue {
    /// Above three eighths of a bound the oldest requests go to disk, down to one quarter: a
    /// program records faster than a disk takes it, and what is left of the bound is the time that
    /// the disk has. At the bound itself requests are dropped.
    pub(super) fn collect_overflow(&mut self, chores: &mut Chores, round: usize, now: Instant) {
        if self.keep.is_congested() || self.keep.is_full(now) {
            return;
        }
        if self.limits.batch.is_some() || self.limits.immediate {
            // With batching the bound is the user's, and says that the oldest are dropped.
            return;
        }
        if self.fills(SPILL_ABOVE) {
            self.spilling = true;
        }
        let mut bytes = 0;
        while self.spilling && chores.moved.len() < round && bytes < ROUND_BYTES {
            if !self.fills(SPILL_DOWN_TO) {
                self.spilling = false;
                break;
            }
            let candidates = self.fronts.range(..(ADOPTED, 0)).map(|(_, key)| *key);
            let mut candidates = candidates.take(self.concurrency.ceiling() + 2);
            let can_spill = |key: &u64| {
                self.lanes.get(key).is_some_and(|lane| {
                    // Not from a lane that is being read: its stretch of numbers must stay.
                    let reading = lane.spooled.as_ref().is_some_and(|s| s.loading);
                    !reading && lane.waiting.iter().any(|r| can_leave(r))
                })
            };
            let Some(key) = candidates.find(can_spill) else {
                break;
            };
            let before = (self.items, self.bytes);
            let most = round - chores.moved.len();
            self.spill_from(key, most, chores, now);
            bytes += before.1.saturating_sub(self.bytes);
            if self.items == before.0 {
                break;
            }
        }
    }

    /// How far the disk has fallen behind, for callers to help. Where there is none that could
    /// catch up they need not.
    pub(in crate::core) fn pressure(&self, now: Instant) -> Fill {
        let spills = self.keep.is_on() && self.limits.batch.is_none() && !self.limits.immediate;
        // With what is on its way to disk: that counts against the bound, too.
        let (items, bytes) = self.keep.charged();
        let above = |eighths| self.fills_with(items, bytes, eighths);
        if !spills || self.keep.is_full(now) || !above(HIGH) {
            Fill::Low
        } else if above(CRITICAL) {
            Fill::Critical
        } else {
            Fill::High
        }
    }

    /// Is more in memory than so many eighths of a bound?
    fn fills(&self, eighths: usize) -> bool {
        self.fills_with(0, 0, eighths)
    }

    fn fills_with(&self, items: usize, bytes: usize, eighths: usize) -> bool {
        self.items + items > self.limits.max_items / 8 * eighths
            || self.bytes + bytes > self.limits.max_bytes / 8 * eighths
    }

    /// Moves the oldest requests of a lane, as far as they are hardly younger than the first: the
    /// table on disk is in call order, and grows at its end. What was read back goes first and as a whole, so that
    /// what is on disk is always one stretch of numbers of which nothing is in memory.
    fn spill_from(&mut self, key: u64, most: usize, chores: &mut Chores, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        let first = lane.spooled.as_ref().map(|spooled| spooled.first);
        let front = first.map_or(0, |first| lane.waiting.partition_point(|r| r.seq < first));
        let (start, most) = if front > 0 {
            let mut read_back = lane.waiting.iter().take(front);
            let start = read_back
                .rposition(|r| !can_leave(r))
                .map_or(0, |at| at + 1);
            (start, front - start)
        } else {
            (
                lane.waiting.iter().position(|r| can_leave(r)).unwrap_or(0),
                most,
            )
        };
        // What was read back moves as a whole; of the rest, as much as fits into a round.
        let oldest = lane.waiting.get(start).map_or(0, |request| request.seq);
        let (mut room, upto) = if front > 0 {
            (usize::MAX, u64::MAX)
        } else {
            (ROUND_BYTES, oldest + SAME_AGE)
        };
        let mut fits = |request: &Request| {
            let fits = room > 0 && request.seq < upto && can_leave(request);
            room = room.saturating_sub(request.charged);
            fits
        };
        let candidates = lane.waiting.iter().skip(start).take(most);
        let end = start + candidates.take_while(|r| fits(r)).count();
        let left: Vec<_> = lane.waiting.drain(start..end).collect();
        for request in &left {
            lane.moves(request);
        }
        for mut request in left {
            self.items = self.items.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(request.charged);
            self.keep.out += 1;
            if let Some(receipt) = request.receipt.take()
                && Arc::strong_count(&receipt) > 1
            {
                self.keep.receipts.insert(request.number, (key, receipt));
            }
            if request.row.is_none() {
                self.keep.transit.0 += 1;
                self.keep.transit.1 += request.charged;
                chores.moved.push(*request);
            }
        }
        self.reindex(key, now);
    }

    /// Moved requests have reached the disk: the first `written` of them. The others come back.
    pub(in crate::core) fn moved(
        &mut self,
        mut rows: Vec<Row>,
        charged: usize,
        written: usize,
        now: Instant,
    ) {
        self.keep.arrived(rows.len(), charged, now);
        if self.keep.left_before > 0 {
            // The process ends: they do not come back.
            let count = (rows.len() as u64).min(self.keep.left_before);
            self.keep.left_before -= count;
            self.left(count, written as u64);
            return;
        }
        let unwritten = rows.split_off(written.min(rows.len()));
        if !unwritten.is_empty() {
            self.keep.note_full(now);
        }
        for row in unwritten {
            self.not_on_disk(row, now);
        }
    }

    /// A request that was to be on disk only could not be written: it waits in memory again.
    pub(super) fn not_on_disk(&mut self, row: Row, now: Instant) {
        let (key, seq) = (row.lane.unsigned_abs(), row.seq.unsigned_abs());
        let there = |lane: &&mut Lane| {
            let spooled = lane.spooled.as_ref();
            spooled.is_some_and(|s| (s.first..=s.last).contains(&seq))
        };
        let Some(lane) = self.lanes.get_mut(&key).filter(there) else {
            // Given up, or counted as left behind, meanwhile.
            return;
        };
        if let Some(spooled) = &mut lane.spooled {
            spooled.create &= row.kind != Kind::Create;
        }
        lane.came_back(1);
        let session = Arc::clone(&lane.session);
        self.keep.out = self.keep.out.saturating_sub(1);
        let mut request = self.revive(row, &session, key, now);
        request.row = None;
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.put_back(request);
        }
        self.reindex(key, now);
    }

    /// A request of a lane is in memory again.
    fn revive(&mut self, row: Row, session: &Arc<Session>, key: u64, now: Instant) -> Box<Request> {
        let named = |lane| {
            if lane == row_lane(session) {
                Arc::clone(session)
            } else {
                Session::dead()
            }
        };
        let mut request = row.revive(Home::Own, Arc::clone(session), named);
        request.lane = key;
        request.date(now);
        // Its date is older if the clock was set meanwhile.
        request.since = request.since.max(self.keep.began);
        request.charged = request.weight();
        let receipt = self.keep.receipts.remove(&request.number);
        request.receipt = receipt.map(|(_, receipt)| receipt);
        self.items += 1;
        self.bytes += request.charged;
        Box::new(request)
    }

    /// The session of a lane will never exist: what it has on disk is given up.
    pub(super) fn bury_on_disk(&mut self, key: u64, count: u64, reason: DropReason, now: Instant) {
        self.all_lost(key, count, reason);
        self.keep.lanes.push(key);
        self.keep.due_soon(now);
    }

    /// Everything that a lane had on disk is lost.
    fn all_lost(&mut self, key: u64, count: u64, reason: DropReason) {
        self.lost_on_disk(count, reason);
        let error = DeliveryError::Dropped(reason);
        self.keep.receipts.retain(|_, (lane, receipt)| {
            let lost = *lane == key;
            if lost {
                receipt.settle(Outcome::Failed(error.clone()));
            }
            !lost
        });
    }

    fn lost_on_disk(&mut self, count: u64, reason: DropReason) {
        self.keep.out = self.keep.out.saturating_sub(count);
        self.counters.pending = self.counters.pending.saturating_sub(count);
        for _ in 0..count {
            self.counters.drop_one(reason);
        }
    }

    /// Lanes whose next request is on disk, as far as they may go on now.
    pub(super) fn collect_loads(&mut self, chores: &mut Chores, now: Instant) {
        if self.on_disk.is_empty() {
            return;
        }
        let open = match self.health.gate(now) {
            Gate::Open => LOADS,
            // The probe is in memory already, unless nothing is.
            Gate::Probe if self.ready.is_empty() => 1,
            Gate::Probe | Gate::Closed => 0,
        };
        for key in self.on_disk.iter().map(|(_, key)| *key).collect::<Vec<_>>() {
            if self.keep.reserved.len() >= open {
                break;
            }
            let Some(room) = self.room_for_load() else {
                break;
            };
            let spooled = self
                .lanes
                .get_mut(&key)
                .and_then(|lane| lane.spooled.as_mut());
            let Some(spooled) = spooled.filter(|spooled| !spooled.loading) else {
                continue;
            };
            spooled.loading = true;
            self.keep.reserved.push((key, room));
            chores.loads.push(Stretch {
                lane: key,
                first: spooled.first,
                last: spooled.last,
                room,
            });
        }
    }

    /// Room for one more part of a lane, if what is in memory leaves any.
    fn room_for_load(&self) -> Option<Room> {
        let (items, bytes) = self.keep.charged();
        let (items, bytes) = (items + self.items, bytes + self.bytes);
        let room = Room {
            items: (self.limits.max_items.saturating_sub(items) / 2).min(LOAD.items),
            bytes: (self.limits.max_bytes.saturating_sub(bytes) / 2).min(LOAD.bytes),
        };
        (room.items > 0 && room.bytes > 0).then_some(room)
    }

    /// Rows of a lane have been read back, or could not be.
    pub(in crate::core) fn loaded(&mut self, key: u64, read: Read, now: Instant) {
        self.keep.reserved.retain(|(lane, _)| *lane != key);
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        if lane.spooled.as_ref().is_none_or(|spooled| !spooled.loading) {
            // Given up or left behind meanwhile; the lane is another one.
            return;
        }
        let session = Arc::clone(&lane.session);
        let mut count = 0;
        let read_create = read.rows.iter().any(|row| row.kind == Kind::Create);
        for row in read.rows {
            let request = self.revive(row, &session, key, now);
            count += 1;
            let Some(lane) = self.lanes.get_mut(&key) else {
                return;
            };
            if let Some(spooled) = &mut lane.spooled {
                spooled.first = request.seq + 1;
            }
            lane.put_back(request);
        }
        self.keep.out = self.keep.out.saturating_sub(count);
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        lane.came_back(count);
        if let Some(spooled) = &mut lane.spooled {
            spooled.loading = false;
        }
        // What should be there and is not: removed by hand, or the file is damaged.
        if let Some(lost) = lane.spooled.take_if(|_| read.all) {
            self.all_lost(key, lost.count, DropReason::QueueFull);
            if lost.create && !read_create {
                self.bury(&session, DropReason::QueueFull, None, now);
            }
        }
        self.reindex(key, now);
    }
}

/// Can a request go to disk and come back? Not if its body needs the id of another session.
fn can_leave(request: &Request) -> bool {
    let own = |leader: &Arc<Session>| leader.key() == request.session.key();
    is_spoolable(request) && request.body.waits_for().is_none_or(own)
}

fn row_lane(session: &Session) -> i64 {
    crate::core::spool::row::signed(session.key())
}
