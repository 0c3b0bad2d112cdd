//! Which answer it is.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::Read;
use super::members::{Members, member};
use crate::python::json::absorb;
use crate::python::once::{intern, names};

/// The ids of an answer of `OpenAI`'s or Anthropic's, and the model that gave it, for the metadata.
#[pyfunction]
pub(crate) fn answer_identity<'py>(response: &Bound<'py, PyAny>) -> Read<Bound<'py, PyDict>> {
    identity(&Members::of(response)?, response)
}

/// See [`answer_identity`], where the members are at hand.
pub(super) fn identity<'py>(
    members: &Members<'py>,
    response: &Bound<'py, PyAny>,
) -> Read<Bound<'py, PyDict>> {
    let py = response.py();
    let names = names!(py, ["id", "model", "_request_id"]);
    let [id, model, request_id] = members.all(py, names)?;
    let request_id = match request_id {
        Some(id) if absorb(py, id.is_truthy())? == Some(true) => Some(id),
        // No field of the class: the client sets it, on some answers.
        _ => member(response, intern!(py, "_request_id"))?,
    };
    let told = names!(py, ["response_id", "response_model", "request_id"]);
    let found = PyDict::new(py);
    for (name, value) in told.iter().zip([id, model, request_id]) {
        if let Some(value) = value.filter(PyAnyMethods::is_instance_of::<PyString>) {
            found.set_item(name, value)?;
        }
    }
    Ok(found)
}
