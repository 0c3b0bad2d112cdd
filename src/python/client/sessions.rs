//! The methods that create, complete and change sessions.
#![expect(clippy::doc_markdown, reason = "docstrings of Python, shown by help()")]

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{Any, SentrialClient, named};
use crate::python::interaction::{Begin, Interaction};
use crate::python::json::text_of;
use crate::python::module::CurrentSession;
use crate::python::sessions::{Completion, NewSession, Parent, complete, update};
use crate::python::wait::{Awaited as _, block_on};

#[pymethods]
impl SentrialClient {
    /// Creates a session and waits for its id, at most ``wait_timeout`` seconds.
    ///
    /// Args:
    ///     name: What the session is called.
    ///     agent_name: The agent; default: the name.
    ///     user_id: The end user; default ``"anonymous"``.
    ///     parent_session_id: The session this one belongs to.
    ///     convo_id: The conversation it belongs to.
    ///     metadata: A dict of anything.
    ///     project_id: Old: sent only if given.
    ///
    /// Returns:
    ///     The id, or None if the session could not be created in time.
    #[pyo3(signature = (name, agent_name=None, user_id=None, parent_session_id=None, convo_id=None, metadata=None, *, project_id=None))]
    #[expect(clippy::too_many_arguments, reason = "the documented signature")]
    fn create_session<'py>(
        slf: &Bound<'py, Self>,
        name: &Any<'py>,
        agent_name: Option<&Any<'py>>,
        user_id: Option<&Any<'py>>,
        parent_session_id: Option<&Any<'py>>,
        convo_id: Option<&Any<'py>>,
        metadata: Option<&Any<'py>>,
        project_id: Option<&Any<'py>>,
    ) -> PyResult<Option<String>> {
        let py = slf.py();
        let new = NewSession {
            name,
            agent_name,
            user_id,
            parent: parent_of(parent_session_id),
            convo_id,
            metadata,
            project_id,
        };
        let Some(creation) = new.create(slf)? else {
            return Ok(None);
        };
        if let Err(stop) = block_on(py, &creation) {
            // Ctrl-C: nobody knows of this session.
            creation.abandon();
            return Err(stop);
        }
        let id = slf
            .get()
            .inner()
            .guard(py, || None, || Ok(creation.id(py)?))?;
        Ok(id.map(|id| id.to_string()))
    }

    /// Completes a session. What is left out is taken from the sums of its events.
    ///
    /// Args:
    ///     session_id: The session.
    ///     success: Whether the agent did its work.
    ///     failure_reason: Why not.
    ///     estimated_cost: Cost in USD; default: the sum over its events.
    ///     custom_metrics: A dict of numbers.
    ///     duration_ms: How long it took, in milliseconds.
    ///     prompt_tokens: Tokens of inputs; default: the sum.
    ///     completion_tokens: Tokens of outputs; default: the sum.
    ///     total_tokens: All tokens; default: the sum.
    ///     user_input: What the user asked.
    ///     assistant_output: What the agent answered.
    ///     status: Overrides ``"completed"`` or ``"failed"``.
    ///     input: The same as `user_input`.
    ///     output: The same as `assistant_output`.
    ///
    /// Returns:
    ///     As `track_tool_call`.
    #[pyo3(signature = (session_id, success=Some(Flag::Plain(true)), failure_reason=None, estimated_cost=None, custom_metrics=None, duration_ms=None, prompt_tokens=None, completion_tokens=None, total_tokens=None, user_input=None, assistant_output=None, *, status=None, input=None, output=None), text_signature = "($self, session_id, success=True, failure_reason=None, estimated_cost=None, custom_metrics=None, duration_ms=None, prompt_tokens=None, completion_tokens=None, total_tokens=None, user_input=None, assistant_output=None, *, status=None, input=None, output=None)")]
    #[expect(clippy::too_many_arguments, reason = "the documented signature")]
    fn complete_session<'py>(
        slf: &Bound<'py, Self>,
        session_id: Option<&Any<'py>>,
        success: Option<Flag<'py>>,
        failure_reason: Option<&Any<'py>>,
        estimated_cost: Option<&Any<'py>>,
        custom_metrics: Option<&Any<'py>>,
        duration_ms: Option<&Any<'py>>,
        prompt_tokens: Option<&Any<'py>>,
        completion_tokens: Option<&Any<'py>>,
        total_tokens: Option<&Any<'py>>,
        user_input: Option<&Any<'py>>,
        assistant_output: Option<&Any<'py>>,
        status: Option<&Any<'py>>,
        input: Option<&Any<'py>>,
        output: Option<&Any<'py>>,
    ) -> PyResult<Py<PyAny>> {
        let success = success.map(|flag| flag.value(slf.py()));
        Self::call(slf, session_id, |target| {
            let done = Completion {
                success: success.as_ref(),
                status,
                failure_reason,
                estimated_cost,
                custom_metrics,
                duration_ms,
                prompt_tokens,
                completion_tokens,
                total_tokens,
                user_input: user_input.or(input),
                assistant_output: assistant_output.or(output),
                own_input: target.record.input.as_deref(),
                elapsed_ms: None,
            };
            complete(slf, &target.record, &done)
        })
    }

    /// Completes a session, the short way.
    ///
    /// Args:
    ///     session_id: The session.
    ///     duration_ms: How long it took, in milliseconds.
    ///     success: Whether the agent did its work; default True.
    ///     failure_reason: Why not.
    ///     status: Old: ``"success"``, ``"error"`` or ``"cancelled"``.
    ///     summary: Old: what came out, or why it failed.
    #[pyo3(signature = (session_id, duration_ms=None, success=None, failure_reason=None, *, status=None, summary=None))]
    fn close_session<'py>(
        slf: &Bound<'py, Self>,
        session_id: Option<&Any<'py>>,
        duration_ms: Option<&Any<'py>>,
        success: Option<&Any<'py>>,
        failure_reason: Option<&Any<'py>>,
        status: Option<&Any<'py>>,
        summary: Option<&Any<'py>>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let good = status.is_none_or(|s| matches!(&*text_of(s), "success" | "completed"));
        let implied = Flag::Plain(good).value(py);
        let reason = failure_reason.or(if good { None } else { summary.or(status) });
        Self::call(slf, session_id, |target| {
            let done = Completion {
                success: Some(success.unwrap_or(&implied)),
                status: None,
                failure_reason: reason,
                estimated_cost: None,
                custom_metrics: None,
                duration_ms,
                prompt_tokens: None,
                completion_tokens: None,
                total_tokens: None,
                user_input: None,
                assistant_output: if good { summary } else { None },
                own_input: target.record.input.as_deref(),
                elapsed_ms: None,
            };
            complete(slf, &target.record, &done)
        })
    }

    /// Changes fields of a session; ``snake_case`` names become ``camelCase``.
    #[pyo3(signature = (session_id, **fields))]
    fn update_session<'py>(
        slf: &Bound<'py, Self>,
        session_id: Option<&Any<'py>>,
        fields: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        Self::call(slf, session_id, |target| {
            update(slf, &target.record, fields)
        })
    }

    /// Asks the server for a session, behind everything recorded for it before. Experimental: the
    /// API does not document this request; the local server answers it.
    ///
    /// Args:
    ///     session_id: The session.
    ///
    /// Returns:
    ///     The session as a dict, or None if there is no answer within ``wait_timeout`` seconds or
    ///     no such session.
    #[pyo3(signature = (session_id))]
    fn get_session<'py>(
        slf: &Bound<'py, Self>,
        session_id: Option<&Any<'py>>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let py = slf.py();
        let inner = slf.get().inner();
        if inner.is_off() {
            inner.core.count_disabled();
            return Ok(None);
        }
        inner.guard(
            py,
            || None,
            || {
                let record = named(inner, session_id)?;
                let receipt = inner.core.fetch(Arc::clone(&record.session));
                Ok(match receipt {
                    Some(receipt) => inner.answer(py, receipt)?,
                    None => None,
                })
            },
        )
    }

    /// Begins an interaction: creates a session in the background and makes it current.
    ///
    /// Args:
    ///     user_id: The end user.
    ///     event: What happens, for example ``"chat"``; also the agent's name.
    ///     input: What the user asked.
    ///     event_id: An id of yours; default: a new UUID.
    ///     convo_id: The conversation it belongs to.
    ///     metadata: A dict of anything.
    ///     parent_session_id: The session, or the `Interaction`, this one belongs to.
    ///
    /// Returns:
    ///     The interaction, usable with ``with``.
    #[pyo3(signature = (user_id, event, input=None, event_id=None, convo_id=None, metadata=None, *, parent_session_id=None))]
    #[expect(clippy::too_many_arguments, reason = "the documented signature")]
    fn begin<'py>(
        slf: &Bound<'py, Self>,
        user_id: &Any<'py>,
        event: &Any<'py>,
        input: Option<&Any<'py>>,
        event_id: Option<&Any<'py>>,
        convo_id: Option<&Any<'py>>,
        metadata: Option<&Any<'py>>,
        parent_session_id: Option<&Any<'py>>,
    ) -> PyResult<Py<Interaction>> {
        let begun = Begin {
            user_id,
            event,
            input,
            event_id,
            convo_id,
            metadata,
            parent: parent_of(parent_session_id),
        };
        begun.start(slf)
    }
}

/// `success` as documented: True unless something else is given, where None is something.
#[derive(FromPyObject)]
enum Flag<'py> {
    #[pyo3(transparent)]
    Given(Any<'py>),
    #[pyo3(transparent)]
    Plain(bool),
}

impl<'py> Flag<'py> {
    fn value(self, py: Python<'py>) -> Any<'py> {
        match self {
            Self::Given(value) => value,
            Self::Plain(value) => pyo3::types::PyBool::new(py, value).to_owned().into_any(),
        }
    }
}

/// What `parent_session_id` names.
pub(crate) fn parent_of<'a, 'py>(value: Option<&'a Any<'py>>) -> Parent<'a, 'py> {
    match value {
        None => Parent::Nobody,
        Some(value) => {
            if let Ok(interaction) = value.cast::<Interaction>() {
                return Parent::Session(Arc::clone(&interaction.get().record.session));
            }
            match value.cast::<CurrentSession>() {
                Ok(current) => Parent::Session(Arc::clone(current.get().session())),
                Err(_) => Parent::Id(value),
            }
        }
    }
}
