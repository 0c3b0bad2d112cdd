//! Beginning an interaction: the session it creates in the background.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use uuid::Uuid;

use super::{Any, Interaction, truthy};
use crate::core::receipt::Receipt;
use crate::core::request::Body;
use crate::core::session::Session;
use crate::python::client::SentrialClient;
use crate::python::inner::{CallError, Caller, Inner};
use crate::python::json::{Budget, write_value};
use crate::python::payload::merged;
use crate::python::record::SessionRecord;
use crate::python::sessions::{NewSession, Parent, interaction_name, lossy};
use crate::python::{context, log};

/// The arguments of `begin`.
pub(crate) struct Begin<'a, 'py> {
    pub(crate) user_id: &'a Any<'py>,
    pub(crate) event: &'a Any<'py>,
    pub(crate) input: Option<&'a Any<'py>>,
    pub(crate) event_id: Option<&'a Any<'py>>,
    pub(crate) convo_id: Option<&'a Any<'py>>,
    pub(crate) metadata: Option<&'a Any<'py>>,
    pub(crate) parent: Parent<'a, 'py>,
}

impl<'py> Begin<'_, 'py> {
    /// Begins the interaction; whatever goes wrong, there is one.
    pub(crate) fn start(&self, client: &Bound<'py, SentrialClient>) -> PyResult<Py<Interaction>> {
        let py = client.py();
        let inner = client.get().inner();
        if inner.is_off() {
            inner.core.count_disabled();
            return self.degraded(client);
        }
        let begun = inner.guard(py, || None, || self.try_start(client).map(Some))?;
        begun.map_or_else(|| self.degraded(client), Ok)
    }

    fn try_start(&self, client: &Bound<'py, SentrialClient>) -> Result<Py<Interaction>, CallError> {
        let py = client.py();
        let inner = client.get().inner();
        let event_id = self.event_id(py);
        let body = self.body(inner, &event_id)?;
        let session = Session::pending();
        let record = Arc::new(self.record(inner, &session)?);
        let receipt = inner.create(&session, body);
        let waits = inner.is_immediate() && inner.caller == Caller::Thread;
        if waits && inner.id_of(py, &session, receipt.clone())?.is_none() {
            return Ok(self.interaction(client, event_id, record, None)?);
        }
        inner.registry.lend(&record);
        context::enter(client, &record)?;
        log::drain(py);
        let creation = receipt.filter(|_| inner.is_immediate());
        Ok(self.interaction(client, event_id, record, creation)?)
    }

    fn event_id(&self, py: Python<'py>) -> Any<'py> {
        truthy(self.event_id)
            .cloned()
            .unwrap_or_else(|| PyString::new(py, &Uuid::new_v4().to_string()).into_any())
    }

    fn body(&self, inner: &Inner, event_id: &Any<'py>) -> PyResult<Body> {
        let py = event_id.py();
        let metadata = merged(py, self.metadata)?;
        if let Some(input) = self.input {
            metadata.set_item("input", input)?;
        }
        if let Some(convo_id) = truthy(self.convo_id) {
            metadata.set_item("convo_id", convo_id)?;
        }
        metadata.set_item("event_id", event_id)?;
        let name = interaction_name(&lossy(self.event), &lossy(event_id));
        let parent = match &self.parent {
            Parent::Nobody => Parent::Nobody,
            Parent::Id(id) => Parent::Id(id),
            Parent::Session(session) => Parent::Session(Arc::clone(session)),
        };
        NewSession {
            name: PyString::new(py, &name).as_any(),
            agent_name: Some(self.event),
            user_id: Some(self.user_id).filter(|user| !user.is_none()),
            parent,
            convo_id: self.convo_id,
            metadata: Some(metadata.as_any()),
            project_id: None,
        }
        .body(inner)
    }

    /// The session's state begins with the input, which is also sent when it completes. That of an
    /// asynchronous client, as documented, does not.
    fn record(&self, inner: &Inner, session: &Arc<Session>) -> PyResult<SessionRecord> {
        let py = self.event.py();
        let state = PyDict::new(py);
        let mut json = None;
        if let Some(input) = self.input {
            if inner.caller == Caller::Thread {
                state.set_item("input", input)?;
            }
            let mut out = Vec::new();
            let max = inner.core.settings().options.max_event_bytes / 3;
            write_value(input, &mut out, &mut Budget::new(max))?;
            json = Some(out);
        }
        Ok(SessionRecord::new(Arc::clone(session), json).with_state(state))
    }

    /// An interaction on which nothing is recorded.
    fn degraded(&self, client: &Bound<'py, SentrialClient>) -> PyResult<Py<Interaction>> {
        let record = Arc::new(SessionRecord::new(Session::dead(), None));
        self.interaction(client, self.event_id(client.py()), record, None)
    }

    fn interaction(
        &self,
        client: &Bound<'py, SentrialClient>,
        event_id: Any<'py>,
        record: Arc<SessionRecord>,
        creation: Option<Arc<Receipt>>,
    ) -> PyResult<Py<Interaction>> {
        let user_id = self.user_id.clone();
        let event = self.event.clone();
        let mut made = Interaction::with(client, record, event_id, user_id, event);
        made.creation = creation;
        Py::new(client.py(), made)
    }
}
