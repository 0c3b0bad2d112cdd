//! The handle inside a lazy receipt: where Python waits for one answer.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyType};

use crate::core::client::ClientState;
use crate::core::receipt::{Outcome, Receipt};

use super::log;
use super::wait::{after, wait_for};

/// The key under which an unread receipt holds its handle.
pub(crate) const KEY: &str = "\0sentrial-pending";

/// Where the answer of one request will be.
#[pyclass(frozen, module = "sentrial._core")]
pub(crate) struct Pending {
    receipt: Arc<Receipt>,
    client: Arc<ClientState>,
    wait_timeout: Duration,
}

#[pymethods]
impl Pending {
    /// Waits for the answer, at most ``wait_timeout`` seconds and not at all while the server is
    /// down. Returns the server's data, ``{}`` if the request was dropped, None if it is still on
    /// its way.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let process = self.client.process();
        let ready = || {
            let stop = || !self.receipt.is_ours() || self.client.is_broken();
            self.receipt
                .outcome()
                .cloned()
                .map(Some)
                .or_else(|| stop().then_some(None))
        };
        let outcome = wait_for(py, process, after(self.wait_timeout), ready)?.flatten();
        log::drain(py);
        outcome.map(|outcome| data(py, &outcome)).transpose()
    }

    /// The server's data if the request has ended, without waiting; else None.
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.receipt
            .outcome()
            .map(|outcome| data(py, outcome))
            .transpose()
    }

    /// Whether waiting is pointless for now: the server is down, the key refused, or the request
    /// belongs to the parent process.
    #[getter]
    fn stalled(&self) -> bool {
        !self.receipt.is_ours() || self.client.is_broken()
    }

    /// Seconds a reader waits at most.
    #[getter]
    fn wait_timeout(&self) -> f64 {
        self.wait_timeout.as_secs_f64()
    }
}

fn data<'py>(py: Python<'py>, outcome: &Outcome) -> PyResult<Bound<'py, PyDict>> {
    match outcome {
        Outcome::Answer(body) => decode(py, body),
        Outcome::Failed(_) => Ok(PyDict::new(py)),
    }
}

/// An answer as a dict: empty unless it is a JSON object.
pub(crate) fn decode<'py>(py: Python<'py>, body: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    if body.is_empty() {
        return Ok(PyDict::new(py));
    }
    let loads = py.import("json")?.getattr("loads")?;
    let value = loads.call1((PyBytes::new(py, body),));
    Ok(value
        .ok()
        .and_then(|value| value.cast_into().ok())
        .unwrap_or_else(|| PyDict::new(py)))
}

/// JSON as Python objects.
pub(crate) fn decode_any<'py>(py: Python<'py>, json: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let loads = py.import("json")?.getattr("loads")?;
    loads.call1((PyBytes::new(py, json),))
}

static RECEIPT: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Loads the class of receipts, at import: a first call that imports would hold the import lock,
/// and a fork at that moment would leave it locked in the child.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    RECEIPT.import(py, "sentrial._receipt", "Receipt").map(drop)
}

/// A lazy receipt: a dict that asks for the answer when it is first read.
pub(crate) fn receipt(
    py: Python<'_>,
    receipt: Arc<Receipt>,
    client: Arc<ClientState>,
    wait_timeout: Duration,
) -> PyResult<Py<PyAny>> {
    let class = RECEIPT.import(py, "sentrial._receipt", "Receipt")?;
    let pending = Pending {
        receipt,
        client,
        wait_timeout,
    };
    // Made empty and then filled: `Receipt({...})` would build a second dict for every call.
    let unread = class.call0()?.cast_into::<PyDict>()?;
    unread.set_item(pyo3::intern!(py, KEY), Bound::new(py, pending)?)?;
    Ok(unread.into_any().unbind())
}
