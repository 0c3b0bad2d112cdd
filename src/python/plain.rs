//! Whether messages can be written down as they are.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::python::once::intern;

/// How deep is looked for media.
const DEPTH: u8 = 12;
/// Texts of at most as many characters hold no media.
const SHORT: usize = 256;

/// Messages as they are recorded: images and other media by type, size and hash.
///
/// Nothing is consumed or changed. What holds no media is returned as it is.
#[pyfunction]
pub(crate) fn written<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if is_plain(value) {
        return Ok(value.clone());
    }
    let py = value.py();
    let media = py.import(intern!(py, "sentrial.wrappers._media"))?;
    media.call_method1(intern!(py, "rewritten"), (value,))
}

/// Whether a value holds nothing that would be written down otherwise: no media, and no object
/// that might hold some. The answer no is not final: `rewritten` looks more closely.
#[pyfunction]
pub(crate) fn is_plain(value: &Bound<'_, PyAny>) -> bool {
    is_plain_within(value, DEPTH)
}

/// No code of Python's runs below: the containers stay as they are meanwhile.
fn is_plain_within(value: &Bound<'_, PyAny>, depth: u8) -> bool {
    if let Ok(text) = value.cast_exact::<PyString>() {
        return is_short(text) || !is_data_url(text);
    }
    let deeper = depth.saturating_sub(1);
    if let Ok(dict) = value.cast_exact::<PyDict>() {
        let mut items = dict.iter();
        return depth == 0 || items.all(|(key, item)| is_plain_member(&key, &item, deeper));
    }
    if let Ok(list) = value.cast_exact::<PyList>() {
        return depth == 0 || list.iter().all(|item| is_plain_within(&item, deeper));
    }
    if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        return depth == 0 || tuple.iter().all(|item| is_plain_within(&item, deeper));
    }
    value.is_none()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyBool>()
}

fn is_plain_member(key: &Bound<'_, PyAny>, item: &Bound<'_, PyAny>, depth: u8) -> bool {
    match item.cast_exact::<PyString>() {
        Ok(text) => is_short(text) || !(may_hold_data(key) || is_data_url(text)),
        Err(_) => is_plain_within(item, depth),
    }
}

fn is_short(text: &Bound<'_, PyString>) -> bool {
    text.len().is_ok_and(|length| length <= SHORT)
}

/// What begins like one and cannot be read as UTF-8 may be one. The first character is looked at
/// before: a text that is not ASCII keeps the copy that reading it makes.
fn is_data_url(text: &Bound<'_, PyString>) -> bool {
    let first = text.get_item(0);
    let begins = first.is_ok_and(|first| first.cast::<PyString>().is_ok_and(|first| *first == "d"));
    begins && text.to_str().map_or(true, |text| text.starts_with("data:"))
}

/// Whether a member of that name may hold base64 text. A key that is no text may equal anything.
fn may_hold_data(key: &Bound<'_, PyAny>) -> bool {
    let Ok(key) = key.cast_exact::<PyString>() else {
        return true;
    };
    let py = key.py();
    let names = [
        intern!(py, "data"),
        intern!(py, "file_data"),
        intern!(py, "image_data"),
    ];
    names
        .iter()
        .any(|name| key.is(*name) || key.to_str().is_ok_and(|key| *name == key))
}
