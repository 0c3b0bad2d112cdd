//! A session's state: the dict that the program sees, and what its entries look like as JSON.
//!
//! An entry is written when it is first sent, or when a call stores it, and kept as JSON (or as its
//! size, if it is too large to be sent): a call costs what it sends itself, however much earlier
//! calls have stored, and no code of an object runs again. Small built-in data that the program itself
//! has put in is compared each time, as the program may change it in place.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, TryLockError};

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::json::{Budget, Pair, is_small_and_plain, write_i64, write_key, write_value};

/// Entries that are sent, the newest; of the older ones only that they are missing.
const MAX_ENTRIES: usize = 1024;
/// Bytes of built-in data that is compared each time.
const MAX_LIVE: usize = 4096;
/// Bytes of a key.
const MAX_KEY: usize = 1024;
/// The JSON of older entries is forgotten, all but its size, when the newer ones take so many times
/// the bytes that may be sent.
const KEPT: usize = 4;
/// Values of so few bytes are never replaced by their size.
const MARKER: usize = 48;

/// The state of a session, or of a context before any session.
#[derive(Debug)]
pub(crate) struct State {
    dict: Py<PyDict>,
    /// Only ever tried: a thread that finds it locked, because another one runs code of a value, or
    /// because of a fork at that moment, writes the entries itself.
    recorded: Mutex<Recorded>,
}

/// How much of a state is sent, and of a value read.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of a state up to which it is sent in full.
    pub(crate) state: usize,
    /// Bytes of one value.
    pub(crate) value: usize,
}

/// A value that a call stores in the state, and its JSON in the body of the call.
pub(crate) struct Stored<'a, 'py> {
    pub(crate) key: &'a Bound<'py, PyString>,
    pub(crate) value: Option<&'a Bound<'py, PyAny>>,
    pub(crate) json: Range<usize>,
}

impl State {
    pub(crate) fn of(dict: Bound<'_, PyDict>) -> Self {
        Self {
            dict: dict.unbind(),
            recorded: Mutex::default(),
        }
    }

    pub(crate) fn empty(py: Python<'_>) -> Self {
        Self::of(PyDict::new(py))
    }

    /// A state that begins with this entry, of which the JSON is known.
    pub(crate) fn starting_with(
        key: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
        json: &[u8],
        limits: Limits,
    ) -> PyResult<Self> {
        let state = Self::empty(key.py());
        state.dict.bind(key.py()).set_item(key, value)?;
        let entry = Entry::new(key.as_any(), value, json, limits)?;
        state.with(|recorded| recorded.entries.push(entry));
        Ok(state)
    }

    /// Another state with the same entries, as they were written.
    pub(crate) fn copied(&self, py: Python<'_>) -> PyResult<Self> {
        let copy = Self::of(self.dict.bind(py).copy()?);
        let recorded = self.with(|recorded| recorded.copied(py));
        copy.with(|empty| *empty = recorded);
        Ok(copy)
    }

    /// The dict itself.
    pub(crate) fn dict<'py>(&self, py: Python<'py>) -> Bound<'py, PyDict> {
        self.dict.bind(py).clone()
    }

    /// Appends the state as it is.
    pub(crate) fn write(&self, py: Python<'_>, out: &mut Vec<u8>, limits: Limits) -> PyResult<()> {
        self.with(|recorded| {
            recorded.follow(self.dict.bind(py), limits)?;
            recorded.write(out, limits.state);
            Ok(())
        })
    }

    /// Stores a value of which the JSON stands in `out`, after the state before was written.
    pub(crate) fn store(
        &self,
        stored: &Stored<'_, '_>,
        out: &[u8],
        limits: Limits,
    ) -> PyResult<()> {
        let py = stored.key.py();
        self.dict.bind(py).set_item(stored.key, stored.value)?;
        let none = py.None().into_bound(py);
        let value = stored.value.unwrap_or(&none);
        let json = out.get(stored.json.clone()).unwrap_or_default();
        let entry = Entry::new(stored.key.as_any(), value, json, limits)?;
        let old = self.with(|recorded| recorded.put(entry));
        drop(old);
        Ok(())
    }

    /// Appends the state after [`Self::store`]: nothing else has changed.
    pub(crate) fn write_stored(
        &self,
        py: Python<'_>,
        out: &mut Vec<u8>,
        limits: Limits,
    ) -> PyResult<()> {
        self.with(|recorded| {
            let dict = self.dict.bind(py);
            if recorded.entries.len() != dict.len() {
                recorded.follow(dict, limits)?;
            }
            recorded.write(out, limits.state);
            Ok(())
        })
    }

    /// Stores a value that is written with the next event.
    pub(crate) fn set(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.dict.bind(key.py()).set_item(key, value)?;
        self.forget(value);
        Ok(())
    }

    /// Stores values that are written with the next event.
    pub(crate) fn update(&self, changes: &Bound<'_, PyDict>) -> PyResult<()> {
        self.dict.bind(changes.py()).update(changes.as_mapping())?;
        // Collected first: what is forgotten may run code.
        for value in changes.iter().map(|(_, value)| value).collect::<Vec<_>>() {
            self.forget(&value);
        }
        Ok(())
    }

    /// The same object may look different by now.
    fn forget(&self, value: &Bound<'_, PyAny>) {
        let old = self.with(|recorded| recorded.take(value));
        drop(old);
    }

    fn with<T>(&self, f: impl FnOnce(&mut Recorded) -> T) -> T {
        match self.recorded.try_lock() {
            Ok(mut recorded) => f(&mut recorded),
            Err(TryLockError::Poisoned(poisoned)) => f(&mut poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => f(&mut Recorded::default()),
        }
    }
}

