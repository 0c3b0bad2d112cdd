//! Any Python object as JSON bytes.
//!
//! ```text
//! write_value ── exact built-in types ──► scalars, containers
//!      │
//!      └─ everything else ──► objects ──► classify (what is it?), fields, summary
//! ```
//!
//! The walk is read-only, imports nothing and writes straight into the caller's buffer. What it
//! meets decides only what the output looks like, never whether there is one: a value that cannot
//! be read becomes a placeholder (`"<TypeName>"`, `"<circular>"`, `"<max depth>"`,
//! `"<truncated>"`), and the output is valid JSON of bounded size. The one error that leaves this
//! module is an exception that is not an `Exception` (`KeyboardInterrupt`, `SystemExit`,
//! `CancelledError`) raised by code of the object being written.

mod asking;
mod base64;
mod budget;
mod classify;
mod containers;
mod escape;
mod fields;
mod keys;
mod numbers;
mod objects;
mod plain;
mod scalars;
mod summary;
mod text;

use pyo3::PyTypeInfo;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyList, PyString, PyTuple};

pub(crate) use asking::{Amount, is_true, message_of, number, text_of};
pub(crate) use budget::Budget;
pub(crate) use containers::Pair;
#[allow(unused_imports, reason = "for the client's bindings")]
pub(crate) use escape::write_str;
#[allow(unused_imports, reason = "for the client's bindings")]
pub(crate) use numbers::{write_f64, write_i64, write_u64};
pub(crate) use plain::is_small_and_plain;

/// Appends `value` to `out`. On an error `out` is as it was.
pub(crate) fn write_value(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    bounded(out, budget, |out, budget| write_any(value, out, budget))
}

/// Appends the content of `text` as a JSON string; lone surrogates become `\udXXX` escapes.
#[allow(dead_code, reason = "for the client's bindings")]
pub(crate) fn write_pystr(
    text: &Bound<'_, PyString>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    bounded(out, budget, |out, budget| {
        text::write_pystr(text, out, budget)
    })
}

/// Appends `key` as a key of an object.
pub(crate) fn write_key(
    key: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    bounded(out, budget, |out, budget| keys::write_key(key, out, budget))
}

/// Appends `text`, cut if the budget is too small for it.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>, budget: &mut Budget) -> PyResult<()> {
    bounded(out, budget, |out, budget| {
        text::write_utf8(text, out, budget);
        Ok(())
    })
}

/// Appends an object with these members: a dict that nobody has to make.
pub(crate) fn write_object(
    members: Vec<Pair<'_>>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    bounded(out, budget, |out, budget| {
        containers::write_own(members, out, budget)
    })
}

/// Writes any Python object as JSON bytes of about `max_bytes` at most.
#[pyfunction]
#[pyo3(signature = (value, max_bytes = 1_048_576))]
pub(crate) fn to_json<'py>(
    value: &Bound<'py, PyAny>,
    max_bytes: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut out = Vec::with_capacity(1024.min(max_bytes));
    write_value(value, &mut out, &mut Budget::new(max_bytes))?;
    Ok(PyBytes::new(value.py(), &out))
}

/// What an argument says, without asking what must not be asked: the text of a call in Python.
#[pyfunction]
pub(crate) fn described<'py>(value: &Bound<'py, PyAny>) -> Bound<'py, PyString> {
    match value.cast_exact::<PyString>() {
        Ok(text) => text.clone(),
        Err(_) => PyString::new(value.py(), &text_of(value)),
    }
}

fn bounded(
    out: &mut Vec<u8>,
    budget: &mut Budget,
    write: impl FnOnce(&mut Vec<u8>, &mut Budget) -> PyResult<()>,
) -> PyResult<()> {
    let start = out.len();
    budget.begin(start);
    let result = write(out, budget);
    if result.is_err() {
        out.truncate(start);
    }
    budget.end(out.len());
    result
}

/// Scalars in line, because most values are; the rest by a call.
#[inline]
fn write_any(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, budget: &mut Budget) -> PyResult<()> {
    if scalars::try_write(value, out, budget.room(out)) {
        return Ok(());
    }
    write_compound(value, out, budget)
}

/// The other built-in types by pointer comparison; everything else goes to `objects`.
#[inline(never)]
fn write_compound(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if let Some(dict) = exact::<PyDict>(value) {
        return containers::write_dict(dict, out, budget);
    }
    if let Some(list) = exact::<PyList>(value) {
        return containers::write_list(list, out, budget);
    }
    if let Some(tuple) = exact::<PyTuple>(value) {
        return containers::write_tuple(tuple, out, budget);
    }
    if let Some(text) = exact::<PyString>(value) {
        return text::write_unusual(text, out, budget);
    }
    if let Some(int) = exact::<PyInt>(value) {
        return numbers::write_int(int, out, budget);
    }
    objects::write_other(value, out, budget)
}

/// `cast_exact` builds its error with a reference to the expected type, two calls into the
/// interpreter per miss; the bare comparison does not.
#[inline]
fn exact<'a, 'py, T: PyTypeInfo>(value: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, T>> {
    if value.is_exact_instance_of::<T>() {
        value.cast_exact::<T>().ok()
    } else {
        None
    }
}

/// `None` for an `Exception`; only what must stop the program stays an error.
pub(super) fn absorb<T>(py: Python<'_>, result: PyResult<T>) -> PyResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(None),
        Err(error) => Err(error),
    }
}
