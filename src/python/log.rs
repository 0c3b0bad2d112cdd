//! From parked lines to `logging.getLogger("sentrial")`.

use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::core::notices::{Level, Notice};
use crate::core::process::Process;

/// Hands parked lines to Python's logging; one atomic read if there are none. Never raises: a
/// handler of the user's that fails must not fail the call that happens to drain.
pub(crate) fn drain(py: Python<'_>) {
    let Some(process) = Process::existing() else {
        return;
    };
    if process.notices().any() {
        emit(py, process.notices().drain());
    }
}

/// Logs one warning now.
pub(crate) fn warn(py: Python<'_>, text: &str) {
    emit(py, vec![Notice::new(Level::Warning, text.to_owned())]);
}

/// Logs one line now that is of interest only to who looks for it.
pub(crate) fn debug(py: Python<'_>, text: &str) {
    emit(py, vec![Notice::new(Level::Debug, text.to_owned())]);
}

fn emit(py: Python<'_>, notices: Vec<Notice>) {
    let lines = notices
        .into_iter()
        .map(|notice| (notice.level as u8, notice.text));
    let logged = PyList::new(py, lines.collect::<Vec<_>>())
        .and_then(|lines| py.import("sentrial._log")?.call_method1("emit", (lines,)));
    // Only when the interpreter is being torn down; there is nowhere left to say it.
    drop(logged);
}