/// The entries of a state as JSON, in the order of the dict.
#[derive(Debug, Default)]
struct Recorded {
    entries: Vec<Entry>,
    /// There are older ones.
    cut: bool,
    /// The whole as it was written last; empty if an entry has changed since.
    written: Vec<u8>,
}

/// One entry of a state.
#[derive(Debug)]
struct Entry {
    key: Py<PyAny>,
    value: Py<PyAny>,
    /// Length of `"key":`.
    name: usize,
    /// Bytes of the value.
    size: usize,
    /// Small built-in data of the program's, which may change in place.
    live: bool,
    /// `"key":value`, or nothing if that is never sent.
    full: Box<[u8]>,
    /// `"key":{"truncated":true,"bytes":n}`
    short: Box<[u8]>,
}

impl Entry {
    fn new(
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        json: &[u8],
        limits: Limits,
    ) -> PyResult<Self> {
        let mut short = Vec::with_capacity(64);
        write_key(key, &mut short, &mut Budget::new(MAX_KEY))?;
        short.push(b':');
        let name = short.len();
        let full = if json.len() <= limits.state.max(MARKER) {
            [&short, json].concat()
        } else {
            Vec::new()
        };
        short.extend_from_slice(b"{\"truncated\":true,\"bytes\":");
        write_i64(i64::try_from(json.len()).unwrap_or(i64::MAX), &mut short);
        short.push(b'}');
        Ok(Self {
            key: key.clone().unbind(),
            value: value.clone().unbind(),
            name,
            size: json.len(),
            live: false,
            full: full.into(),
            short: short.into(),
        })
    }

    /// Walks the value, which may run code of it.
    fn written((key, value): &Pair<'_>, limits: Limits) -> PyResult<Self> {
        let mut json = Vec::new();
        write_value(value, &mut json, &mut Budget::new(limits.value))?;
        let mut entry = Self::new(key, value, &json, limits)?;
        let is_container =
            value.is_exact_instance_of::<PyDict>() || value.is_exact_instance_of::<PyList>();
        entry.live = is_container && json.len() <= MAX_LIVE && is_small_and_plain(value);
        Ok(entry)
    }

    /// The entry as it is now, if it has changed in place.
    fn changed(&self, py: Python<'_>, limits: Limits) -> PyResult<Option<Self>> {
        let pair = (self.key.bind(py).clone(), self.value.bind(py).clone());
        let now = Self::written(&pair, limits)?;
        Ok((now.full != self.full || now.size != self.size).then_some(now))
    }

    fn is(&self, (key, value): &Pair<'_>) -> bool {
        self.key.is(key) && self.value.is(value)
    }

    fn has_name(&self, name: &[u8]) -> bool {
        self.short.get(..self.name) == Some(name)
    }

    /// Bytes that are saved by telling only the size; zero if none are.
    fn saved(&self) -> usize {
        (self.name + self.size).saturating_sub(self.short.len())
    }
}

impl Recorded {
    /// Brings the entries up to date with the dict: what is the same object under the same key was
    /// written before.
    fn follow(&mut self, dict: &Bound<'_, PyDict>, limits: Limits) -> PyResult<()> {
        for at in 0..self.entries.len() {
            let live = self.entries.get_mut(at).filter(|entry| entry.live);
            if let Some(entry) = live
                && let Some(now) = entry.changed(dict.py(), limits)?
            {
                *entry = now;
                self.written.clear();
            }
        }
        let Some((at, members)) = self.changes(dict)? else {
            return Ok(());
        };
        self.written.clear();
        let mut known: HashMap<usize, Entry> = self
            .entries
            .drain(at..)
            .map(|entry| (entry.key.as_ptr() as usize, entry))
            .collect();
        for member in &members {
            let entry = match known.remove(&(member.0.as_ptr() as usize)) {
                Some(entry) if entry.is(member) => entry,
                _ => Entry::written(member, limits)?,
            };
            self.entries.push(entry);
        }
        Ok(())
    }

