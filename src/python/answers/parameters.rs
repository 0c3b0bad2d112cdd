//! Parameters of a call.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyFrozenSet, PyInt, PyString};

use super::items;

/// Those of the named parameters that were given as plain values: texts, numbers, lists of texts.
#[pyfunction]
pub(crate) fn scalars<'py>(
    given: &Bound<'py, PyDict>,
    names: &Bound<'py, PyFrozenSet>,
) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(given.py());
    for (name, value) in given {
        if is_scalar(&value) && names.contains(&name)? {
            found.set_item(name, value)?;
        }
    }
    Ok(found)
}

fn is_scalar(value: &Bound<'_, PyAny>) -> bool {
    let is_text = |value: &Bound<'_, PyAny>| value.is_instance_of::<PyString>();
    is_text(value)
        || value.is_instance_of::<PyInt>()
        || value.is_instance_of::<PyFloat>()
        || items(value).is_some_and(|items| items.iter().all(is_text))
}
