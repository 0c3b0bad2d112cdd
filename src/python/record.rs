//! What the bindings keep for a session: its state, its sums, its input.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::core::session::{Identity, Session};
use arc_swap::{ArcSwap, ArcSwapOption};

use super::json::Amount;
use super::state::State;

/// How long a completed session keeps its state and sums.
const KEPT: Duration = Duration::from_secs(60);
/// Sessions remembered per client; beyond it the finished, then the longest unused are forgotten.
const CAPACITY: usize = 10_000;
/// Sessions without an id after which those that have got one, or are gone, are taken out of their
/// list for the first time; then whenever it has twice what was left.
const FEW_UNBORN: usize = 64;

/// Time that fits into an atomic: milliseconds since the module was loaded, plus one.
fn now_ms() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).map_or(u64::MAX, |ms| ms + 1)
}

/// A sum of numbers that is never locked, so that a fork cannot leave it locked.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    bits: AtomicU64,
    /// Not all of them were whole.
    measured: AtomicBool,
}

impl Sum {
    pub(crate) fn add(&self, amount: Amount) {
        if amount.value > 0.0 && amount.value.is_finite() {
            let add = |bits| Some((f64::from_bits(bits) + amount.value).to_bits());
            // The closure never returns None.
            let _ = self
                .bits
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
            self.measured.fetch_or(!amount.whole, Ordering::AcqRel);
        }
    }

    /// The sum since the last call, if it is above zero.
    pub(crate) fn take(&self) -> Option<Amount> {
        let value = f64::from_bits(self.bits.swap(0, Ordering::AcqRel));
        let whole = !self.measured.swap(false, Ordering::AcqRel);
        (value > 0.0).then_some(Amount { value, whole })
    }
}

/// Costs and tokens of the events of one session.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) cost: Sum,
    pub(crate) tokens: Sum,
    pub(crate) prompt: Sum,
    pub(crate) completion: Sum,
    pub(crate) cost_unknown: AtomicBool,
}

/// A session as a client sees it.
#[derive(Debug)]
pub(crate) struct SessionRecord {
    pub(crate) session: Arc<Session>,
    pub(crate) totals: Totals,
    /// The interaction's input, as JSON.
    pub(crate) input: Option<Vec<u8>>,
    /// Its own state; an id nobody introduced uses the state of the current session.
    state: ArcSwapOption<State>,
    finished: AtomicU64,
    used: AtomicU64,
    /// Used as a block: what begins inside is nested in it.
    entered: AtomicBool,
}

impl SessionRecord {
    pub(crate) fn new(session: Arc<Session>, input: Option<Vec<u8>>) -> Self {
        Self {
            session,
            totals: Totals::default(),
            input,
            state: ArcSwapOption::empty(),
            finished: AtomicU64::new(0),
            used: AtomicU64::new(now_ms()),
            entered: AtomicBool::new(false),
        }
    }

    /// Gives the session a state of its own.
    pub(crate) fn with_state(self, state: State) -> Self {
        self.set_state(state);
        self
    }

    pub(crate) fn state(&self) -> Option<Arc<State>> {
        self.state.load_full()
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(Some(Arc::new(state)));
    }

    /// Marks the session as completed; false if it was already.
    pub(crate) fn finish(&self) -> bool {
        self.finished.swap(now_ms(), Ordering::AcqRel) == 0
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire) != 0
    }

    /// A block of the program is this session from now on.
    pub(crate) fn enter(&self) {
        self.entered.store(true, Ordering::Release);
    }

    pub(crate) fn is_entered(&self) -> bool {
        self.entered.load(Ordering::Acquire)
    }

    /// Can calls still be attributed to it?
    pub(crate) fn is_live(&self) -> bool {
        !self.is_finished() && self.session.identity() != Identity::Dead
    }

    fn is_stale(&self, now: u64) -> bool {
        let kept = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
        let finished = self.finished.load(Ordering::Acquire);
        finished != 0 && now.saturating_sub(finished.max(self.used.load(Ordering::Relaxed))) > kept
    }

    fn touch(&self) {
        self.used.store(now_ms(), Ordering::Relaxed);
    }
}

#[derive(Debug, Clone)]
enum Entry {
    /// Created or named through an id: nobody else holds it.
    Kept(Arc<SessionRecord>),
    /// Owned by an interaction.
    Lent(Weak<SessionRecord>),
}

impl Entry {
    fn get(&self) -> Option<Arc<SessionRecord>> {
        match self {
            Self::Kept(record) => Some(Arc::clone(record)),
            Self::Lent(record) => record.upgrade(),
        }
    }
}

