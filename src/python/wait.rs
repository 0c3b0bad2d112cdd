//! Waiting for the delivery thread: without the GIL, in slices, so that Ctrl-C works.

use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::core::process::Process;

/// How long a wait may go without looking for signals.
const SLICE: Duration = Duration::from_millis(50);

/// Waits until `ready` gives a value; `None` once `until` says that time is over.
///
/// # Errors
/// What a signal handler raised, for example `KeyboardInterrupt`.
pub(crate) fn wait_for<T>(
    py: Python<'_>,
    process: &Process,
    mut until: impl FnMut() -> Option<Instant>,
    mut ready: impl FnMut() -> Option<T>,
) -> PyResult<Option<T>> {
    if let Some(value) = ready() {
        return Ok(Some(value));
    }
    let waiting = process.waiting();
    loop {
        let generation = waiting.generation();
        if let Some(value) = ready() {
            return Ok(Some(value));
        }
        let left = until().map(|at| at.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
        let slice = left.map_or(SLICE, |left| left.min(SLICE));
        py.detach(|| waiting.wait(generation, slice));
        py.check_signals()?;
    }
}

/// A deadline this far from now.
pub(crate) fn after(timeout: Duration) -> impl FnMut() -> Option<Instant> {
    let at = Instant::now() + timeout;
    move || Some(at)
}
