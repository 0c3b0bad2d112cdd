//! The functions of `sentrial._core`: context, process-wide waits and exit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::core::notices::{Level, Notice};
use crate::core::process::Process;
use crate::core::session::Session;

use super::awaited::FlushAll;
use super::client::{SentrialClient, named};
use super::context;
use super::inner::{CallError, Caller};
use super::interaction::Interaction;
use super::json::text_of;
use super::payload::amount;
use super::record::SessionRecord;
use super::track::{Common, ErrorEvent, Target, ToolCall};
use super::wait::{block_on, wait_for};
use super::{awaited, begun, forks, llm, log, pending, stats};

/// The session that is current in this context, for decorators and wrappers.
#[pyclass(frozen, module = "sentrial._core")]
pub(crate) struct CurrentSession {
    client: Py<SentrialClient>,
    record: Arc<SessionRecord>,
}

#[pymethods]
impl CurrentSession {
    /// The client to send to.
    #[getter]
    fn client(&self, py: Python<'_>) -> Py<SentrialClient> {
        self.client.clone_ref(py)
    }

    /// The session's id; waits for it.
    #[getter]
    fn session_id(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let inner = self.client.bind(py).get().inner();
        Ok(inner
            .id_of(py, &self.record.session, None)?
            .map(|id| id.to_string()))
    }

    /// See `SentrialClient.track_tool_call`.
    #[pyo3(signature = (tool_name, tool_input, tool_output, *, metadata=None))]
    fn track_tool_call<'py>(
        &self,
        py: Python<'py>,
        tool_name: &Bound<'py, PyAny>,
        tool_input: Option<&Bound<'py, PyAny>>,
        tool_output: Option<&Bound<'py, PyAny>>,
        metadata: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        self.call(py, |target| {
            target.tool_call(&ToolCall {
                name: tool_name,
                input: tool_input,
                output: tool_output,
                reasoning: None,
                cost: None,
                error: None,
                tokens: None,
                duration_ms: None,
                status: None,
                common: Common {
                    metadata,
                    ..Common::default()
                },
            })
        })
    }

    /// See `SentrialClient.track_llm_call`. With ``with_usage=False`` the event has neither tokens
    /// nor cost: another call carries them.
    #[pyo3(signature = (model, messages=None, output=None, provider=None, usage=None, estimated_cost=None, duration_ms=None, error=None, metadata=None, output_fields=None, with_usage=true))]
    #[expect(
        clippy::too_many_arguments,
        reason = "one keyword per documented field"
    )]
    fn track_llm_call<'py>(
        &self,
        py: Python<'py>,
        model: &Bound<'py, PyAny>,
        messages: Option<&Bound<'py, PyAny>>,
        output: Option<&Bound<'py, PyAny>>,
        provider: Option<&Bound<'py, PyAny>>,
        usage: Option<&Bound<'py, PyAny>>,
        estimated_cost: Option<&Bound<'py, PyAny>>,
        duration_ms: Option<&Bound<'py, PyAny>>,
        error: Option<&Bound<'py, PyAny>>,
        metadata: Option<&Bound<'py, PyAny>>,
        output_fields: Option<&Bound<'py, PyAny>>,
        with_usage: bool,
    ) -> PyResult<()> {
        self.call(py, |target| {
            llm::Call {
                model,
                messages,
                output,
                provider,
                prompt_tokens: None,
                completion_tokens: None,
                usage,
                estimated_cost,
                duration_ms,
                error,
                output_fields,
                common: Common {
                    metadata,
                    ..Common::default()
                },
                with_usage,
            }
            .track(&target)
        })
    }

    /// See `SentrialClient.track_error`.
    #[pyo3(signature = (error_message, error_type=None, tool_name=None, stack_trace=None, *, tool_input=None, metadata=None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the documented signature, and the input"
    )]
    fn track_error<'py>(
        &self,
        py: Python<'py>,
        error_message: &Bound<'py, PyAny>,
        error_type: Option<&Bound<'py, PyAny>>,
        tool_name: Option<&Bound<'py, PyAny>>,
        stack_trace: Option<&Bound<'py, PyAny>>,
        tool_input: Option<&Bound<'py, PyAny>>,
        metadata: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        self.call(py, |target| {
            target.error(&ErrorEvent {
                message: error_message,
                kind: error_type,
                tool_name,
                tool_input,
                stack_trace,
                common: Common {
                    metadata,
                    ..Common::default()
                },
            })
        })
    }
}

