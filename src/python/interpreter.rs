//! One interpreter per process: what is made once for all calls (types, names, context variables)
//! consists of its objects, and using them from another one ends in a crash.

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

use super::once::Once;

const REFUSAL: &str = "sentrial works in one interpreter of a process, the first that imports it; \
     this is another one (a sub-interpreter, as of mod_wsgi, uWSGI or jep, or Python started \
     again). Run the program in the main interpreter (mod_wsgi: \
     WSGIApplicationGroup %{GLOBAL}; uWSGI: single-interpreter = true) or in a process of its own";

/// Refuses every interpreter but the first that imports the module.
///
/// # Errors
/// `ImportError` in all others.
pub(super) fn only_the_first(py: Python<'_>) -> PyResult<()> {
    // Each interpreter has a module `sys` of its own. This one is kept, so that no later
    // interpreter can have one at the same address.
    static FIRST: Once<Py<PyAny>> = Once::new();
    let here = py.import("sys")?.into_any();
    let first = FIRST.get_or_try_init(|| Ok::<_, PyErr>(here.clone().unbind()))?;
    if first.is(&here) {
        Ok(())
    } else {
        Err(PyImportError::new_err(REFUSAL))
    }
}
