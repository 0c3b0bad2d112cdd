//! What the queue remembers for the spool: what is to be written, what is on disk, what is no
//! longer needed there. Pure: the delivery thread fetches the chores, the spool thread does them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Queue;
use crate::core::options::SpoolMode;
use crate::core::receipt::Receipt;
use crate::core::request::{Kind, Patience, Request};
use crate::core::spool::row::{Gone, Home, Room, Row, RowRef, Stretch};

/// How long changes are collected before they are written together. With the time that a commit
/// takes it stays below the 50 ms after which an event counts as safe in `durable`.
const GROUP: Duration = Duration::from_millis(15);
/// Requests in one round of chores: the queue is locked while they are collected.
const ROUND: usize = 1024;
/// Bytes in one round: they are copied, and may have to be redacted.
pub(super) const ROUND_BYTES: usize = 4 * 1024 * 1024;

/// Bytes on their way to disk from which on nothing more is handed over: what a slow disk does not
/// take stays in the queue, where it can still be delivered.
/// Enough that the spool thread has work while the delivery thread settles answers.
const MOST_IN_TRANSIT: usize = 4 * ROUND_BYTES;
/// How long a file that takes no more is left alone.
const FULL_PAUSE: Duration = Duration::from_secs(1);

/// The first number of adopted requests. Behind all of this process: what is new goes first, and
/// nobody who flushes waits for what others have left.
pub(super) const ADOPTED: u64 = 1 << 61;

/// What is known of files that dead processes have left for this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backlog {
    /// Nobody has looked since this time, or ever.
    Unseen(Option<Instant>),
    /// The spool thread is looking.
    Asked,
    /// There is more. The number counts adopted requests that were settled when that was said.
    More(Option<u64>),
}

/// The spool as the queue sees it.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact, and they are independent"
)]
pub(super) struct Keep {
    pub(super) mode: SpoolMode,
    /// Every request is written, not only what is moved out of memory.
    pub(super) every: bool,
    /// Requests to be written, by lane and number.
    pub(super) unsaved: Vec<(u64, u64)>,
    /// Requests in flight: their rows, or nothing if those are on disk already.
    pub(super) flying: HashMap<u64, Option<Row>>,
    /// Everything up to this number has been handed to the spool thread, or needs no saving.
    posted: u64,
    /// Everything up to this number is safe.
    saved: u64,
    /// When the next round of writing is due.
    pub(super) due: Option<Instant>,
    pub(super) gone: Vec<Gone>,
    pub(super) lanes: Vec<u64>,
    /// Receipts of requests that are only on disk, if somebody holds them.
    pub(super) receipts: HashMap<u64, (u64, Arc<Receipt>)>,
    /// Requests only on disk that this process still sends.
    pub(super) out: u64,
    /// Room that is reserved for what is being read back.
    pub(super) reserved: Vec<(u64, Room)>,
    /// What is on its way to disk and still in memory: requests no longer in a lane, and bytes,
    /// those of copies too.
    pub(super) transit: (usize, usize),
    /// The next round of writing waits until some of that has arrived.
    postponed: bool,
    /// The file has taken no more; until then nobody asks it to.
    full_until: Option<Instant>,
    /// Requests on their way to disk because the process ends.
    pub(super) leaving: u64,
    /// Those of them that were on their way before it.
    pub(super) left_before: u64,
    /// The spool thread has been asked for something.
    pub(super) used: bool,
    /// The last writing of this process has been asked for.
    pub(super) closing: bool,
    /// When the first request was made: none that is read back is older.
    pub(super) began: Option<Instant>,
    pub(super) backlog: Backlog,
    /// Adopted requests are asked for before anything has been delivered.
    pub(super) eager: bool,
    /// Adopted requests in memory.
    pub(super) adopted: usize,
    pub(super) adopted_settled: u64,
    pub(super) next_adopted: u64,
}

/// What is left at the end of the process.
#[derive(Debug)]
pub(in crate::core) struct Rest {
    /// Requests to be written.
    pub(in crate::core) requests: Vec<Request>,
    /// Rows no longer needed.
    pub(in crate::core) gone: Vec<Gone>,
    /// Lanes no longer needed.
    pub(in crate::core) lanes: Vec<u64>,
}

/// What the delivery thread is to hand to the spool thread.
#[derive(Debug, Default)]
pub(in crate::core) struct Chores {
    /// Copies of requests to be written.
    pub(in crate::core) twins: Vec<Request>,
    /// What those copies count against the byte bound.
    pub(in crate::core) copied: usize,
    /// Requests in flight to be written, in the form they were sent in.
    pub(in crate::core) flying: Vec<Row>,
    /// The mark that is safe when those are.
    pub(in crate::core) upto: Option<u64>,
    /// Requests that leave memory.
    pub(in crate::core) moved: Vec<Request>,
    /// Rows no longer needed.
    pub(in crate::core) gone: Vec<Gone>,
    /// Lanes no longer needed.
    pub(in crate::core) lanes: Vec<u64>,
    /// Parts of lanes to be read back.
    pub(in crate::core) loads: Vec<Stretch>,
    /// Look for files of dead processes.
    pub(in crate::core) adopt: bool,
}