impl CurrentSession {
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.record.session
    }

    fn call<'py>(
        &self,
        py: Python<'py>,
        f: impl FnOnce(Target<'_, 'py>) -> PyResult<Py<PyAny>>,
    ) -> PyResult<()> {
        let client = self.client.bind(py);
        let inner = client.get().inner();
        if inner.is_off() {
            inner.core.count_disabled();
            return Ok(());
        }
        let tracked = inner.guard(
            py,
            || (),
            || {
                f(Target {
                    client,
                    record: Arc::clone(&self.record),
                    is_read: false,
                })?;
                Ok::<_, CallError>(())
            },
        );
        match tracked {
            // Decorators and wrappers stand between the program and its own functions: what goes
            // wrong here must never take the place of a result or an exception of theirs.
            Err(error) if error.is_instance_of::<PyException>(py) => {
                log::warn(py, &format!("a call was not recorded: {error}"));
                Ok(())
            }
            other => other,
        }
    }
}

/// The current session; None outside of one. `default` makes the client where
/// `set_session_context` was called before any client was named.
#[pyfunction]
pub(crate) fn current_session<'py>(
    py: Python<'py>,
    default: &Bound<'py, PyAny>,
) -> PyResult<Option<CurrentSession>> {
    let Some(current) = context::current(py) else {
        return Ok(None);
    };
    let client = match current.client {
        Some(client) => client,
        None => match default.call0()?.cast_into::<SentrialClient>() {
            Ok(client) => client,
            Err(_) => return Ok(None),
        },
    };
    let record = match (current.record, current.id) {
        (Some(record), _) => record,
        (None, Some(id)) => client.get().inner().session_named(&id),
        (None, None) => return Ok(None),
    };
    Ok(Some(CurrentSession {
        client: client.unbind(),
        record,
    }))
}

/// The client of the current session, if it has one.
#[pyfunction]
pub(crate) fn context_client(py: Python<'_>) -> Option<Py<SentrialClient>> {
    context::current(py)
        .and_then(|current| current.client)
        .map(Bound::unbind)
}

/// The id of the current session; waits for it. None outside of a session.
#[pyfunction]
pub(crate) fn get_session_context(py: Python<'_>) -> PyResult<Option<String>> {
    let Some(current) = context::current(py) else {
        return Ok(None);
    };
    match (current.record, current.client) {
        (Some(record), Some(client)) => {
            let inner = client.get().inner();
            let id = inner.id_of(py, &record.session, None)?;
            Ok(id.map(|id| id.to_string()))
        }
        _ => Ok(current.id),
    }
}

/// Makes a session current by its id. None leaves every session.
#[pyfunction]
#[pyo3(signature = (session_id, client=None))]
pub(crate) fn set_session_context(
    py: Python<'_>,
    session_id: Option<&Bound<'_, PyAny>>,
    client: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let id = session_id.map(text_of);
    // An asynchronous client stands for the one it is made of.
    let client = client.and_then(|client| match client.cast::<SentrialClient>() {
        Ok(client) => Some(client.clone()),
        Err(_) => client.getattr("_client").ok()?.cast_into().ok(),
    });
    context::set(py, id.as_deref(), client.as_ref())
}

/// Makes the session of an interaction, begun in another context, current in this one.
#[pyfunction]
pub(crate) fn make_current(interaction: &Bound<'_, Interaction>) -> PyResult<()> {
    Interaction::make_current(interaction)
}

/// Makes a session of another process current: what begins inside is nested in it.
#[pyfunction]
pub(crate) fn attach(session_id: &str, client: &Bound<'_, SentrialClient>) -> PyResult<()> {
    client.get().inner().session_named(session_id).enter();
    context::set(client.py(), Some(session_id), Some(client))
}

/// Leaves every session.
#[pyfunction]
pub(crate) fn clear_session_context(py: Python<'_>) -> PyResult<()> {
    context::clear(py)
}

/// Counters of all clients of this process, also of those already collected.
#[pyfunction]
#[pyo3(name = "stats")]
pub(crate) fn process_stats(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    stats::of_process(py)
}

/// Delivers what all clients have queued, at most `timeout` seconds.
#[pyfunction]
pub(crate) fn flush_all(py: Python<'_>, timeout: f64) -> PyResult<()> {
    let Some(process) = Process::existing() else {
        return Ok(());
    };
    let flush = FlushAll::begin(process, awaited::timeout(Some(timeout.max(0.0))));
    block_on(py, &flush)?;
    log::drain(py);
    Ok(())
}

