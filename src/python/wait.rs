//! Waiting for the delivery thread: without the GIL, in slices, so that Ctrl-C works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::core::process::Process;

/// How long a wait may go without looking for signals.
const SLICE: Duration = Duration::from_millis(50);

/// What a call waits for: in its thread, in an event loop, or in a greenlet.
pub(crate) trait Awaited: Send + Sync + 'static {
    /// The process whose delivery thread brings it.
    fn process(&self) -> &Arc<Process>;

    /// Has it come, or is waiting pointless for now?
    fn is_over(&self) -> bool;

    /// When waiting ends in any case; `None`: never. May move while answers arrive.
    fn deadline(&self) -> Option<Instant>;

    /// What the call returns or raises, whether it has come or not.
    fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>>;

    /// Nobody wants it any more.
    fn abandon(&self) {}
}

/// Waits until `awaited` is over or its time is.
///
/// # Errors
/// What a signal handler raised, for example `KeyboardInterrupt`.
pub(crate) fn block_on<A: Awaited>(py: Python<'_>, awaited: &Arc<A>) -> PyResult<()> {
    if awaited.is_over() {
        return Ok(());
    }
    if is_loaded(py, intern!(py, "gevent.hub")) {
        let module = intern!(py, "sentrial._gevent");
        if in_greenlet(py, module, Arc::clone(awaited) as Arc<dyn Awaited>)? {
            return Ok(());
        }
    }
    if is_loaded(py, intern!(py, "eventlet.hubs")) {
        let module = intern!(py, "sentrial._eventlet");
        if in_greenlet(py, module, Arc::clone(awaited) as Arc<dyn Awaited>)? {
            return Ok(());
        }
    }
    let deadline = || awaited.deadline();
    wait_for(py, awaited.process(), deadline, || awaited.is_over())
}

/// Waits in this thread until `ready`, or until `deadline` has passed.
///
/// # Errors
/// What a signal handler raised, for example `KeyboardInterrupt`.
pub(crate) fn wait_for(
    py: Python<'_>,
    process: &Arc<Process>,
    deadline: impl Fn() -> Option<Instant>,
    ready: impl Fn() -> bool,
) -> PyResult<()> {
    let waiting = process.waiting();
    loop {
        let generation = waiting.generation();
        if ready() {
            return Ok(());
        }
        let Some(slice) = slice(deadline()) else {
            return Ok(());
        };
        py.detach(|| waiting.wait(generation, slice));
        py.check_signals()?;
    }
}

/// How long to wait before looking again; `None` when the time is over.
fn slice(deadline: Option<Instant>) -> Option<Duration> {
    let left = left(deadline);
    left.is_none_or(|left| !left.is_zero())
        .then(|| left.map_or(SLICE, |left| left.min(SLICE)))
}

/// How much time is left; `None` without a deadline.
pub(crate) fn left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|at| at.saturating_duration_since(Instant::now()))
}

/// Has the program loaded this module? Looked up, never imported.
fn is_loaded(py: Python<'_>, module: &Bound<'_, PyString>) -> bool {
    let modules = py
        .import(intern!(py, "sys"))
        .and_then(|sys| sys.getattr(intern!(py, "modules")));
    modules
        .ok()
        .and_then(|modules| modules.cast_into::<PyDict>().ok())
        .is_some_and(|modules| modules.contains(module).unwrap_or(false))
}

/// Waits so that other greenlets go on, as the module knows how to. False if this thread runs no
/// greenlets.
fn in_greenlet(
    py: Python<'_>,
    module: &Bound<'_, PyString>,
    awaited: Arc<dyn Awaited>,
) -> PyResult<bool> {
    let native = NativeWait {
        awaited,
        stopped: AtomicBool::new(false),
    };
    py.import(module)?
        .call_method1(intern!(py, "wait"), (native,))?
        .extract()
}

/// A wait that runs in a thread without greenlets and without signals.
#[pyclass(frozen, module = "sentrial._core")]
pub(crate) struct NativeWait {
    awaited: Arc<dyn Awaited>,
    stopped: AtomicBool,
}

#[pymethods]
impl NativeWait {
    /// Blocks until it is over, its time is, or it is stopped.
    fn run(&self, py: Python<'_>) {
        py.detach(|| {
            let waiting = self.awaited.process().waiting();
            while !self.stopped.load(Ordering::Acquire) {
                let generation = waiting.generation();
                if self.awaited.is_over() {
                    return;
                }
                let Some(slice) = slice(self.awaited.deadline()) else {
                    return;
                };
                waiting.wait(generation, slice);
            }
        });
    }

    /// Is it over, or its time? Does not block.
    fn look(&self) -> bool {
        if self.awaited.is_over() || slice(self.awaited.deadline()).is_none() {
            return true;
        }
        self.awaited.process().nudge();
        false
    }

    /// Makes `run` return within 50 ms.
    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }
}