impl Keep {
    pub(super) fn new(mode: SpoolMode) -> Self {
        Self {
            mode,
            every: mode == SpoolMode::Durable,
            unsaved: Vec::new(),
            flying: HashMap::new(),
            posted: 0,
            saved: 0,
            due: None,
            gone: Vec::new(),
            lanes: Vec::new(),
            receipts: HashMap::new(),
            out: 0,
            reserved: Vec::new(),
            transit: (0, 0),
            postponed: false,
            full_until: None,
            leaving: 0,
            left_before: 0,
            began: None,
            used: false,
            closing: false,
            backlog: Backlog::Unseen(None),
            eager: false,
            adopted: 0,
            adopted_settled: 0,
            next_adopted: ADOPTED,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.mode != SpoolMode::Off
    }

    /// What is in memory besides the lanes, or will be: requests and bytes.
    pub(super) fn charged(&self) -> (usize, usize) {
        self.reserved
            .iter()
            .fold(self.transit, |(items, bytes), (_, room)| {
                (items + room.items, bytes + room.bytes)
            })
    }

    /// Has everything been handed to the spool thread?
    pub(super) fn is_tidy(&self) -> bool {
        self.gone.is_empty() && self.lanes.is_empty() && self.leaving == 0
    }

    /// Is as much on its way to disk as should be at a time?
    pub(super) fn is_congested(&self) -> bool {
        self.transit.1 >= MOST_IN_TRANSIT
    }

    /// Has the file taken no more a moment ago?
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_until.is_some_and(|until| now < until)
    }

    /// The file takes no more.
    pub(super) fn note_full(&mut self, now: Instant) {
        self.full_until = Some(now + FULL_PAUSE);
    }

    /// Something is no longer on its way to disk.
    pub(super) fn arrived(&mut self, items: usize, bytes: usize, now: Instant) {
        self.transit.0 = self.transit.0.saturating_sub(items);
        self.transit.1 = self.transit.1.saturating_sub(bytes);
        if !self.is_congested() && std::mem::take(&mut self.postponed) {
            self.due = Some(now);
        }
    }

    pub(super) fn due_soon(&mut self, now: Instant) {
        self.due.get_or_insert(now + GROUP);
    }

    /// A row is no longer needed.
    pub(super) fn forget(&mut self, row: RowRef, request: &Request, now: Instant) {
        let created = (request.kind == Kind::Create).then(|| Arc::clone(&request.session));
        self.gone.push(Gone { row, created });
        self.due_soon(now);
    }
}

/// May a request be written at all? Whoever waits for an answer is told what became of it.
pub(super) fn is_spoolable(request: &Request) -> bool {
    request.patience == Patience::Background && request.kind != Kind::Fetch
}

impl Queue {
    /// Notes a new request for the next round of writing.
    pub(super) fn note_unsaved(&mut self, lane: u64, seq: u64, now: Instant) {
        if self.keep.is_on() && !self.limits.immediate {
            self.keep.unsaved.push((lane, seq));
            self.keep.due_soon(now);
        }
    }

    /// Does this request, which is about to be sent, still have to be written?
    #[must_use]
    pub(in crate::core) fn must_save(&self, request: &Request) -> bool {
        self.keep.every && self.keep.is_on() && request.row.is_none() && is_spoolable(request)
    }

    /// The row of a request in flight, should it take longer than the next round.
    pub(in crate::core) fn in_flight_as(&mut self, seq: u64, row: Row) {
        self.keep.flying.insert(seq, Some(row));
    }

    /// Is everything up to `mark` on disk, or settled, or is there nothing to wait for?
    #[must_use]
    pub fn is_saved(&self, mark: u64) -> bool {
        let keep = &self.keep;
        !keep.every
            || !keep.is_on()
            || keep.saved >= mark
            || (keep.unsaved.is_empty() && keep.saved >= keep.posted)
    }

    /// Is the row of this request on disk for certain?
    pub(super) fn is_saved_row(&self, seq: u64) -> bool {
        self.keep.saved >= seq
    }

    /// Writing is due at once: somebody waits for it.
    pub fn save_now(&mut self, now: Instant) {
        if self.keep.every && !self.keep.unsaved.is_empty() {
            self.keep.due = Some(now);
        }
    }

