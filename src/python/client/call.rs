//! Calls of the API outside the ledger.
#![expect(clippy::doc_markdown, reason = "docstrings of Python, shown by help()")]

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::{Any, SentrialClient};
use crate::core::call::{Call, Ended};
use crate::core::error::DeliveryError;
use crate::core::receipt::Outcome;
use crate::python::awaited::ApiCall;
use crate::python::inner::Inner;
use crate::python::wait::block_on;
use crate::python::{errors, log};

#[pymethods]
impl SentrialClient {
    /// Calls the API and waits for the answer; private, for the package itself.
    ///
    /// The call is made at once, beside what is recorded, and is not counted in `stats()`. It
    /// takes at most ``timeout`` seconds for each of ``max_retries + 1`` attempts, and the pauses
    /// between them.
    ///
    /// Args:
    ///     method: ``"GET"``, ``"POST"``, ``"PATCH"`` or ``"DELETE"``.
    ///     path: Path below the API's address, percent-encoded, with a leading slash.
    ///     body: What to send, as the json module writes it. Default None: no body.
    ///
    /// Returns:
    ///     The answer, parsed: ``{}`` for an empty one; None if the call failed on a silent client.
    ///
    /// Raises:
    ///     SentrialError: The call failed, if the client is loud.
    ///     ValueError: Another method, a path without a slash, a body that cannot be JSON.
    #[pyo3(signature = (method, path, body=None))]
    fn _api_call<'py>(
        slf: &Bound<'py, Self>,
        method: &str,
        path: &str,
        body: Option<&Any<'py>>,
    ) -> PyResult<Option<Any<'py>>> {
        let py = slf.py();
        let inner = slf.get().inner();
        let attempts = inner.core.settings().options.max_retries.saturating_add(1);
        let call = prepared(method, path, body, attempts)?;
        if inner.is_off() {
            return if inner.fail_silently || inner.core.may_send() {
                Ok(None)
            } else {
                Err(errors::delivery(py, &DeliveryError::NoKey))
            };
        }
        let error = match carried_out(py, inner, call)?.outcome {
            Outcome::Answer(body) => match parsed(py, &body) {
                Ok(value) => return Ok(Some(value)),
                Err(error) => error,
            },
            Outcome::Failed(error) => error,
        };
        if inner.fail_silently {
            Ok(None)
        } else {
            Err(errors::delivery(py, &error))
        }
    }
}

pub(super) fn prepared(
    method: &str,
    path: &str,
    body: Option<&Any<'_>>,
    attempts: u32,
) -> PyResult<Call> {
    let method = match method {
        "GET" => "GET",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        other => return Err(PyValueError::new_err(format!("unknown method: {other}"))),
    };
    if !path.starts_with('/') {
        let message = format!("path must start with a slash: {path}");
        return Err(PyValueError::new_err(message));
    }
    let body = match body {
        None => Bytes::new(),
        Some(value) => written(value)?,
    };
    Ok(Call {
        method,
        path: path.to_owned(),
        body,
        attempts,
    })
}

/// Exactly what the caller gave, unlike recorded values, which are cut to a budget.
fn written(value: &Any<'_>) -> PyResult<Bytes> {
    let py = value.py();
    let kwargs = PyDict::new(py);
    kwargs.set_item("allow_nan", false)?;
    let text: String = py
        .import("json")?
        .call_method("dumps", (value,), Some(&kwargs))?
        .extract()?;
    Ok(text.into())
}

pub(super) fn carried_out(py: Python<'_>, inner: &Inner, call: Call) -> PyResult<Ended> {
    let awaited = ApiCall::begin(inner, call);
    block_on(py, &awaited)?;
    log::drain(py);
    Ok(awaited.ended())
}

fn parsed<'py>(py: Python<'py>, body: &[u8]) -> Result<Any<'py>, DeliveryError> {
    if body.is_empty() {
        return Ok(PyDict::new(py).into_any());
    }
    let loads = py.import("json").and_then(|json| json.getattr("loads"));
    loads
        .and_then(|loads| loads.call1((PyBytes::new(py, body),)))
        .map_err(|_| DeliveryError::BadAnswer {
            message: "it is not JSON".to_owned(),
        })
}
