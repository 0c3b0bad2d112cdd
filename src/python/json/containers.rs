//! Arrays and objects.

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyList, PyTuple};

use super::classify::class_attributes;
use super::{Budget, absorb, keys, scalars, text, write_any};

/// Key and value, held for the time of writing.
pub(crate) type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Members or elements that are collected at a time, before any of them is written: writing may run
/// code that changes the container. Together they are as much as a small container has.
const CHUNK: usize = 1024;
/// Bytes for which it is not worth to look for the place in a large dict again.
const LITTLE: usize = 64;

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
    let result = write_rest(dict, written, out, budget);
    budget.leave();
    result
}

/// Appends what follows the leading members, and the closing brace.
fn write_rest(
    dict: &Bound<'_, PyDict>,
    written: usize,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let left = dict.len().saturating_sub(written);
    if left == 0 {
        out.push(b'}');
        return Ok(());
    }
    if budget.exhausted(out) || (left > CHUNK && budget.room(out) < LITTLE) {
        close_object(written == 0, true, out, budget);
        return Ok(());
    }
    if left <= CHUNK {
        // Collecting runs no Python code, so nothing can change the dict here. Its iterator panics
        // if a `__str__` or another thread changes it.
        let pairs = dict.iter().skip(written).collect();
        return write_members(pairs, written == 0, out, budget);
    }
    write_large(dict, written, out, budget)
}

/// Appends the members of a large dict chunk by chunk: what no longer fits is not touched.
#[cold]
fn write_large(
    dict: &Bound<'_, PyDict>,
    written: usize,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let py = dict.py();
    let rest = || -> PyResult<Bound<'_, PyIterator>> {
        let items = py
            .get_type::<PyDict>()
            .call_method1(intern!(py, "items"), (dict,))?;
        let slice = py.import("itertools")?.getattr(intern!(py, "islice"))?;
        slice.call1((items, written, py.None()))?.try_iter()
    };
    let Some(mut rest) = absorb(py, rest())? else {
        close_object(written == 0, true, out, budget);
        return Ok(());
    };
    write_pairs_of(&mut rest, written == 0, out, budget)
}

/// Appends the pairs that an iteration gives, and the closing brace.
fn write_pairs_of(
    pairs: &mut Bound<'_, PyIterator>,
    mut first: bool,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let mut cut = false;
    loop {
        let (chunk, more) = collect(pairs, budget)?;
        for item in chunk {
            if budget.exhausted(out) {
                cut = true;
                break;
            }
            if let Ok((key, value)) = item.extract::<Pair<'_>>() {
                write_member(&key, &value, first, out, budget)?;
                first = false;
            } else {
                // Counted, or a list of mappings with endless nonsense would cost it each time.
                budget.count_items(1);
                cut = true;
            }
        }
        match more {
            More::Yes if !budget.exhausted(out) => {}
            More::No => break,
            More::Yes | More::Broken => {
                cut = true;
                break;
            }
        }
    }
    close_object(first, cut, out, budget);
    Ok(())
}

/// What an iteration has after some of its items.
#[derive(PartialEq, Eq)]
enum More {
    Yes,
    No,
    /// It raised.
    Broken,
}

