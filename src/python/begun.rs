//! Which session was begun first in a context: how a run of an experiment finds the session it
//! recorded, whoever began it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::python::once::Once;
use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::core::session::Session;

use super::client::SentrialClient;

/// The first session begun in a context, and in the contexts copied from it.
#[pyclass(frozen, module = "sentrial._core")]
pub(crate) struct FirstSession {
    first: Mutex<Option<(Py<SentrialClient>, Arc<Session>)>>,
}

#[pymethods]
impl FirstSession {
    /// Its id, waited for as `session_id` of an interaction is; None if there is none.
    #[getter]
    fn session_id(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let first = self
            .first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|(client, session)| (client.clone_ref(py), Arc::clone(session)));
        let Some((client, session)) = first else {
            return Ok(None);
        };
        let inner = client.get().inner();
        Ok(inner.id_of(py, &session, None)?.map(|id| id.to_string()))
    }
}

fn variable(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static VARIABLE: Once<Py<PyAny>> = Once::new();
    let made = VARIABLE.get_or_try_init(|| -> PyResult<Py<PyAny>> {
        let kwargs = PyDict::new(py);
        kwargs.set_item("default", py.None())?;
        let class = py.import("_contextvars")?.getattr("ContextVar")?;
        Ok(class
            .call(("sentrial_first_session",), Some(&kwargs))?
            .unbind())
    })?;
    Ok(made.bind(py))
}

/// Makes the context variable, at import; see [`super::pending::prepare`].
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    variable(py).map(drop)
}

/// Watches the calling context from now on; what is returned knows the first session begun in it.
#[pyfunction]
pub(crate) fn watch_first_session(py: Python<'_>) -> PyResult<Bound<'_, FirstSession>> {
    let first = FirstSession {
        first: Mutex::new(None),
    };
    let first = Bound::new(py, first)?;
    variable(py)?.call_method1(intern!(py, "set"), (&first,))?;
    Ok(first)
}

/// A session is begun in the calling context.
pub(crate) fn note(client: &Bound<'_, SentrialClient>, session: &Arc<Session>) -> PyResult<()> {
    let py = client.py();
    let watching = variable(py)?.call_method0(intern!(py, "get"))?;
    if let Ok(watching) = watching.cast::<FirstSession>() {
        let watching = watching.get();
        let mut first = watching
            .first
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| (client.clone().unbind(), Arc::clone(session)));
    }
    Ok(())
}
