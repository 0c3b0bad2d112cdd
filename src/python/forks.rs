//! The hooks of a fork. On a Python that counts threads too late, they come back too late for it.
//!
//! Since 3.12 Python warns when a process with several threads forks. From 3.13.0 to 3.13.9 and in
//! 3.14.0 `os.fork()` counts those of the parent only after the hooks of the parent, so that it
//! finds the threads that have come back (gh-137109; 3.13.10 and 3.14.1 count before). There the
//! threads come back with what the forking thread does next, as its profile function learns it.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::core::process::Process;

use super::once::intern;

/// How long the hooks of other libraries may take until what runs is no longer taken for one.
const HOOKS: Duration = Duration::from_millis(10);

/// Before a fork: the threads step aside.
#[pyfunction]
pub(crate) fn before_fork() {
    if let Some(process) = Process::existing() {
        process.park();
    }
}

/// After a fork, in the parent: the threads go on.
#[pyfunction]
pub(crate) fn after_fork_in_parent(py: Python<'_>) {
    let Some(process) = Process::existing() else {
        return;
    };
    let waiting = process.stand_by();
    let later = waiting && counts_late(py) && is_alone() && Comeback::arrange(py).is_ok();
    if !later {
        // Also where later would be better and is not possible: rather a warning than requests
        // that wait.
        process.go_on();
    }
}

/// After a fork, in the child: what belongs to the parent is left alone.
#[pyfunction]
pub(crate) fn after_fork_in_child() {
    let _ = Process::current();
}

/// Makes what a fork needs.
pub(crate) fn prepare(py: Python<'_>) {
    py.get_type::<Comeback>();
}

/// Does this Python count the threads of the parent after its hooks?
fn counts_late(py: Python<'_>) -> bool {
    let version = py.version_info();
    is_late(version.major, version.minor, version.patch)
}

fn is_late(major: u8, minor: u8, patch: u8) -> bool {
    matches!((major, minor, patch), (3, 13, 0..=9) | (3, 14, 0))
}

/// Has the process no other thread, as far as the system tells? If it has, Python warns anyway.
fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").map_or(true, |threads| threads.take(2).count() < 2)
}

/// The profile function that lets the threads come back once the fork has returned.
#[pyclass(frozen, module = "sentrial._core")]
struct Comeback {
    /// What forks.
    frame: Py<PyAny>,
    /// Where it does.
    instruction: i32,
    pid: u32,
    since: Instant,
}

impl Comeback {
    /// Becomes the profile function of the calling thread, unless one is: a hook may fork too.
    ///
    /// # Errors
    /// The program has a profile function, no Python code forks, or somebody forbids it.
    fn arrange(py: Python<'_>) -> PyResult<()> {
        let sys = py.import(intern!(py, "sys"))?;
        let known = sys.call_method0(intern!(py, "getprofile"))?;
        if known.is_instance_of::<Self>() {
            return Ok(());
        }
        if !known.is_none() {
            return Err(PyRuntimeError::new_err("there is a profile function"));
        }
        let frame = sys.call_method0(intern!(py, "_getframe"))?;
        let comeback = Self {
            instruction: instruction(&frame)?,
            frame: frame.unbind(),
            pid: std::process::id(),
            since: Instant::now(),
        };
        sys.call_method1(intern!(py, "setprofile"), (Bound::new(py, comeback)?,))?;
        Ok(())
    }

    /// Has the fork returned, now that something happens in `frame`? Before, only hooks of other
    /// libraries run: what forks is still where it was.
    fn is_due(&self, frame: &Bound<'_, PyAny>) -> bool {
        let forking = self.frame.bind(frame.py());
        frame.is(forking)
            || instruction(forking).ok() != Some(self.instruction)
            || self.since.elapsed() > HOOKS
            || self.pid != std::process::id()
    }
}

#[pymethods]
impl Comeback {
    /// Called by Python at each call and return, until the fork has returned.
    fn __call__(
        slf: &Bound<'_, Self>,
        frame: &Bound<'_, PyAny>,
        _event: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
    ) {
        if slf.get().is_due(frame) {
            // Refused: then it is called again, and there is nothing left to do.
            let _ = withdraw(slf);
            come_back();
        }
    }
}

/// Somebody has put a profile function in its place, or the thread has ended.
impl Drop for Comeback {
    fn drop(&mut self) {
        come_back();
    }
}

/// The bytecode instruction at which a frame is.
fn instruction(frame: &Bound<'_, PyAny>) -> PyResult<i32> {
    frame.getattr(intern!(frame.py(), "f_lasti"))?.extract()
}

fn withdraw(comeback: &Bound<'_, Comeback>) -> PyResult<()> {
    let py = comeback.py();
    let sys = py.import(intern!(py, "sys"))?;
    if sys.call_method0(intern!(py, "getprofile"))?.is(comeback) {
        sys.call_method1(intern!(py, "setprofile"), (py.None(),))?;
    }
    Ok(())
}

/// Not in a child, which has nothing of the parent.
fn come_back() {
    if let Some(process) = Process::existing() {
        process.go_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_with_the_defect_are_known() {
        for (minor, patch) in [(13, 0), (13, 1), (13, 9), (14, 0)] {
            assert!(is_late(3, minor, patch), "3.{minor}.{patch}");
        }
        for (minor, patch) in [(10, 0), (12, 0), (12, 12), (13, 10), (14, 1), (15, 0)] {
            assert!(!is_late(3, minor, patch), "3.{minor}.{patch}");
        }
    }
}
