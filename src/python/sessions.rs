//! The bodies that create, complete and change sessions.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::core::request::{Body, Kind};
use crate::core::session::Session;

use super::awaited::{Creation, Naming};
use super::client::SentrialClient;
use super::inner::Inner;
use super::json::{Amount, is_true, text_of};
use super::record::SessionRecord;
use super::state::State;
use super::track::camel;
use super::{begun, context};

type Arg<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// The session a new one belongs to.
#[derive(Clone)]
pub(crate) enum Parent<'a, 'py> {
    /// None.
    Nobody,
    /// By an id that is text.
    Text(String),
    /// By id.
    Id(&'a Bound<'py, PyAny>),
    /// An interaction, whose id may not be known yet.
    Session(Arc<Session>),
}

/// The arguments of `create_session` and `begin`.
pub(crate) struct NewSession<'a, 'py> {
    pub(crate) name: &'a Bound<'py, PyAny>,
    pub(crate) agent_name: Arg<'a, 'py>,
    pub(crate) user_id: Arg<'a, 'py>,
    pub(crate) parent: Parent<'a, 'py>,
    pub(crate) convo_id: Arg<'a, 'py>,
    pub(crate) metadata: Arg<'a, 'py>,
    pub(crate) project_id: Arg<'a, 'py>,
}

impl<'py> NewSession<'_, 'py> {
    /// Asks for the session; its id can be waited for. None if nothing was asked: the client is
    /// off, or an argument cannot be used.
    pub(crate) fn create(
        &self,
        client: &Bound<'py, SentrialClient>,
    ) -> PyResult<Option<Arc<Creation>>> {
        let inner = client.get().inner();
        if inner.is_off() {
            inner.core.count_disabled();
            return Ok(None);
        }
        let create = || {
            let session = Session::pending();
            let record = SessionRecord::new(Arc::clone(&session), None);
            let record = Arc::new(record.with_state(State::empty(client.py())));
            context::created(client, &record)?;
            let body = self.body(inner)?;
            begun::note(client, &session)?;
            let receipt = inner.create(client.py(), &session, body)?;
            Ok(Some(Arc::new(Creation {
                inner: Arc::clone(inner),
                naming: Naming::of(inner, &session, receipt),
                record,
            })))
        };
        inner.guard(client.py(), || None, create)
    }

    /// The body of the create request.
    pub(crate) fn body(&self, inner: &Inner) -> PyResult<Body> {
        let mut payload = inner.payload();
        let name = text(self.name);
        payload.value("name", &name)?;
        payload.value(
            "agentName",
            &self.agent_name.map_or_else(|| name.clone(), text),
        )?;
        match self.user_id {
            Some(user) => payload.value("userId", &text(user))?,
            None => payload.text("userId", "anonymous"),
        }
        match self.metadata {
            Some(metadata) => payload
                .object("metadata", Some(metadata), "value")
                .map(drop)?,
            None => payload.raw("metadata", b"null"),
        }
        match &self.parent {
            Parent::Id(id) => payload.value("parentSessionId", id)?,
            Parent::Text(id) => payload.text("parentSessionId", id),
            Parent::Nobody | Parent::Session(_) => {}
        }
        payload.some("convoId", self.convo_id)?;
        match (self.project_id, &inner.core.settings().options.project_id) {
            (Some(project), _) => payload.value("projectId", project)?,
            (None, Some(project)) => payload.text("projectId", project),
            (None, None) => {}
        }
        Ok(match &self.parent {
            Parent::Session(session) => Body::Led {
                field: "parentSessionId",
                session: Arc::clone(session),
                tail: payload.tail(),
            },
            Parent::Nobody | Parent::Id(_) | Parent::Text(_) => Body::Ready(payload.whole().into()),
        })
    }
}

/// Names are strings on the wire: anything else is shown as `str()` shows it.
fn text<'py>(value: &Bound<'py, PyAny>) -> Bound<'py, PyAny> {
    if value.is_instance_of::<PyString>() {
        return value.clone();
    }
    PyString::new(value.py(), &text_of(value)).into_any()
}