    /// The process is about to end and little is being delivered: everything is written while
    /// there is still time.
    pub(in crate::core) fn save_all(&mut self, now: Instant) {
        if !self.keep.is_on() || std::mem::replace(&mut self.keep.every, true) {
            return;
        }
        let waiting = self.lanes.values().flat_map(|lane| &lane.waiting);
        let unsaved = waiting.filter(|request| request.row.is_none());
        let unsaved = unsaved.map(|request| (request.lane, request.seq));
        self.keep.unsaved.extend(unsaved);
        // In call order: then one mark says how far it has got.
        self.keep.unsaved.sort_unstable_by_key(|(_, seq)| *seq);
        self.keep.due = Some(now);
    }

    /// When the next chores are due, if time decides that.
    pub(in crate::core) fn next_chores(&self) -> Option<Instant> {
        self.keep.due
    }

    /// What is to be done about the spool now, if anything.
    pub(in crate::core) fn chores(&mut self, now: Instant) -> Option<Chores> {
        let mut chores = Chores::default();
        if !self.keep.is_on() {
            // What was on disk when the spool failed cannot be read: its lanes go on without it.
            self.collect_loads(&mut chores, now);
            return (!chores.loads.is_empty()).then_some(chores);
        }
        if self.keep.due.is_some_and(|at| at <= now) {
            self.keep.due = None;
            if self.keep.is_congested() {
                self.keep.postponed = true;
                return None;
            }
            chores.gone = std::mem::take(&mut self.keep.gone);
            chores.lanes = std::mem::take(&mut self.keep.lanes);
            self.collect_unsaved(&mut chores, now);
        }
        self.collect_overflow(&mut chores, ROUND, now);
        self.collect_loads(&mut chores, now);
        chores.adopt = self.wants_adoption(now);
        let something = !chores.twins.is_empty()
            || !chores.flying.is_empty()
            || chores.upto.is_some()
            || !chores.moved.is_empty()
            || !chores.gone.is_empty()
            || !chores.lanes.is_empty()
            || !chores.loads.is_empty()
            || chores.adopt;
        self.keep.used |= something;
        something.then_some(chores)
    }

    fn collect_unsaved(&mut self, chores: &mut Chores, now: Instant) {
        if self.keep.unsaved.is_empty() {
            return;
        }
        let (mut round, mut bytes) = (0, 0);
        let unsaved = std::mem::take(&mut self.keep.unsaved);
        for (key, seq) in unsaved.iter().copied().take(ROUND) {
            if bytes >= ROUND_BYTES {
                break;
            }
            round += 1;
            if let Some(row) = self.keep.flying.get_mut(&seq) {
                chores.flying.extend(row.take());
            } else if let Some(request) = self.lanes.get_mut(&key).and_then(|lane| lane.find(seq))
                && request.row.is_none()
                && is_spoolable(request)
            {
                request.row = Some(RowRef::own(request.number));
                bytes += request.charged;
                chores.twins.push(request.twin());
            }
        }
        chores.copied = bytes;
        self.keep.transit.1 += bytes;
        self.keep.unsaved = unsaved;
        self.keep.unsaved.drain(..round);
        let rest = self.keep.unsaved.iter().map(|(_, seq)| *seq).min();
        let upto = rest.map_or(self.next_seq, |seq| seq) - 1;
        if rest.is_some() {
            self.keep.due = Some(now);
        }
        self.keep.posted = self.keep.posted.max(upto);
        chores.upto = Some(upto);
    }

    /// A round of writing is done: everything up to `upto` is safe but for the rows that were not
    /// written because the file is at its cap. They stay in memory, as with `spill`.
    pub(in crate::core) fn saved(
        &mut self,
        upto: Option<u64>,
        copied: usize,
        unwritten: Vec<Row>,
        now: Instant,
    ) {
        self.keep.arrived(0, copied, now);
        self.keep.saved = self.keep.saved.max(upto.unwrap_or_default());
        for row in unwritten {
            let (lane, seq) = (row.lane.unsigned_abs(), row.seq.unsigned_abs());
            if let Some(request) = self.lanes.get_mut(&lane).and_then(|lane| lane.find(seq)) {
                request.row = None;
            } else if self.keep.flying.remove(&seq).is_none() {
                self.not_on_disk(row, now);
            }
        }
    }

    /// The spool cannot be used: from now on everything stays in memory.
    pub(in crate::core) fn spool_is_off(&mut self) {
        let keep = &mut self.keep;
        keep.mode = SpoolMode::Off;
        keep.unsaved.clear();
        keep.flying.clear();
        keep.gone.clear();
        keep.lanes.clear();
        keep.due = None;
        keep.backlog = Backlog::Unseen(None);
        for lane in self.lanes.values_mut() {
            for request in &mut lane.waiting {
                request.row = request.row.filter(|row| row.home != Home::Own);
            }
        }
    }
}
