//! Everything whose type is not exactly a JSON-like built-in.

use crate::python::once::intern;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{
    PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyIterator, PyList, PyMemoryView,
    PySet, PyString, PyTuple,
};

use super::classify::{Kind, class_attribute, classify};
use super::{Budget, absorb, containers, fields, numbers, summary, text, write_any, write_f64};

/// Mutable buffers are copied before they are written; larger ones are only named.
const MAX_BUFFER_BYTES: usize = 16 << 20;

#[inline(never)]
pub(super) fn write_other(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    match classify(value)? {
        Kind::Enum => write_enum(value, out, budget),
        Kind::Moment => write_moment(value, out, budget),
        Kind::Duration => write_duration(value, out),
        Kind::Text => text::write_str_of(value, usize::MAX, out, budget),
        Kind::Mapping => {
            if containers::write_items(value, out, budget)? {
                return Ok(());
            }
            text::write_placeholder(value, out)
        }
        Kind::Iterable => containers::write_iterable(value, out, budget),
        Kind::NumpyScalar => summary::write_numpy_scalar(value, out, budget),
        Kind::NumpyArray => summary::write_numpy_array(value, out, budget),
        Kind::Table => summary::write_shape(value, false, out, budget),
        Kind::Tensor => summary::write_shape(value, true, out, budget),
        kind @ (Kind::Dataclass | Kind::Pydantic | Kind::PydanticV1 | Kind::Attrs) => {
            fields::write_fields(value, kind, out, budget)
        }
        Kind::Other => write_unclassified(value, out, budget),
    }
}

/// Subclasses of built-in types by their content (a check of type flags, which no class can fake),
/// then what has no content to show.
#[inline(never)]
fn write_unclassified(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if let Ok(text) = value.cast::<PyString>() {
        return text::write_pystr(text, out, budget);
    }
    if let Ok(int) = value.cast::<PyInt>() {
        return numbers::write_int(int, out, budget);
    }
    if let Ok(float) = value.cast::<PyFloat>() {
        write_f64(float.value(), out);
        return Ok(());
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        return write_dict_subclass(dict, out, budget);
    }
    if let Ok(list) = value.cast::<PyList>() {
        return containers::write_list(list, out, budget);
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return containers::write_tuple(tuple, out, budget);
    }
    if value.is_instance_of::<PySet>() || value.is_instance_of::<PyFrozenSet>() {
        return containers::write_iterable(value, out, budget);
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        text::write_bytes(bytes.as_bytes(), out, budget);
        return Ok(());
    }
    if value.is_instance_of::<PyBaseException>() {
        return summary::write_exception(value, out, budget);
    }
    if value.is_instance_of::<PyByteArray>() || value.is_instance_of::<PyMemoryView>() {
        return write_buffer(value, out, budget);
    }
    // Never consumed: the program still needs what it yields.
    if value.cast::<PyIterator>().is_ok() {
        return text::write_placeholder(value, out);
    }
    text::write_str_of(value, text::MAX_STR_CHARS, out, budget)
}

/// By its stored items, unless the class overrides `items`.
fn write_dict_subclass(
    dict: &Bound<'_, PyDict>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let py = dict.py();
    let name = intern!(py, "items");
    let own = absorb(py, class_attribute(&dict.get_type(), name))?.flatten();
    let builtin = absorb(py, class_attribute(&py.get_type::<PyDict>(), name))?.flatten();
    let overridden = match (own, builtin) {
        (Some(own), Some(builtin)) => !own.is(&builtin),
        _ => false,
    };
    if overridden && containers::write_items(dict, out, budget)? {
        return Ok(());
    }
    containers::write_dict(dict, out, budget)
}

fn write_enum(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, budget: &mut Budget) -> PyResult<()> {
    let py = value.py();
    let Some(inner) = absorb(py, value.getattr(intern!(py, "_value_")))? else {
        return text::write_placeholder(value, out);
    };
    if !budget.enter(value.as_ptr() as usize, out) {
        return Ok(());
    }
    let result = write_any(&inner, out, budget);
    budget.leave();
    result
}

fn write_moment(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, budget: &mut Budget) -> PyResult<()> {
    let py = value.py();
    let text = absorb(py, value.call_method0(intern!(py, "isoformat")))?;
    match text.as_ref().map(|text| text.cast::<PyString>()) {
        Some(Ok(text)) => text::write_pystr(text, out, budget),
        _ => text::write_placeholder(value, out),
    }
}

fn write_duration(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
    let py = value.py();
    let seconds = absorb(py, value.call_method0(intern!(py, "total_seconds")))?;
    match seconds.as_ref().map(|seconds| seconds.cast::<PyFloat>()) {
        Some(Ok(seconds)) => {
            write_f64(seconds.value(), out);
            Ok(())
        }
        _ => text::write_placeholder(value, out),
    }
}

/// Appends a `bytearray` or a `memoryview`.
fn write_buffer(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, budget: &mut Budget) -> PyResult<()> {
    let py = value.py();
    let copy = || -> PyResult<Option<Bound<'_, PyBytes>>> {
        if let Ok(array) = value.cast::<PyByteArray>() {
            return Ok((array.len() <= MAX_BUFFER_BYTES).then(|| PyBytes::new(py, &array.to_vec())));
        }
        let size: usize = value.getattr(intern!(py, "nbytes"))?.extract()?;
        if size > MAX_BUFFER_BYTES {
            return Ok(None);
        }
        Ok(Some(
            value
                .call_method0(intern!(py, "tobytes"))?
                .cast_into::<PyBytes>()?,
        ))
    };
    if let Some(bytes) = absorb(py, copy())?.flatten() {
        text::write_bytes(bytes.as_bytes(), out, budget);
        return Ok(());
    }
    budget.mark_truncated();
    text::write_placeholder(value, out)
}
