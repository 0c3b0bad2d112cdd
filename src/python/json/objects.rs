//! Everything whose type is not exactly a JSON-like built-in.

use crate::python::once::intern;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{
    PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyIterator, PyList, PyMemoryView,
    PySet, PySlice, PyString, PyTuple,
};

use super::classify::{Kind, classify, field, instance_dict};
use super::{Budget, absorb, containers, fields, numbers, summary, text, write_any, write_f64};

#[inline(never)]
pub(super) fn write_other(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    budget.count_object();
    match classify(value)? {
        Kind::Enum => write_enum(value, out, budget),
        Kind::Moment => write_moment(value, out, budget),
        Kind::Duration => write_duration(value, out),
        Kind::Text => text::write_str_of(value, usize::MAX, out, budget),
        Kind::Mapping => {
            if containers::write_mapping(value, out, budget)? {
                return Ok(());
            }
            text::write_placeholder(value, out)
        }
        Kind::Wrapper(name) => write_wrapper(value, name, out, budget),
        Kind::Iterable => containers::write_iterable(value, out, budget),
        Kind::Named => text::write_placeholder(value, out),
        Kind::NumpyScalar => summary::write_numpy_scalar(value, out, budget),
        Kind::NumpyArray => summary::write_numpy_array(value, out, budget),
        Kind::Table => summary::write_shape(value, false, out, budget),
        Kind::Tensor => summary::write_shape(value, true, out, budget),
        kind @ (Kind::Dataclass
        | Kind::Pydantic
        | Kind::PydanticV1
        | Kind::Attrs
        | Kind::Loaded) => fields::write_fields(value, kind, out, budget),
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
        return containers::write_dict(dict, out, budget);
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
        let bytes = bytes.as_bytes();
        text::write_bytes(bytes, bytes.len(), out, budget);
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
    text::write_text_of(value, out, budget)
}

/// By the container that it keeps.
fn write_wrapper(
    value: &Bound<'_, PyAny>,
    name: &str,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let py = value.py();
    let kept = || {
        let dict = instance_dict(value)?;
        field(value, dict.as_ref(), &PyString::intern(py, name))
    };
    let Some(kept) = absorb(py, kept())?.flatten() else {
        return text::write_placeholder(value, out);
    };
    if !budget.enter(value.as_ptr() as usize, out) {
        return Ok(());
    }
    let result = write_any(&kept, out, budget);
    budget.leave();
    result
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

/// Appends a `bytearray` or a `memoryview`: a copy, because the original may change, of as much as
/// may be sent.
fn write_buffer(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, budget: &mut Budget) -> PyResult<()> {
    let py = value.py();
    let limit = budget.room(out).saturating_add(1);
    match absorb(py, head_of(value, limit))?.flatten() {
        Some((head, size)) => text::write_bytes(head.as_bytes(), size, out, budget),
        None => {
            budget.mark_truncated();
            return text::write_placeholder(value, out);
        }
    }
    Ok(())
}

/// At most `limit` of the bytes, and how many there are.
fn head_of<'py>(
    value: &Bound<'py, PyAny>,
    limit: usize,
) -> PyResult<Option<(Bound<'py, PyBytes>, usize)>> {
    let py = value.py();
    if let Ok(array) = value.cast::<PyByteArray>() {
        let head = py.get_type::<PyByteArray>().call_method1(
            intern!(py, "__getitem__"),
            (array, PySlice::new(py, 0, limit.try_into()?, 1)),
        )?;
        let head = head.cast_into::<PyByteArray>()?;
        return Ok(Some((PyBytes::new(py, &head.to_vec()), array.len())));
    }
    let size: usize = value.getattr(intern!(py, "nbytes"))?.extract()?;
    let mut view = value.clone();
    if size > limit {
        let dimensions: usize = value.getattr(intern!(py, "ndim"))?.extract()?;
        let each: usize = value.getattr(intern!(py, "itemsize"))?.extract()?;
        if dimensions != 1 || each == 0 {
            return Ok(None);
        }
        let items = limit.div_ceil(each).try_into()?;
        view = value.get_item(PySlice::new(py, 0, items, 1))?;
    }
    let head = view
        .call_method0(intern!(py, "tobytes"))?
        .cast_into::<PyBytes>()?;
    Ok(Some((head, size)))
}
