//! Arrays and objects.

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use super::{Budget, absorb, keys, scalars, text, write_any};

/// Key and value, held for the time of writing.
pub(crate) type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

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
    let written = write_scalars(dict, out, budget);
    if written == 0 {
        out.push(b'{');
    }
    let result = if written < dict.len() {
        // A snapshot of the rest: the iterator of PyO3 panics if a `__str__` below or another
        // thread changes the dict. Collecting runs no Python code, so nothing can change it here.
        // Not `dict.copy()`: no more is copied than the budget allows.
        let pairs: Vec<Pair<'_>> = dict
            .iter()
            .skip(written)
            .take(budget.items_left())
            .collect();
        let complete = written + pairs.len() >= dict.len();
        write_members(pairs, written == 0, complete, out, budget)
    } else {
        out.push(b'}');
        Ok(())
    };
    budget.leave();
    result
}

/// Appends the brace and the leading members whose keys and values are ordinary scalars, and gives
/// their number. Writing those runs no Python code, so the dict can be walked directly; the first
/// failure may have (the interpreter makes an exception), hence the walk ends there.
#[inline]
fn write_scalars(dict: &Bound<'_, PyDict>, out: &mut Vec<u8>, budget: &mut Budget) -> usize {
    let mut written = 0;
    for (key, value) in dict.iter().take(budget.items_left()) {
        let start = out.len();
        let room = budget.room(out);
        let open = if written == 0 { *b"{\"" } else { *b",\"" };
        if !scalars::try_write_key(open, &key, out, room)
            || !scalars::try_write(&value, out, budget.room(out))
        {
            out.truncate(start);
            break;
        }
        written += 1;
    }
    budget.count_items(written);
    written
}

/// Appends an object. `complete` is false if there were more pairs than given.
pub(super) fn write_pairs(
    pairs: Vec<Pair<'_>>,
    complete: bool,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    out.push(b'{');
    write_members(pairs, true, complete, out, budget)
}

/// Appends an object that is none of Python's. It is a level of its own, as a dict would be.
pub(super) fn write_own(
    members: Vec<Pair<'_>>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let nobody = 0;
    if !budget.enter(nobody, out) {
        return Ok(());
    }
    let result = write_pairs(members, true, out, budget);
    budget.leave();
    result
}

/// Appends members and the closing brace.
fn write_members(
    pairs: Vec<Pair<'_>>,
    mut first: bool,
    complete: bool,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let mut cut = !complete;
    for (key, value) in pairs {
        if budget.exhausted(out) {
            cut = true;
            break;
        }
        budget.count_items(1);
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
        if !first {
            out.push(b',');
        }
        out.extend_from_slice(b"\"<truncated>\":true");
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
    // By index: the list may shrink while an element is written, then reading fails. What is
    // appended meanwhile is not followed, or it might never end.
    let items = (0..list.len()).map_while(|index| list.get_item(index).ok());
    let result = write_array(items, true, out, budget);
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
            budget.count_items(1);
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
        budget.count_items(1);
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
