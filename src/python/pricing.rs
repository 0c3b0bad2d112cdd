//! Costs by the price table of the core.

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::core::pricing::{self, Provider};

/// The cost in USD; 0.0 for a model that is not in the table.
///
/// # Errors
/// `AttributeError` if the model is no string, as documented.
pub(crate) fn cost(
    provider: &str,
    model: &Bound<'_, PyAny>,
    input_tokens: f64,
    output_tokens: f64,
) -> PyResult<f64> {
    let model = model.cast::<PyString>().map_err(|_| {
        let kind = model
            .get_type()
            .name()
            .map_or_else(|_| String::new(), |n| n.to_string());
        PyAttributeError::new_err(format!("'{kind}' object has no attribute 'startswith'"))
    })?;
    let known = known(
        provider,
        &model.to_string_lossy(),
        input_tokens,
        output_tokens,
    );
    Ok(known.unwrap_or(0.0))
}

/// The cost in USD, if the model is in the table.
pub(crate) fn known(provider: &str, model: &str, input: f64, output: f64) -> Option<f64> {
    pricing::cost(Provider::parse(provider)?, model, input, output)
}

/// Cost in USD of a call; None for a provider or model that is not in the table.
#[pyfunction]
pub(crate) fn known_cost(
    provider: &str,
    model: &str,
    input_tokens: f64,
    output_tokens: f64,
) -> Option<f64> {
    known(provider, model, input_tokens, output_tokens)
}
