//! Which answer it is.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::members::{Members, member};
use crate::python::json::absorb;
use crate::python::once::intern;

/// The ids of an answer of `OpenAI`'s or Anthropic's, and the model that gave it, for the metadata.
#[pyfunction]
pub(crate) fn answer_identity<'py>(response: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    identity(&Members::of(response)?, response)
}

/// See [`answer_identity`], where the members are at hand.
pub(super) fn identity<'py>(
    members: &Members<'py>,
    response: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = response.py();
    let found = PyDict::new(py);
    let tell = |name: &Bound<'py, PyString>, value: Option<Bound<'py, PyAny>>| {
        let text = value.filter(PyAnyMethods::is_instance_of::<PyString>);
        text.map_or(Ok(()), |text| found.set_item(name, text))
    };
    tell(intern!(py, "response_id"), members.get(intern!(py, "id"))?)?;
    let model = members.get(intern!(py, "model"))?;
    tell(intern!(py, "response_model"), model)?;
    tell(intern!(py, "request_id"), request_id(members, response)?)?;
    Ok(found)
}

/// No field of the class: the client sets it, on some answers.
fn request_id<'py>(
    members: &Members<'py>,
    response: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = response.py();
    let name = intern!(py, "_request_id");
    if let Some(id) = members.get(name)?
        && absorb(py, id.is_truthy())? == Some(true)
    {
        return Ok(Some(id));
    }
    member(response, name)
}
