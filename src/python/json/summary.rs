//! Objects told in a few words: exceptions, large arrays, tables.

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use super::{Budget, absorb, message_of, text, write_any};

/// Elements up to which a numpy array is written in full.
const MAX_ARRAY_ITEMS: u64 = 10_000;
/// Bytes up to which it is: texts have a fixed width, however short they are.
const MAX_ARRAY_BYTES: u64 = 1 << 20;

/// Appends `{"type": class, "message": str(error)}`.
pub(super) fn write_exception(
    error: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    out.extend_from_slice(b"{\"type\":");
    match absorb(error.py(), qualified_name(&error.get_type()))? {
        Some(name) => text::write_utf8(&name, out, budget),
        None => text::write_placeholder(error, out)?,
    }
    out.extend_from_slice(b",\"message\":");
    text::write_pystr(&message_of(error)?, out, budget)?;
    out.push(b'}');
    Ok(())
}

/// `module.qualname`, without `builtins`. Not `PyO3`'s `fully_qualified_name`, which also drops
/// `__main__`, where most scripts define their exceptions.
fn qualified_name(class: &Bound<'_, PyType>) -> PyResult<String> {
    let py = class.py();
    let module = class
        .getattr(intern!(py, "__module__"))?
        .cast_into::<PyString>()?;
    let qualname = class.qualname()?;
    let (module, qualname) = (module.to_string_lossy(), qualname.to_string_lossy());
    Ok(if module == "builtins" {
        qualname.into_owned()
    } else {
        format!("{module}.{qualname}")
    })
}

pub(super) fn write_numpy_scalar(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let py = value.py();
    let item = absorb(py, value.call_method0(intern!(py, "item")))?;
    // `numpy.longdouble` gives itself, because Python has no type for it.
    match item.filter(|item| !item.get_type().is(value.get_type())) {
        Some(item) => write_converted(value, &item, out, budget),
        None => text::write_str_of(value, text::MAX_STR_CHARS, out, budget),
    }
}

pub(super) fn write_numpy_array(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let py = value.py();
    let list = || -> PyResult<Option<Bound<'_, PyAny>>> {
        let size: u64 = value.getattr(intern!(py, "size"))?.extract()?;
        let bytes: u64 = value.getattr(intern!(py, "nbytes"))?.extract()?;
        if size > MAX_ARRAY_ITEMS || bytes > MAX_ARRAY_BYTES {
            return Ok(None);
        }
        value.call_method0(intern!(py, "tolist")).map(Some)
    };
    match absorb(py, list())?.flatten() {
        Some(list) => write_converted(value, &list, out, budget),
        None => write_shape(value, true, out, budget),
    }
}

/// Appends `{"type", "shape"}` and, where asked, `"dtype"`.
pub(super) fn write_shape(
    value: &Bound<'_, PyAny>,
    with_dtype: bool,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if !budget.enter(value.as_ptr() as usize, out) {
        return Ok(());
    }
    budget.mark_truncated();
    let result = write_shape_entered(value, with_dtype, out, budget);
    budget.leave();
    result
}

fn write_shape_entered(
    value: &Bound<'_, PyAny>,
    with_dtype: bool,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let py = value.py();
    out.extend_from_slice(b"{\"type\":");
    match absorb(py, value.get_type().name())? {
        Some(name) => text::write_pystr(&name, out, budget)?,
        None => text::write_placeholder(value, out)?,
    }
    out.extend_from_slice(b",\"shape\":");
    match absorb(py, value.getattr(intern!(py, "shape")))? {
        Some(shape) => write_any(&shape, out, budget)?,
        None => out.extend_from_slice(b"null"),
    }
    if with_dtype {
        out.extend_from_slice(b",\"dtype\":");
        match absorb(py, value.getattr(intern!(py, "dtype")))? {
            Some(dtype) => text::write_str_of(&dtype, text::MAX_STR_CHARS, out, budget)?,
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
    Ok(())
}

/// Appends what `value` was converted to; entered, since the conversion may lead back to `value`.
fn write_converted(
    value: &Bound<'_, PyAny>,
    converted: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if !budget.enter(value.as_ptr() as usize, out) {
        return Ok(());
    }
    let result = write_any(converted, out, budget);
    budget.leave();
    result
}