/// How long the end of the process may take beyond its deadline to bring what is left to disk.
const SPOOLING: Duration = Duration::from_millis(400);
/// The same if answers have arrived up to `shutdown_max`.
const SPOOLING_AT_MOST: Duration = Duration::from_millis(700);
/// How long a commit that has begun may take beyond that.
const COMMIT: Duration = Duration::from_millis(100);

/// The end of the process: one deadline for all clients; what is left goes to the spool, or is
/// given up where there is none, with one line.
/// `elapsed` seconds of the time for it have passed already.
#[pyfunction]
#[pyo3(signature = (elapsed=0.0))]
pub(crate) fn at_exit(py: Python<'_>, elapsed: f64) -> PyResult<()> {
    let Some(process) = Process::existing() else {
        return Ok(());
    };
    process.hurry();
    let elapsed = Duration::try_from_secs_f64(elapsed).unwrap_or_default();
    let now = Instant::now();
    let started = now.checked_sub(elapsed).unwrap_or(now);
    let until = || {
        let patience = process.exit_patience();
        process.save_meanwhile(started);
        Some(patience.deadline(started, process.last_success()))
    };
    wait_for(py, &process, until, || process.is_hopeless())?;
    let before = process.counters();
    let (patience, now) = (process.exit_patience(), Instant::now());
    let spooling = if now < started + patience.max {
        SPOOLING
    } else {
        SPOOLING_AT_MOST
    };
    // Where nothing can be delivered there was no wait, and the time for it is left for the disk.
    let deadline = now.max(started + patience.quiet) + spooling;
    let left = py.detach(|| process.evacuate(deadline));
    wait_for(py, &process, || Some(deadline), || process.is_evacuated())?;
    process.stop_writing();
    let stopped = Instant::now() + COMMIT;
    wait_for(py, &process, || Some(stopped), || process.is_evacuated())?;
    process.leave_behind();
    if left > 0 {
        let kept = process.counters().spooled - before.spooled;
        let rest = match left.saturating_sub(kept) {
            0 => "they are on disk and a later process sends them".to_owned(),
            lost if kept > 0 => format!("{kept} are on disk for a later process, {lost} are lost"),
            _ => "they are lost".to_owned(),
        };
        let text =
            format!("{left} requests could not be delivered before the process ended: {rest}");
        process.notices().park(Notice::new(Level::Warning, text));
    }
    log::drain(py);
    Ok(())
}

/// Lets a client send what it holds back, without waiting.
#[pyfunction]
pub(crate) fn release(client: &Bound<'_, SentrialClient>) {
    let inner = client.get().inner();
    if !inner.is_off() {
        let _ = inner.core.state().begin_flush();
        inner.core.ring();
    }
}

/// Adds usage that no event carries to the sums of a session: frameworks report theirs once per run.
#[pyfunction]
#[pyo3(signature = (client, session_id, *, prompt_tokens=None, completion_tokens=None, cost=None))]
pub(crate) fn add_usage(
    client: &Bound<'_, SentrialClient>,
    session_id: &Bound<'_, PyAny>,
    prompt_tokens: Option<&Bound<'_, PyAny>>,
    completion_tokens: Option<&Bound<'_, PyAny>>,
    cost: Option<&Bound<'_, PyAny>>,
) {
    // Nothing is recorded for what is no session, as in the calls that record events.
    let Ok(record) = named(client.get().inner(), Some(session_id)) else {
        return;
    };
    let (prompt, completion) = (amount(prompt_tokens), amount(completion_tokens));
    record.totals.prompt.add(prompt);
    record.totals.completion.add(completion);
    record.totals.tokens.add(prompt);
    record.totals.tokens.add(completion);
    record.totals.cost.add(amount(cost));
}

/// Do the calls of this client wait for their answers?
#[pyfunction]
pub(crate) fn is_immediate(client: &Bound<'_, SentrialClient>) -> bool {
    let inner = client.get().inner();
    inner.is_immediate() && inner.caller == Caller::Thread
}

/// Makes what calls need, while the package is imported and no other thread can be in a call.
#[pyfunction]
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    context::prepare(py)?;
    begun::prepare(py)?;
    pending::prepare(py)?;
    forks::prepare(py);
    Ok(())
}
