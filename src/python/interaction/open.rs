//! Opening a session in the background, for integrations: named as they need it, and not current.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyString;
use uuid::Uuid;

use super::{Any, Interaction};
use crate::core::session::Session;
use crate::python::client::{SentrialClient, parent_of};
use crate::python::inner::{CallError, Caller};
use crate::python::log;
use crate::python::record::SessionRecord;
use crate::python::sessions::NewSession;
use crate::python::state::State;

/// Creates a session without waiting for its id and without making it current.
///
/// What it returns is taken as ``session_id`` by the calls of its client, before the id is known.
#[pyfunction]
#[pyo3(signature = (client, name, *, agent_name=None, user_id=None, parent_session_id=None, convo_id=None, metadata=None))]
pub(crate) fn open_session<'py>(
    client: &Bound<'py, SentrialClient>,
    name: &Any<'py>,
    agent_name: Option<&Any<'py>>,
    user_id: Option<&Any<'py>>,
    parent_session_id: Option<&Any<'py>>,
    convo_id: Option<&Any<'py>>,
    metadata: Option<&Any<'py>>,
) -> PyResult<Py<Interaction>> {
    let py = client.py();
    let inner = client.get().inner();
    let open = || {
        let new = NewSession {
            name,
            agent_name,
            user_id,
            parent: parent_of(parent_session_id),
            convo_id,
            metadata,
            project_id: None,
        };
        let session = Session::pending();
        let receipt = inner.create(py, &session, new.body(inner)?)?;
        let waits = inner.is_immediate() && inner.caller == Caller::Thread;
        if waits && inner.id_of(py, &session, receipt)?.is_none() {
            return Ok::<_, CallError>(None);
        }
        let record = SessionRecord::new(session, None).with_state(State::empty(py));
        let record = Arc::new(record);
        inner.registry.lend(&record);
        log::drain(py);
        Ok(Some(record))
    };
    let opened = if inner.is_off() {
        inner.core.count_disabled();
        None
    } else {
        inner.guard(py, || None, open)?
    };
    let record = opened.unwrap_or_else(|| Arc::new(SessionRecord::new(Session::dead(), None)));
    let event_id = PyString::new(py, &Uuid::new_v4().to_string()).into_any();
    let user_id = user_id.map_or_else(|| py.None().into_bound(py), Clone::clone);
    let event = agent_name.unwrap_or(name).clone();
    Py::new(
        py,
        Interaction::with(client, record, event_id, user_id, event),
    )
}