    /// From where on the dict differs, and what it has there. Runs no code of an object, so the dict
    /// cannot change meanwhile.
    fn changes<'py>(
        &mut self,
        dict: &Bound<'py, PyDict>,
    ) -> PyResult<Option<(usize, Vec<Pair<'py>>)>> {
        self.cut = dict.len() > MAX_ENTRIES;
        if self.cut {
            let members = newest(dict)?;
            let same = self.same(members.iter());
            return Ok(self.rest(same, members.into_iter().skip(same).collect()));
        }
        let mut members = dict.iter();
        let same = self
            .entries
            .iter()
            .zip(members.by_ref())
            .take_while(|(entry, member)| entry.is(member))
            .count();
        if same == self.entries.len() && same == dict.len() {
            return Ok(None);
        }
        Ok(self.rest(same, dict.iter().skip(same).collect()))
    }

    fn same<'a, 'py: 'a>(&self, members: impl Iterator<Item = &'a Pair<'py>>) -> usize {
        let both = self.entries.iter().zip(members);
        both.take_while(|(entry, member)| entry.is(member)).count()
    }

    fn rest<'py>(&self, same: usize, members: Vec<Pair<'py>>) -> Option<(usize, Vec<Pair<'py>>)> {
        (same < self.entries.len() || !members.is_empty()).then_some((same, members))
    }

    /// An entry that was stored in the dict: in the place of the old one, which is returned, else as
    /// the newest.
    fn put(&mut self, mut entry: Entry) -> Option<Entry> {
        self.written.clear();
        let name = entry.short.get(..entry.name).unwrap_or_default();
        if let Some(old) = self.entries.iter_mut().find(|old| old.has_name(name)) {
            // The dict keeps the key it has.
            std::mem::swap(&mut old.key, &mut entry.key);
            std::mem::swap(old, &mut entry);
            return Some(entry);
        }
        self.entries.push(entry);
        (self.entries.len() > MAX_ENTRIES).then(|| self.entries.remove(0))
    }

    fn copied(&self, py: Python<'_>) -> Self {
        let copied = |entry: &Entry| Entry {
            key: entry.key.clone_ref(py),
            value: entry.value.clone_ref(py),
            full: entry.full.clone(),
            short: entry.short.clone(),
            ..*entry
        };
        Self {
            entries: self.entries.iter().map(copied).collect(),
            cut: self.cut,
            written: self.written.clone(),
        }
    }

    /// Takes out the entries of a value.
    fn take(&mut self, value: &Bound<'_, PyAny>) -> Vec<Entry> {
        self.written.clear();
        self.entries
            .extract_if(.., |entry| entry.value.is(value))
            .collect()
    }

    /// Appends the state: in full up to `max` bytes, above that the oldest entries by their size, so
    /// that the keys remain.
    fn write(&mut self, out: &mut Vec<u8>, max: usize) {
        if self.written.is_empty() {
            self.written = self.whole(max);
        }
        out.extend_from_slice(&self.written);
    }

    fn whole(&mut self, max: usize) -> Vec<u8> {
        let members = self.entries.iter();
        let all: usize = members.map(|entry| entry.name + entry.size + 1).sum();
        let mut size = all.max(1) + 1;
        let mut newer = all;
        let mut out = std::mem::take(&mut self.written);
        out.push(b'{');
        if self.cut {
            out.extend_from_slice(b"\"<truncated>\":true,");
        }
        for entry in &mut self.entries {
            let saved = entry.saved();
            if saved > 0 && newer > max.saturating_mul(KEPT) {
                entry.full = Box::default();
            }
            newer -= entry.name + entry.size + 1;
            if saved > 0 && (size > max || entry.full.is_empty()) {
                out.extend_from_slice(&entry.short);
                size = size.saturating_sub(saved);
            } else {
                out.extend_from_slice(&entry.full);
            }
            out.push(b',');
        }
        if out.len() > 1 {
            out.pop();
        }
        out.push(b'}');
        out
    }
}

/// The newest members of a large dict, oldest of them first.
fn newest<'py>(dict: &Bound<'py, PyDict>) -> PyResult<Vec<Pair<'py>>> {
    let py = dict.py();
    let items = py
        .get_type::<PyDict>()
        .call_method1(intern!(py, "items"), (dict,))?;
    let backwards = items
        .call_method0(intern!(py, "__reversed__"))?
        .try_iter()?;
    let mut members = backwards
        .take(MAX_ENTRIES)
        .map(|member| member?.extract::<Pair<'py>>())
        .collect::<PyResult<Vec<_>>>()?;
    members.reverse();
    Ok(members)
}
