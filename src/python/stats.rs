//! `stats()`: the ledger as a dict.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::core::error::DropReason;
use crate::core::health::State;
use crate::core::process::Process;
use crate::core::stats::Counters;

use super::inner::Inner;

/// Counters of one client.
pub(crate) fn of_client<'py>(py: Python<'py>, inner: &Inner) -> PyResult<Bound<'py, PyDict>> {
    let state = inner.core.state();
    let queue = state.queue();
    let counters = queue.counters().clone();
    let (in_flight, queued_bytes) = (queue.in_flight(), queue.bytes());
    let health = queue.health().state();
    let last_error = queue.last_error().map(ToOwned::to_owned);
    // Building Python objects may run the garbage collector, and with it our own code.
    drop(queue);
    let ledger = of_counters(py, &counters)?;
    ledger.set_item("in_flight", in_flight)?;
    ledger.set_item("queued_bytes", queued_bytes)?;
    ledger.set_item(
        "state",
        if inner.is_off() {
            "disabled"
        } else {
            health.as_str()
        },
    )?;
    ledger.set_item("last_error", last_error)?;
    Ok(ledger)
}

/// The sum over all clients of this process, and the worst state among those that live.
pub(crate) fn of_process(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let process = Process::existing();
    let counters = process.as_ref().map(|process| process.counters());
    let condition = process.map(|process| process.condition());
    let (state, last_error) = condition.unwrap_or((State::Up, None));
    let ledger = of_counters(py, &counters.unwrap_or_default())?;
    ledger.set_item("state", state.as_str())?;
    ledger.set_item("last_error", last_error)?;
    Ok(ledger)
}

fn of_counters<'py>(py: Python<'py>, counters: &Counters) -> PyResult<Bound<'py, PyDict>> {
    let dropped = PyDict::new(py);
    for reason in DropReason::ALL {
        let count = counters
            .dropped
            .get(reason.index())
            .copied()
            .unwrap_or_default();
        if count > 0 {
            dropped.set_item(reason.as_str(), count)?;
        }
    }
    let stats = PyDict::new(py);
    stats.set_item("accepted", counters.accepted)?;
    stats.set_item("delivered", counters.delivered)?;
    stats.set_item("pending", counters.pending)?;
    stats.set_item("spooled", counters.spooled)?;
    stats.set_item("dropped", dropped)?;
    stats.set_item("disabled", counters.disabled)?;
    stats.set_item("retries", counters.retries)?;
    stats.set_item("bytes", counters.bytes)?;
    stats.set_item("abandoned", counters.abandoned)?;
    Ok(stats)
}
