//! Waiting, closing, counting, copying: what concerns the client as a whole.
#![expect(clippy::doc_markdown, reason = "docstrings of Python, shown by help()")]

use std::time::Instant;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{Any, SentrialClient};
use crate::python::awaited::{self, Flush};
use crate::python::wait::{Awaited as _, block_on, left};
use crate::python::{pricing, stats};

#[pymethods]
impl SentrialClient {
    /// Waits until everything recorded so far is delivered.
    ///
    /// Args:
    ///     timeout: Seconds to wait at most; default 30. Returns at once while the server is down.
    ///
    /// Raises:
    ///     SentrialError: the first failure since the last flush, if the client is loud and batches.
    #[pyo3(signature = (timeout=30.0))]
    fn flush(slf: &Bound<'_, Self>, timeout: Option<f64>) -> PyResult<()> {
        let inner = slf.get().inner();
        if inner.is_off() {
            return Ok(());
        }
        let timeout = awaited::timeout(timeout);
        let started = Instant::now();
        let flush = Flush::begin(inner, timeout);
        block_on(slf.py(), &flush)?;
        let flushed = flush.check(slf.py());
        if let Some(mirror) = inner.mirror.get() {
            mirror.flush(slf.py(), timeout.saturating_sub(started.elapsed()))?;
        }
        flushed
    }

    /// Delivers what is queued, waiting as the end of the process would: up to ``shutdown_timeout``
    /// seconds after the last successful answer. The client can be used again afterwards.
    fn shutdown(slf: &Bound<'_, Self>) -> PyResult<()> {
        let inner = slf.get().inner();
        if inner.is_off() {
            return Ok(());
        }
        let flush = Flush::begin_last(inner);
        block_on(slf.py(), &flush)?;
        let flushed = flush.check(slf.py());
        if let Some(mirror) = inner.mirror.get() {
            mirror.flush(slf.py(), left(flush.deadline()).unwrap_or_default())?;
        }
        flushed
    }

    /// The same as `shutdown`.
    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::shutdown(slf)
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    #[pyo3(signature = (exc_type, exc_val, exc_tb))]
    fn __exit__(
        slf: &Bound<'_, Self>,
        exc_type: &Any<'_>,
        exc_val: &Any<'_>,
        exc_tb: &Any<'_>,
    ) -> PyResult<bool> {
        let _ = (exc_val, exc_tb);
        match Self::shutdown(slf) {
            // The program's own exception matters more than ours.
            Err(error) if exc_type.is_none() => Err(error),
            _ => Ok(false),
        }
    }

    /// Counters of this client: ``accepted = delivered + pending + spooled + sum of dropped`` at
    /// every moment, in logical requests.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        stats::of_client(py, self.inner())
    }

    /// Cost in USD of an OpenAI call; 0.0 for an unknown model.
    #[staticmethod]
    #[pyo3(signature = (model, input_tokens, output_tokens))]
    fn calculate_openai_cost(
        model: &Any<'_>,
        input_tokens: f64,
        output_tokens: f64,
    ) -> PyResult<f64> {
        pricing::documented_cost("openai", model, input_tokens, output_tokens)
    }

    /// Cost in USD of an Anthropic call; 0.0 for an unknown model.
    #[staticmethod]
    #[pyo3(signature = (model, input_tokens, output_tokens))]
    fn calculate_anthropic_cost(
        model: &Any<'_>,
        input_tokens: f64,
        output_tokens: f64,
    ) -> PyResult<f64> {
        pricing::documented_cost("anthropic", model, input_tokens, output_tokens)
    }

    /// Cost in USD of a Google call; 0.0 for an unknown model.
    #[staticmethod]
    #[pyo3(signature = (model, input_tokens, output_tokens))]
    fn calculate_google_cost(
        model: &Any<'_>,
        input_tokens: f64,
        output_tokens: f64,
    ) -> PyResult<f64> {
        pricing::documented_cost("google", model, input_tokens, output_tokens)
    }

    fn __repr__(&self) -> String {
        let key = self.inner().core.key();
        let key = key.map_or_else(|| "None".to_owned(), |key| format!("'{}'", key.masked()));
        format!(
            "SentrialClient(api_url='{}', api_key={key})",
            self.api_url()
        )
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __deepcopy__<'py>(slf: &Bound<'py, Self>, memo: &Any<'_>) -> Bound<'py, Self> {
        let _ = memo;
        slf.clone()
    }

    /// Options without the key, which is read from the environment again.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Any<'py>, (Any<'py>, Any<'py>))> {
        let py = slf.py();
        let restore = py.import("sentrial.client")?.getattr("_restore")?;
        let options = slf.get().options.get();
        let options = options.map_or_else(|| PyDict::new(py), |options| options.bind(py).clone());
        Ok((restore, (slf.get_type().into_any(), options.into_any())))
    }
}

/// Refuses to pickle something that only makes sense in this process.
pub(crate) fn not_picklable(what: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{what} cannot be pickled: it belongs to this process; pass its session_id instead"
    ))
}
