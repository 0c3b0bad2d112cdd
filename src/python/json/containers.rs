//! Arrays and objects.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use super::{Budget, absorb, keys, text, write_any};

/// Key and value, held for the time of writing.
pub(super) type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// What an iteration gave: at most the items that the budget allows.
struct Snapshot<'py> {
    items: Vec<Bound<'py, PyAny>>,
    complete: bool,
}

pub(super) fn write_dict(
    dict: &Bound<'_, PyDict>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if !budget.enter(dict.as_ptr() as usize, out) {
        return Ok(());
    }
    // A snapshot: the iterator of PyO3 panics if a `__str__` below or another thread changes the
    // dict. Collecting runs no Python code, so nothing can change it here. A vector of references
    // instead of `dict.copy()`: one allocation, and no more than the budget allows is copied.
    let len = dict.len();
    let take = len.min(budget.items_left());
    let mut pairs = Vec::with_capacity(take);
    pairs.extend(dict.iter().take(take));
    let result = write_pairs(pairs, take == len, out, budget);
    budget.leave();
    result
}

/// Appends an object. `complete` is false if there were more pairs than given.
pub(super) fn write_pairs(
    pairs: Vec<Pair<'_>>,
    complete: bool,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    out.push(b'{');
    let mut cut = !complete;
    let mut first = true;
    for (key, value) in pairs {
        if budget.exhausted(out) {
            cut = true;
            break;
        }
        budget.count_item();
        if !first {
            out.push(b',');
        }
        first = false;
        keys::write_key(&key, out, budget)?;
        out.push(b':');
        write_any(&value, out, budget)?;
    }
    if cut {
        budget.mark_truncated();
        let marker: &[u8] = if first {
            b"\"<truncated>\":true"
        } else {
            b",\"<truncated>\":true"
        };
        out.extend_from_slice(marker);
    }
    out.push(b'}');
    Ok(())
}

pub(super) fn write_list(
    list: &Bound<'_, PyList>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if !budget.enter(list.as_ptr() as usize, out) {
        return Ok(());
    }
    // By index and with the length read again: the list may shrink while an element is written.
    let mut index = 0;
    let next = || {
        let item = if index < list.len() {
            list.get_item(index).ok()
        } else {
            None
        };
        index += 1;
        item
    };
    let result = write_array(std::iter::from_fn(next), true, out, budget);
    budget.leave();
    result
}

pub(super) fn write_tuple(
    tuple: &Bound<'_, PyTuple>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if !budget.enter(tuple.as_ptr() as usize, out) {
        return Ok(());
    }
    let result = write_array(tuple.iter(), true, out, budget);
    budget.leave();
    result
}

/// Appends sets, deques and dict views.
pub(super) fn write_iterable(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if !budget.enter(value.as_ptr() as usize, out) {
        return Ok(());
    }
    let result = match snapshot(value, budget.items_left()) {
        Ok(Some(found)) => write_array(found.items.into_iter(), found.complete, out, budget),
        Ok(None) => text::write_placeholder(value, out),
        Err(error) => Err(error),
    };
    budget.leave();
    result
}

/// Appends the pairs that `value.items()` gives; `false` if it gives none.
pub(super) fn write_items(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<bool> {
    // Entered before the items are asked for: in a large mapping full of references to itself
    // asking first would be quadratic.
    if !budget.enter(value.as_ptr() as usize, out) {
        return Ok(true);
    }
    let result = match pairs_of(value, budget) {
        Ok(Some((pairs, complete))) => write_pairs(pairs, complete, out, budget).map(|()| true),
        Ok(None) => Ok(false),
        Err(error) => Err(error),
    };
    budget.leave();
    result
}

fn pairs_of<'py>(
    value: &Bound<'py, PyAny>,
    budget: &mut Budget,
) -> PyResult<Option<(Vec<Pair<'py>>, bool)>> {
    let py = value.py();
    let Some(items) = absorb(py, value.call_method0(intern!(py, "items")))? else {
        return Ok(None);
    };
    let Some(found) = snapshot(&items, budget.items_left())? else {
        return Ok(None);
    };
    let mut complete = found.complete;
    let mut pairs = Vec::with_capacity(found.items.len());
    for item in found.items {
        if let Ok(pair) = item.extract::<Pair<'py>>() {
            pairs.push(pair);
        } else {
            // Counted, or a list of mappings with endless nonsense would cost it each time.
            budget.count_item();
            complete = false;
        }
    }
    Ok(Some((pairs, complete)))
}

#[inline]
fn write_array<'py>(
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    complete: bool,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    out.push(b'[');
    let mut cut = !complete;
    let mut first = true;
    for item in items {
        if budget.exhausted(out) {
            cut = true;
            break;
        }
        budget.count_item();
        if !first {
            out.push(b',');
        }
        first = false;
        write_any(&item, out, budget)?;
    }
    if cut {
        budget.mark_truncated();
        out.extend_from_slice(if first {
            b"\"<truncated>\""
        } else {
            b",\"<truncated>\""
        });
    }
    out.push(b']');
    Ok(())
}

/// Collects before anything is written: the elements may run code that changes the container.
fn snapshot<'py>(value: &Bound<'py, PyAny>, limit: usize) -> PyResult<Option<Snapshot<'py>>> {
    let py = value.py();
    let Some(iterator) = absorb(py, value.try_iter())? else {
        return Ok(None);
    };
    let mut items = Vec::new();
    let mut complete = true;
    for next in iterator {
        match absorb(py, next)? {
            Some(item) if items.len() < limit => items.push(item),
            None if items.is_empty() => return Ok(None),
            _ => {
                complete = false;
                break;
            }
        }
    }
    Ok(Some(Snapshot { items, complete }))
}
