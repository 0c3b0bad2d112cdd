//! The one place where errors of the core become Python exceptions.

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBytes};

use crate::core::answer::ApiError;
use crate::core::error::{ConfigError, DeliveryError};

fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("sentrial.exceptions")?.getattr(name)
}

fn raise(made: PyResult<Bound<'_, PyAny>>) -> PyErr {
    made.map_or_else(|error| error, PyErr::from_value)
}

/// `ConfigurationError`, naming the parameter.
pub(crate) fn configuration(py: Python<'_>, error: &ConfigError) -> PyErr {
    let made = class(py, "ConfigurationError")
        .and_then(|class| class.call1((error.parameter, error.message.as_str())));
    raise(made)
}

/// The exception for a request that was not delivered.
pub(crate) fn delivery(py: Python<'_>, error: &DeliveryError) -> PyErr {
    let simple = |name: &str, text: String| raise(class(py, name).and_then(|c| c.call1((text,))));
    match error {
        DeliveryError::Api(api) => raise(api_error(py, api)),
        DeliveryError::Connection { .. } => simple("APIConnectionError", error.to_string()),
        DeliveryError::Timeout { .. } => simple("APITimeoutError", error.to_string()),
        DeliveryError::BadAnswer { .. } | DeliveryError::Dropped(_) | DeliveryError::Spooled => {
            simple("SentrialError", error.to_string())
        }
        DeliveryError::Invalid(config) => configuration(py, config),
        DeliveryError::NoKey => raise(no_key(py, &error.to_string())),
    }
}

fn api_error<'py>(py: Python<'py>, api: &ApiError) -> PyResult<Bound<'py, PyAny>> {
    let kwargs = pyo3::types::PyDict::new(py);
    kwargs.set_item("error", api.error.as_deref())?;
    kwargs.set_item("message", &api.message)?;
    kwargs.set_item("body", PyBytes::new(py, &api.body))?;
    kwargs.set_item("request_id", api.request_id.as_deref())?;
    kwargs.set_item(
        "retry_after",
        api.retry_after.map(|after| after.as_secs_f64()),
    )?;
    class(py, "from_status")?.call((api.status,), Some(&kwargs))
}

fn no_key<'py>(py: Python<'py>, message: &str) -> PyResult<Bound<'py, PyAny>> {
    let kwargs = [("message", message)].into_py_dict(py)?;
    class(py, "AuthenticationError")?.call((401,), Some(&kwargs))
}