/// The next items of an iteration.
fn collect<'py>(
    iterator: &mut Bound<'py, PyIterator>,
    budget: &Budget,
) -> PyResult<(Vec<Bound<'py, PyAny>>, More)> {
    let py = iterator.py();
    let most = CHUNK.min(budget.items_left().saturating_add(1));
    let mut items = Vec::new();
    while items.len() < most {
        match iterator.next() {
            None => return Ok((items, More::No)),
            Some(next) => match absorb(py, next)? {
                Some(item) => items.push(item),
                None => return Ok((items, More::Broken)),
            },
        }
    }
    Ok((items, More::Yes))
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

/// Appends an object.
pub(super) fn write_pairs(
    pairs: Vec<Pair<'_>>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    out.push(b'{');
    write_members(pairs, true, out, budget)
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
    let result = write_pairs(members, out, budget);
    budget.leave();
    result
}

/// Appends members and the closing brace.
fn write_members(
    pairs: Vec<Pair<'_>>,
    mut first: bool,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let mut cut = false;
    for (key, value) in pairs {
        if budget.exhausted(out) {
            cut = true;
            break;
        }
        write_member(&key, &value, first, out, budget)?;
        first = false;
    }
    close_object(first, cut, out, budget);
    Ok(())
}

#[inline]
fn write_member(
    key: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
    first: bool,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    budget.count_items(1);
    if !first {
        out.push(b',');
    }
    keys::write_key(key, out, budget)?;
    out.push(b':');
    write_any(value, out, budget)
}

fn close_object(first: bool, cut: bool, out: &mut Vec<u8>, budget: &mut Budget) {
    if cut {
        budget.mark_truncated();
        if !first {
            out.push(b',');
        }
        out.extend_from_slice(b"\"<truncated>\":true");
    }
    out.push(b'}');
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
    let result = write_array(items, out, budget);
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
    let result = write_array(tuple.iter(), out, budget);
    budget.leave();
    result
}

/// Appends sets, deques, arrays and dict views, by the iteration of the built-in class: one of the
/// program's is not asked.
pub(super) fn write_iterable(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if !budget.enter(value.as_ptr() as usize, out) {
        return Ok(());
    }
    let result = match absorb(value.py(), iterate(value))? {
        Some(mut elements) => write_elements(&mut elements, out, budget),
        None => text::write_placeholder(value, out),
    };
    budget.leave();
    result
}

fn iterate<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyIterator>> {
    let py = value.py();
    let name = intern!(py, "__iter__");
    let builtin = |attribute: &Bound<'_, PyAny>| {
        attribute
            .get_type()
            .name()
            .is_ok_and(|name| name == "wrapper_descriptor")
    };
    match class_attributes(&value.get_type(), name)?.find(builtin) {
        Some(iterate) => iterate.call1((value,))?.try_iter(),
        None => value.try_iter(),
    }
}

fn write_elements(
    elements: &mut Bound<'_, PyIterator>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    out.push(b'[');
    let (mut first, mut cut) = (true, false);
    loop {
        let (chunk, more) = collect(elements, budget)?;
        cut |= !write_items(chunk.into_iter(), &mut first, out, budget)?;
        match more {
            More::Yes if !cut => {}
            More::No => break,
            More::Yes | More::Broken => {
                cut = true;
                break;
            }
        }
    }
    close_array(first, cut, out, budget);
    Ok(())
}

/// Appends what `items()` of a mapping gives; `false` if it gives nothing.
pub(super) fn write_mapping(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<bool> {
    // Entered before the items are asked for: in a large mapping full of references to itself
    // asking first would be quadratic.
    if !budget.enter(value.as_ptr() as usize, out) {
        return Ok(true);
    }
    let py = value.py();
    let items = || value.call_method0(intern!(py, "items"))?.try_iter();
    let result = match absorb(py, items()) {
        Ok(Some(mut items)) => {
            out.push(b'{');
            write_pairs_of(&mut items, true, out, budget).map(|()| true)
        }
        Ok(None) => Ok(false),
        Err(error) => Err(error),
    };
    budget.leave();
    result
}

#[inline]
fn write_array<'py>(
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    out.push(b'[');
    let mut first = true;
    let complete = write_items(items, &mut first, out, budget)?;
    close_array(first, !complete, out, budget);
    Ok(())
}

/// Appends elements; `false` if they did not all fit.
#[inline]
fn write_items<'py>(
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    first: &mut bool,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<bool> {
    for item in items {
        if budget.exhausted(out) {
            return Ok(false);
        }
        budget.count_items(1);
        if !*first {
            out.push(b',');
        }
        *first = false;
        write_any(&item, out, budget)?;
    }
    Ok(true)
}

fn close_array(first: bool, cut: bool, out: &mut Vec<u8>, budget: &mut Budget) {
    if cut {
        budget.mark_truncated();
        out.extend_from_slice(if first {
            b"\"<truncated>\""
        } else {
            b",\"<truncated>\""
        });
    }
    out.push(b']');
}