/// The arguments of `complete_session` and `finish`.
#[expect(clippy::struct_field_names, reason = "the documented names")]
pub(crate) struct Completion<'a, 'py> {
    pub(crate) success: Arg<'a, 'py>,
    pub(crate) status: Arg<'a, 'py>,
    pub(crate) failure_reason: Arg<'a, 'py>,
    pub(crate) estimated_cost: Arg<'a, 'py>,
    pub(crate) custom_metrics: Arg<'a, 'py>,
    pub(crate) duration_ms: Arg<'a, 'py>,
    pub(crate) prompt_tokens: Arg<'a, 'py>,
    pub(crate) completion_tokens: Arg<'a, 'py>,
    pub(crate) total_tokens: Arg<'a, 'py>,
    pub(crate) user_input: Arg<'a, 'py>,
    pub(crate) assistant_output: Arg<'a, 'py>,
    /// The interaction's own input, as JSON.
    pub(crate) own_input: Option<&'a [u8]>,
    /// Milliseconds since the interaction began, if the caller gave no duration.
    pub(crate) elapsed_ms: Option<i64>,
}

/// Queues the completion of a session. What the caller leaves out is taken from the sums of its
/// events; explicit values, also zero, win.
pub(crate) fn complete(
    client: &Bound<'_, SentrialClient>,
    record: &SessionRecord,
    done: &Completion<'_, '_>,
) -> PyResult<Py<PyAny>> {
    let py = client.py();
    let inner = client.get().inner();
    let mut payload = inner.payload();
    let success = done.success.is_some_and(is_true);
    match done.status {
        Some(status) => payload.value("status", status)?,
        None => payload.text("status", if success { "completed" } else { "failed" }),
    }
    match done.success {
        Some(value) => payload.value("success", value)?,
        None => payload.raw("success", b"null"),
    }
    payload.some("failureReason", done.failure_reason)?;
    let totals = &record.totals;
    let mut figure = |name: &str, given: Arg<'_, '_>, sum: Option<Amount>, tokens: bool| match given
    {
        Some(value) => payload.value(name, value),
        None => {
            if let Some(mut sum) = sum {
                // Of tokens there are no parts, whatever numbers they were given as.
                sum.whole |= tokens;
                payload.amount(name, sum);
            }
            Ok(())
        }
    };
    figure(
        "estimatedCost",
        done.estimated_cost,
        totals.cost.take(),
        false,
    )?;
    figure(
        "promptTokens",
        done.prompt_tokens,
        totals.prompt.take(),
        true,
    )?;
    figure(
        "completionTokens",
        done.completion_tokens,
        totals.completion.take(),
        true,
    )?;
    figure("totalTokens", done.total_tokens, totals.tokens.take(), true)?;
    payload.some("customMetrics", done.custom_metrics)?;
    match (done.duration_ms, done.elapsed_ms) {
        (Some(given), _) => payload.value("durationMs", given)?,
        (None, Some(elapsed)) => payload.raw("durationMs", elapsed.to_string().as_bytes()),
        (None, None) => {}
    }
    match (done.user_input, done.own_input) {
        (Some(given), _) => payload.value("userInput", given)?,
        (None, Some(own)) => payload.raw("userInput", own),
        (None, None) => {}
    }
    payload.some("assistantOutput", done.assistant_output)?;
    record.finish();
    context::leave(py)?;
    inner.patch(py, Kind::Complete, record, payload)
}

/// Queues a PATCH with fields the caller names.
pub(crate) fn update(
    client: &Bound<'_, SentrialClient>,
    record: &SessionRecord,
    fields: Option<&Bound<'_, PyDict>>,
) -> PyResult<Py<PyAny>> {
    let inner = client.get().inner();
    let mut payload = inner.payload();
    for (name, value) in fields.map(PyDictMethods::iter).into_iter().flatten() {
        payload.value(&camel(&text_of(&name)), &value)?;
    }
    inner.patch(client.py(), Kind::Update, record, payload)
}

/// The documented name of an interaction's session: `event:` and the start of the event id.
pub(crate) fn interaction_name(event: &str, event_id: &str) -> String {
    let short = event_id
        .char_indices()
        .nth(8)
        .map_or(event_id, |(end, _)| event_id.get(..end).unwrap_or(event_id));
    format!("{event}:{short}")
}