#[derive(Debug)]
struct Book {
    by_id: HashMap<Arc<str>, Entry>,
    unborn: Vec<Weak<SessionRecord>>,
    /// How long the list of those without an id gets before it is tidied: a program that never
    /// looks up a session by its id would let it grow for ever.
    tidy_at: usize,
    inserts: usize,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            by_id: HashMap::new(),
            unborn: Vec::new(),
            tidy_at: FEW_UNBORN,
            inserts: 0,
        }
    }
}

/// The sessions a client knows by id, in one process.
#[derive(Debug)]
pub(crate) struct Registry {
    page: ArcSwap<Page>,
}

#[derive(Debug)]
struct Page {
    pid: u32,
    book: Mutex<Book>,
}

impl Page {
    fn new(book: Book) -> Self {
        Self {
            pid: std::process::id(),
            book: Mutex::new(book),
        }
    }
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            page: ArcSwap::from_pointee(Page::new(Book::default())),
        }
    }

    /// The page of this process. A forked child copies what the parent knew unless the parent's
    /// lock is held, by a thread that does not exist here; the inherited page is leaked.
    fn page(&self) -> Arc<Page> {
        let seen = self.page.load();
        if seen.pid == std::process::id() {
            return Arc::clone(&seen);
        }
        let known = seen
            .book
            .try_lock()
            .map_or_else(|_| HashMap::new(), |b| b.by_id.clone());
        let fresh = Arc::new(Page::new(Book {
            by_id: known,
            ..Book::default()
        }));
        let previous = self.page.compare_and_swap(&seen, Arc::clone(&fresh));
        if Arc::ptr_eq(&previous, &seen) {
            std::mem::forget(Arc::clone(&seen));
            fresh
        } else {
            Arc::clone(&previous)
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Book) -> T) -> T {
        let page = self.page();
        let mut book = page.book.lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut book)
    }

    /// The session with this id, made known now if nobody has introduced it.
    pub(crate) fn get(&self, id: &str) -> Arc<SessionRecord> {
        self.with(|book| {
            let found = book.find(id);
            found.unwrap_or_else(|| {
                let record = Arc::new(SessionRecord::new(Session::known(id), None));
                book.insert(id, Entry::Kept(Arc::clone(&record)));
                record
            })
        })
    }

    /// A session that was just created through `create_session()`.
    pub(crate) fn keep(&self, id: &str, record: &Arc<SessionRecord>) {
        self.with(|book| book.insert(id, Entry::Kept(Arc::clone(record))));
    }

    /// The session of an interaction, whose id may come later.
    pub(crate) fn lend(&self, record: &Arc<SessionRecord>) {
        self.with(|book| match record.session.id() {
            Some(id) => book.insert(id, Entry::Lent(Arc::downgrade(record))),
            None => book.expect(Arc::downgrade(record)),
        });
    }
}

impl Book {
    fn find(&mut self, id: &str) -> Option<Arc<SessionRecord>> {
        if !self.by_id.contains_key(id) {
            self.name_the_unborn();
        }
        let record = self.by_id.get(id)?.get()?;
        record.touch();
        Some(record)
    }

    /// A session whose id has yet to arrive.
    fn expect(&mut self, record: Weak<SessionRecord>) {
        if self.unborn.len() >= self.tidy_at {
            self.name_the_unborn();
            self.tidy_at = FEW_UNBORN.max(2 * self.unborn.len());
        }
        self.unborn.push(record);
    }

    /// Ids that have arrived since the last look.
    fn name_the_unborn(&mut self) {
        for weak in std::mem::take(&mut self.unborn) {
            let Some(record) = weak.upgrade() else {
                continue;
            };
            match record.session.identity() {
                Identity::Known(id) => self.insert(&id, Entry::Lent(weak)),
                Identity::Pending => self.unborn.push(weak),
                Identity::Dead => {}
            }
        }
    }

    fn insert(&mut self, id: &str, entry: Entry) {
        self.by_id.insert(Arc::from(id), entry);
        self.inserts += 1;
        if self.inserts.is_multiple_of(256) || self.by_id.len() > CAPACITY {
            self.tidy();
        }
    }

    fn tidy(&mut self) {
        let now = now_ms();
        self.unborn.retain(|weak| weak.strong_count() > 0);
        self.by_id
            .retain(|_, entry| entry.get().is_some_and(|record| !record.is_stale(now)));
        if self.by_id.len() <= CAPACITY {
            return;
        }
        let mut ages: Vec<(bool, u64, Arc<str>)> = self
            .by_id
            .iter()
            .filter_map(|(id, entry)| {
                let record = entry.get()?;
                let used = record.used.load(Ordering::Relaxed);
                Some((!record.is_finished(), used, Arc::clone(id)))
            })
            .collect();
        ages.sort_unstable();
        for (_, _, id) in ages.into_iter().take(CAPACITY / 10) {
            self.by_id.remove(&id);
        }
    }
}
