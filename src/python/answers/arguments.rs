//! Arguments of a tool call.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::Read;
use crate::python::once::intern;

/// A tool call's arguments as an object, if the model wrote valid JSON; else as they are.
#[pyfunction]
pub(crate) fn arguments_of<'py>(text: &Bound<'py, PyAny>) -> Read<Bound<'py, PyAny>> {
    if !text.is_instance_of::<PyString>() {
        return Ok(text.clone());
    }
    let py = text.py();
    let json = py.import(intern!(py, "json"))?;
    match json.call_method1(intern!(py, "loads"), (text,)) {
        Err(error) if error.is_instance_of::<PyValueError>(py) => Ok(text.clone()),
        parsed => Ok(parsed?),
    }
}
