//! The handle inside a lazy receipt: where Python waits for one answer.

use std::sync::Arc;

use crate::python::once::Once;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyType};

use crate::core::client::ClientState;
use crate::core::receipt::{Outcome, Receipt};

use super::awaited::Answer;
use super::log;
use super::loops::Wait;
use super::wait::block_on;

/// The key under which an unread receipt holds its handle.
pub(crate) const KEY: &str = "\0sentrial-pending";

/// Where the answer of one request will be.
#[pyclass(frozen, module = "sentrial._core")]
pub(crate) struct Pending {
    receipt: Arc<Receipt>,
    client: Arc<ClientState>,
    loud: bool,
}

#[pymethods]
impl Pending {
    /// Waits for the answer, at most ``wait_timeout`` seconds and not at all while the server is
    /// down. Returns the server's data, ``{}`` if the request was dropped, None if it is still on
    /// its way.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        block_on(py, &self.answer(false))?;
        log::drain(py);
        self.poll(py)
    }

    /// The server's data if the request has ended, without waiting; else None.
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        match self.receipt.outcome() {
            Some(Outcome::Answer(body)) => decode(py, body).map(Some),
            Some(Outcome::Failed(_)) => Ok(Some(PyDict::new(py))),
            None => Ok(None),
        }
    }

    /// The same wait for an event loop. Its result is the data, or None; a client that is loud and
    /// delivers immediately raises.
    fn waiting(&self) -> Wait {
        Wait::of(self.answer(self.loud))
    }
}

impl Pending {
    fn answer(&self, loud: bool) -> Arc<Answer> {
        Answer::of(Arc::clone(&self.client), Arc::clone(&self.receipt), loud)
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

static RECEIPT: Once<Py<PyType>> = Once::new();

/// Loads the class of receipts, at import: a first call that imports would hold the import lock,
/// and a fork at that moment would leave it locked in the child.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    receipt_class(py).map(drop)
}

fn receipt_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    let class = RECEIPT.get_or_try_init(|| {
        let class = py.import("sentrial._receipt")?.getattr("Receipt")?;
        PyResult::Ok(class.cast_into::<PyType>()?.unbind())
    })?;
    Ok(class.bind(py))
}

/// A lazy receipt: a dict that asks for the answer when it is first read. `loud`: whoever awaits it
/// in an event loop is told by an exception what went wrong.
pub(crate) fn receipt(
    py: Python<'_>,
    receipt: Arc<Receipt>,
    client: Arc<ClientState>,
    loud: bool,
) -> PyResult<Py<PyAny>> {
    let class = receipt_class(py)?;
    let pending = Pending {
        receipt,
        client,
        loud,
    };
    // Made empty and then filled: `Receipt({...})` would build a second dict for every call.
    let unread = class.call0()?.cast_into::<PyDict>()?;
    unread.set_item(
        crate::python::once::intern!(py, KEY),
        Bound::new(py, pending)?,
    )?;
    Ok(unread.into_any().unbind())
}
