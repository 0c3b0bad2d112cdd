//! What an event loop waits with: no thread per waiter, one descriptor per loop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

use crate::core::process::{Doorbell, Process};

use super::wait::{Awaited, left};

/// One thing that a coroutine waits for.
#[pyclass(frozen, module = "sentrial._core")]
pub(crate) struct Wait {
    awaited: Arc<dyn Awaited>,
}

impl Wait {
    pub(crate) fn of<A: Awaited>(awaited: Arc<A>) -> Self {
        Self { awaited }
    }
}

#[pymethods]
impl Wait {
    /// Has it come, or is waiting pointless for now?
    fn is_over(&self) -> bool {
        self.awaited.is_over()
    }

    /// Seconds left; None: no limit. May grow while answers arrive.
    fn remaining(&self) -> Option<f64> {
        left(self.awaited.deadline()).map(|left| left.as_secs_f64())
    }

    /// What the call returns or raises, whether it has come or not.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.awaited.outcome(py)
    }

    /// The coroutine was cancelled.
    fn abandon(&self) {
        self.awaited.abandon();
    }
}

/// All that the coroutines of one event loop wait for.
#[pyclass(frozen, module = "sentrial._core")]
pub(crate) struct Waits {
    process: Arc<Process>,
    bell: Option<Arc<Doorbell>>,
    next: AtomicU64,
    /// Never locked while Python code may run.
    open: Mutex<Vec<(u64, Arc<dyn Awaited>)>>,
}

impl Waits {
    fn open(&self) -> MutexGuard<'_, Vec<(u64, Arc<dyn Awaited>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Waits {
    #[new]
    fn new() -> Self {
        let process = Process::current();
        Self {
            // Without a descriptor left the loop looks by its clock.
            bell: process.doorbell().ok(),
            process,
            next: AtomicU64::new(1),
            open: Mutex::default(),
        }
    }

    /// The descriptor that becomes readable when it is time to `look`; None: there is none.
    fn fileno(&self) -> Option<i32> {
        self.bell.as_ref().map(|bell| bell.fileno())
    }

    /// Does it belong to this process? One inherited over a fork must be left alone.
    fn is_ours(&self) -> bool {
        self.process.pid() == std::process::id()
    }

    /// Has the system refused a thread? Then nothing rings until it is asked again, by a `look`.
    fn is_refused(&self) -> bool {
        self.process.is_refused()
    }

    /// Adds a wait; its ticket, or None if it is over already.
    fn add(&self, wait: &Wait) -> Option<u64> {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        self.open().push((ticket, Arc::clone(&wait.awaited)));
        if let Some(bell) = &self.bell {
            bell.arm();
        }
        if wait.awaited.is_over() {
            self.forget(ticket);
            return None;
        }
        // The delivery thread may be about to sleep, or hold back what is waited for now.
        self.process.nudge();
        Some(ticket)
    }

    /// Nobody waits for this ticket any more.
    fn forget(&self, ticket: u64) {
        if !self.is_ours() {
            return;
        }
        let mut open = self.open();
        let at = open.iter().position(|(other, _)| *other == ticket);
        let gone = at.map(|at| open.swap_remove(at));
        drop(open);
        drop(gone);
    }

    /// The tickets that are over; asks to be told of the next ones.
    fn look(&self) -> Vec<u64> {
        if let Some(bell) = &self.bell {
            bell.silence();
            bell.arm();
        }
        let mut open = self.open();
        let (over, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut *open)
            .into_iter()
            .partition(|(_, awaited)| awaited.is_over());
        *open = kept;
        let idle = open.is_empty();
        drop(open);
        if let (Some(bell), true) = (&self.bell, idle) {
            bell.disarm();
        }
        if self.process.is_refused() {
            self.process.nudge();
        }
        over.into_iter().map(|(ticket, _)| ticket).collect()
    }
}
