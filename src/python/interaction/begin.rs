//! Beginning an interaction: the session it creates in the background.

use std::sync::{Arc, OnceLock};

use pyo3::prelude::*;
use pyo3::types::PyString;
use uuid::Uuid;

use super::{Any, Interaction, truthy};
use crate::core::receipt::Receipt;
use crate::core::request::Body;
use crate::core::session::Session;
use crate::python::client::SentrialClient;
use crate::python::context::Enclosing;
use crate::python::inner::{CallError, Caller, Inner, MAX_ID};
use crate::python::json::text_of;
use crate::python::json::{Budget, write_value};
use crate::python::once::intern;
use crate::python::payload::merged;
use crate::python::record::SessionRecord;
use crate::python::sessions::{NewSession, Parent, interaction_name};
use crate::python::state::State;
use crate::python::{begun, context, log};

/// Names the session that a process was started from; see `sentrial.context_env`.
const VARIABLE: &str = "SENTRIAL_PARENT_SESSION_ID";

/// The session this process was started from. Read when its first session is begun.
fn inherited_session() -> Option<String> {
    static INHERITED: OnceLock<Option<String>> = OnceLock::new();
    if INHERITED.get().is_none() {
        let named = std::env::var(VARIABLE).ok();
        let _ = INHERITED.set(named.filter(|id| !id.is_empty() && id.len() <= MAX_ID));
    }
    INHERITED.get().cloned().flatten()
}

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
        let body = self.body(inner, &event_id, self.parent(client))?;
        let session = Session::pending();
        let record = Arc::new(self.record(inner, &session)?);
        begun::note(client, &session)?;
        let receipt = inner.create(py, &session, body)?;
        let waits = inner.is_immediate() && inner.caller == Caller::Thread;
        if waits && inner.id_of(py, &session, receipt.clone())?.is_none() {
            return Ok(self.interaction(client, event_id, record, None)?);
        }
        inner.registry.lend(&record);
        let creation = receipt.filter(|_| inner.is_immediate());
        let interaction = self.interaction(client, event_id, Arc::clone(&record), creation)?;
        context::enter(client, &record, interaction.bind(py).as_any())?;
        log::drain(py);
        Ok(interaction)
    }

    fn event_id(&self, py: Python<'py>) -> Any<'py> {
        truthy(self.event_id)
            .cloned()
            .unwrap_or_else(|| PyString::new(py, &Uuid::new_v4().to_string()).into_any())
    }

    /// The session it is nested in: the given one, else that of the block around, else the one
    /// that the environment of this process names.
    fn parent(&self, client: &Bound<'_, SentrialClient>) -> Parent<'_, 'py> {
        if !matches!(self.parent, Parent::Nobody) {
            return self.parent.clone();
        }
        match context::enclosing(client) {
            Some(Enclosing::Session(session)) => Parent::Session(session),
            Some(Enclosing::Id(id)) => Parent::Text(id),
            None => inherited_session().map_or(Parent::Nobody, Parent::Text),
        }
    }

    fn body(&self, inner: &Inner, event_id: &Any<'py>, parent: Parent<'_, 'py>) -> PyResult<Body> {
        let py = event_id.py();
        let metadata = merged(py, self.metadata)?;
        if let Some(input) = self.input {
            metadata.set_item("input", input)?;
        }
        if let Some(convo_id) = truthy(self.convo_id) {
            metadata.set_item("convo_id", convo_id)?;
        }
        metadata.set_item("event_id", event_id)?;
        let name = interaction_name(&text_of(self.event), &text_of(event_id));
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
        let Some(input) = self.input else {
            return Ok(SessionRecord::new(Arc::clone(session), None).with_state(State::empty(py)));
        };
        let limits = inner.state_limits();
        let mut json = Vec::new();
        write_value(input, &mut json, &mut Budget::of_field(limits.value))?;
        let state = if inner.caller == Caller::Thread {
            State::starting_with(intern!(py, "input"), input, &json, limits)?
        } else {
            State::empty(py)
        };
        Ok(SessionRecord::new(Arc::clone(session), Some(json)).with_state(state))
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
