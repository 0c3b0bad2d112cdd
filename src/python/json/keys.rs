//! Keys of objects, spelled as Python's `json` spells them.

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyFrozenSet, PyInt, PyString, PyTuple};

use super::classify::{Kind, classify};
use super::plain::is_small_and_plain;
use super::{Budget, absorb, escape, exact, numbers, text};

#[inline]
pub(super) fn write_key(
    key: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    match exact::<PyString>(key) {
        Some(text) => text::write_pystr(text, out, budget),
        None => write_other_key(key, out, budget),
    }
}

#[inline(never)]
fn write_other_key(key: &Bound<'_, PyAny>, out: &mut Vec<u8>, budget: &mut Budget) -> PyResult<()> {
    let py = key.py();
    let mut key = key.clone();
    if !is_plain(&key) && classify(&key)? == Kind::Enum {
        match absorb(py, key.getattr(intern!(py, "_value_")))? {
            Some(value) => key = value,
            None => return text::write_placeholder(&key, out),
        }
    }
    if let Ok(text) = key.cast::<PyString>() {
        return text::write_pystr(text, out, budget);
    }
    if key.is_none() {
        escape::write_str("null", out);
    } else if let Some(flag) = exact::<PyBool>(&key) {
        escape::write_str(if flag.is_true() { "true" } else { "false" }, out);
    } else if let Ok(int) = key.cast::<PyInt>() {
        if let Some(digits) = numbers::decimal(int)? {
            return text::write_pystr(&digits, out, budget);
        }
        match numbers::hexadecimal(int)? {
            Some(digits) => escape::write_str(&digits, out),
            None => return text::write_placeholder(&key, out),
        }
    } else if let Ok(float) = key.cast::<PyFloat>() {
        return write_float_key(float, out, budget);
    } else {
        return write_object_key(&key, out, budget);
    }
    Ok(())
}

/// A key that is none of JSON's: its text, unless that would be the text of what it is made of, which
/// is not asked.
fn write_object_key(
    key: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if key.is_instance_of::<PyTuple>() || key.is_instance_of::<PyFrozenSet>() {
        return if is_small_and_plain(key) {
            text::write_str_of(key, text::MAX_STR_CHARS, out, budget)
        } else {
            text::write_placeholder(key, out)
        };
    }
    match classify(key)? {
        Kind::Other if key.is_exact_instance_of::<PyBytes>() => {
            text::write_str_of(key, text::MAX_STR_CHARS, out, budget)
        }
        Kind::Moment | Kind::Duration | Kind::Text | Kind::NumpyScalar => {
            text::write_str_of(key, text::MAX_STR_CHARS, out, budget)
        }
        Kind::Other => text::write_text_of(key, out, budget),
        _ => text::write_placeholder(key, out),
    }
}

fn is_plain(key: &Bound<'_, PyAny>) -> bool {
    key.is_exact_instance_of::<PyInt>()
        || key.is_none()
        || key.is_exact_instance_of::<PyBool>()
        || key.is_exact_instance_of::<PyFloat>()
}

fn write_float_key(
    key: &Bound<'_, PyFloat>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let py = key.py();
    let value = key.value();
    if !value.is_finite() {
        numbers::write_f64(value, out);
        return Ok(());
    }
    let float = py.get_type::<PyFloat>();
    let spelled = absorb(py, float.call_method1(intern!(py, "__repr__"), (key,)))?;
    match spelled.as_ref().map(|spelled| spelled.cast::<PyString>()) {
        Some(Ok(spelled)) => text::write_pystr(spelled, out, budget),
        _ => text::write_placeholder(key, out),
    }
}
