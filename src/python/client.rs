//! `SentrialClient`.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::core::api_key::ApiKey;
use crate::core::exit::Patience;
use crate::core::options::OptionArgs;
use crate::core::session::Session;

use super::inner::{CallError, Inner, empty};
use super::interaction::Interaction;
use super::record::SessionRecord;
use super::sessions::{Completion, NewSession, Parent, complete, update};
use super::track::{Common, Decision, ErrorEvent, Target, ToolCall};
use super::wait::after;
use super::{context, errors, llm, pricing, settings, stats};

type Any<'py> = Bound<'py, PyAny>;

/// Sends what an agent does to the Sentrial API.
///
/// By default every call returns at once and delivery happens in the background; nothing is
/// started before the first call. One client may be shared by all threads and tasks.
#[pyclass(frozen, dict, weakref, subclass, module = "sentrial", name = "SentrialClient")]
pub(crate) struct SentrialClient {
    inner: OnceLock<Arc<Inner>>,
    /// Serves until `__init__` has run.
    idle: Arc<Inner>,
    langfuse: OnceLock<Py<PyAny>>,
    pii: OnceLock<Py<PyAny>>,
    options: OnceLock<Py<PyDict>>,
    key_text: ArcSwapOption<String>,
}

impl SentrialClient {
    /// The working part. A subclass that never called `__init__` has a client that does nothing.
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        self.inner.get().unwrap_or(&self.idle)
    }

    fn setup(&self, inner: Inner) {
        let key = inner.core.key().map(|key| Arc::new(key.expose().to_owned()));
        self.key_text.store(key);
        // A second __init__ changes nothing: requests may be on their way.
        let _ = self.inner.set(Arc::new(inner));
    }

    fn call<'py>(
        slf: &Bound<'py, Self>,
        id: Option<&Any<'py>>,
        f: impl FnOnce(Target<'_, 'py>) -> PyResult<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let inner = slf.get().inner();
        if inner.off {
            inner.core.count_disabled();
            return Ok(empty(py));
        }
        inner.guard(py, || empty(py), || {
            let record = inner.record(id)?;
            Ok::<_, CallError>(f(Target { client: slf, record })?)
        })
    }
}

#[pymethods]
impl SentrialClient {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(api_url=None, api_key=None, fail_silently=True, langfuse=None, pii=None, batching=None, *, timeout=None, max_retries=None, wait_timeout=None, shutdown_timeout=None, shutdown_max=None, session_concurrency=None, max_state_bytes=None, max_event_bytes=None, spool=None, spool_dir=None, ca_file=None, proxy=None, allow_http=None, project_id=None)")]
    fn new(py: Python<'_>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Ok(Self {
            inner: OnceLock::new(),
            idle: settings::idle(py)?,
            langfuse: OnceLock::new(),
            pii: OnceLock::new(),
            options: OnceLock::new(),
            key_text: ArcSwapOption::empty(),
        })
    }

    #[pyo3(signature = (
        api_url=None, api_key=None, fail_silently=true, langfuse=None, pii=None, batching=None, *,
        timeout=None, max_retries=None, wait_timeout=None, shutdown_timeout=None,
        shutdown_max=None, session_concurrency=None, max_state_bytes=None, max_event_bytes=None,
        spool=None, spool_dir=None, ca_file=None, proxy=None, allow_http=None, project_id=None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "the documented constructor")]
    fn __init__(
        slf: &Bound<'_, Self>,
        api_url: Option<String>,
        api_key: Option<String>,
        fail_silently: bool,
        langfuse: Option<Py<PyAny>>,
        pii: Option<Any<'_>>,
        batching: Option<Any<'_>>,
        timeout: Option<Any<'_>>,
        max_retries: Option<Any<'_>>,
        wait_timeout: Option<Any<'_>>,
        shutdown_timeout: Option<Any<'_>>,
        shutdown_max: Option<Any<'_>>,
        session_concurrency: Option<Any<'_>>,
        max_state_bytes: Option<Any<'_>>,
        max_event_bytes: Option<Any<'_>>,
        spool: Option<String>,
        spool_dir: Option<Any<'_>>,
        ca_file: Option<Any<'_>>,
        proxy: Option<String>,
        allow_http: Option<bool>,
        project_id: Option<String>,
    ) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let seconds = |name, value: Option<Any<'_>>| settings::seconds(py, name, value.as_ref());
        let whole = |name, value: Option<Any<'_>>| settings::whole(py, name, value.as_ref());
        let path = |name, value: Option<Any<'_>>| settings::path(py, name, value.as_ref());
        let options = OptionArgs {
            timeout: seconds("timeout", timeout)?,
            max_retries: whole("max_retries", max_retries)?,
            wait_timeout: seconds("wait_timeout", wait_timeout)?,
            shutdown_timeout: seconds("shutdown_timeout", shutdown_timeout)?,
            shutdown_max: seconds("shutdown_max", shutdown_max)?,
            session_concurrency: whole("session_concurrency", session_concurrency)?,
            max_state_bytes: whole("max_state_bytes", max_state_bytes)?,
            max_event_bytes: whole("max_event_bytes", max_event_bytes)?,
            ca_file: path("ca_file", ca_file)?,
            proxy,
            allow_http,
            project_id,
            spool,
            spool_dir: path("spool_dir", spool_dir)?,
        };
        let pii = settings::pii(py, pii.as_ref())?;
        let kept = settings::portable(py, api_url.as_deref(), fail_silently, &options)?;
        let arguments = settings::Arguments {
            api_url,
            api_key,
            fail_silently,
            withhold: settings::is_enabled(pii.bind(py)),
            batching: batching.as_ref(),
            options,
        };
        if let Some(batching) = &batching {
            kept.set_item(intern!(py, "batching"), batching)?;
        }
        this.setup(settings::build(py, arguments)?);
        let _ = this.pii.set(pii);
        let _ = this.langfuse.set(langfuse.unwrap_or_else(|| py.None()));
        let _ = this.options.set(kept.unbind());
        Ok(())
    }

    /// The API's address, without a trailing slash.
    #[getter]
    fn api_url(&self) -> &str {
        self.inner().core.settings().url.as_str()
    }

    /// The API key, or None. Assigning another one re-keys the client and everything it has
    /// queued; a client paused by 401 resumes at once.
    #[getter]
    fn api_key(&self) -> Option<String> {
        self.key_text.load().as_deref().cloned()
    }

    #[setter]
    fn set_api_key(slf: &Bound<'_, Self>, key: Option<String>) -> PyResult<()> {
        let parsed = key.as_deref().map(ApiKey::parse).transpose();
        let parsed = parsed.map_err(|error| errors::configuration(slf.py(), &error))?;
        let this = slf.get();
        if let Some((_, Some(warning))) = &parsed {
            super::log::warn(slf.py(), warning);
        }
        let key = parsed.map(|(key, _)| key);
        this.key_text.store(key.as_ref().map(|key| Arc::new(key.expose().to_owned())));
        this.inner().core.set_key(key);
        Ok(())
    }

    /// Whether failures are kept from the program.
    #[getter]
    fn fail_silently(&self) -> bool {
        self.inner().fail_silently
    }

    /// The Langfuse integration given to the constructor, or None.
    #[getter]
    fn langfuse(&self, py: Python<'_>) -> Py<PyAny> {
        self.langfuse.get().map_or_else(|| py.None(), |value| value.clone_ref(py))
    }

    /// The PII settings: None, False or a `PiiConfig`.
    #[getter]
    fn pii(&self, py: Python<'_>) -> Py<PyAny> {
        self.pii.get().map_or_else(|| py.None(), |value| value.clone_ref(py))
    }

    /// Always None: there is no Python HTTP session behind this client.
    #[getter]
    #[expect(clippy::unused_self, reason = "a property of the documented class")]
    fn session(&self) -> Option<bool> {
        None
    }

    /// The state of the session that is current in this context; a live dict.
    #[getter]
    fn current_state<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        context::current_state(slf)
    }

    #[setter]
    fn set_current_state<'py>(slf: &Bound<'py, Self>, state: Bound<'py, PyDict>) -> PyResult<()> {
        context::replace_state(slf, state)
    }

    /// Sets one entry of the current session's state; it shows in the events that follow.
    ///
    /// Args:
    ///     key: Name of the entry.
    ///     value: Anything; written as JSON when an event is recorded.
    #[pyo3(signature = (key, value))]
    fn update_state(slf: &Bound<'_, Self>, key: &Any<'_>, value: &Any<'_>) -> PyResult<()> {
        let inner = slf.get().inner();
        inner.guard(slf.py(), || (), || {
            context::current_state(slf)?.set_item(key, value)?;
            Ok(())
        })
    }

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
        let inner = slf.get().inner();
        if inner.off {
            inner.core.count_disabled();
            return Ok(None);
        }
        inner.guard(py, || None, || {
            let session = Session::pending();
            let new = SessionRecord::new(Arc::clone(&session), None);
            let record = Arc::new(new.with_state(PyDict::new(py)));
            context::created(slf, &record)?;
            let parent = parent_of(parent_session_id);
            let new = NewSession {
                name,
                agent_name,
                user_id,
                parent,
                convo_id,
                metadata,
                project_id,
            };
            let body = new.body(inner)?;
            let receipt = inner.create(&session, body);
            let id = inner.id_of(py, &session, receipt.as_deref())?;
            match &id {
                Some(id) => inner.registry.keep(id, &record),
                None => inner.core.state().withdraw(&session),
            }
            Ok(id.map(|id| id.to_string()))
        })
    }

    /// Records a call of a tool.
    ///
    /// Args:
    ///     session_id: The session.
    ///     tool_name: The tool.
    ///     tool_input: Its arguments, a dict; anything else is sent as ``{"input": value}``.
    ///     tool_output: Its result, a dict; anything else is sent as ``{"result": value}``.
    ///     reasoning: Why it was called.
    ///     estimated_cost: Cost in USD; added to the session's total.
    ///     tool_error: What failed: a dict, a text or an exception.
    ///     token_count: Tokens used; added to the session's total.
    ///     trace_id: Trace the call belongs to.
    ///     span_id: Span the call belongs to.
    ///     metadata: A dict of anything.
    ///     duration_ms: How long it took, in milliseconds (in the metadata).
    ///     status: How it ended (in the metadata).
    ///
    /// Returns:
    ///     The server's answer; in background delivery a dict that waits for it when first read.
    #[pyo3(signature = (session_id, tool_name, tool_input, tool_output, reasoning=None, estimated_cost=None, tool_error=None, token_count=None, trace_id=None, span_id=None, metadata=None, *, duration_ms=None, status=None), text_signature = "($self, session_id, tool_name, tool_input, tool_output, reasoning=None, estimated_cost=0.0, tool_error=None, token_count=None, trace_id=None, span_id=None, metadata=None, *, duration_ms=None, status=None)")]
    #[expect(clippy::too_many_arguments, reason = "the documented signature")]
    fn track_tool_call<'py>(
        slf: &Bound<'py, Self>,
        session_id: Option<&Any<'py>>,
        tool_name: &Any<'py>,
        tool_input: Option<&Any<'py>>,
        tool_output: Option<&Any<'py>>,
        reasoning: Option<&Any<'py>>,
        estimated_cost: Option<&Any<'py>>,
        tool_error: Option<&Any<'py>>,
        token_count: Option<&Any<'py>>,
        trace_id: Option<&Any<'py>>,
        span_id: Option<&Any<'py>>,
        metadata: Option<&Any<'py>>,
        duration_ms: Option<&Any<'py>>,
        status: Option<&Any<'py>>,
    ) -> PyResult<Py<PyAny>> {
        Self::call(slf, session_id, |target| {
            target.tool_call(&ToolCall {
                name: tool_name,
                input: tool_input,
                output: tool_output,
                reasoning,
                cost: estimated_cost,
                error: tool_error,
                tokens: token_count,
                duration_ms,
                status,
                cost_unknown: false,
                common: Common { trace_id, span_id, metadata },
            })
        })
    }

    /// Records a decision of the model.
    ///
    /// Args:
    ///     session_id: The session.
    ///     reasoning: Why it decided so.
    ///     alternatives: What else it considered.
    ///     confidence: 0 to 1.
    ///     estimated_cost: Cost in USD; added to the session's total.
    ///     token_count: Tokens used; added to the session's total.
    ///     trace_id: Trace it belongs to.
    ///     span_id: Span it belongs to.
    ///     metadata: A dict of anything.
    ///     chosen: What it chose (in the metadata).
    ///
    /// Returns:
    ///     As `track_tool_call`.
    #[pyo3(signature = (session_id, reasoning, alternatives=None, confidence=None, estimated_cost=None, token_count=None, trace_id=None, span_id=None, metadata=None, *, chosen=None), text_signature = "($self, session_id, reasoning, alternatives=None, confidence=None, estimated_cost=0.0, token_count=None, trace_id=None, span_id=None, metadata=None, *, chosen=None)")]
    #[expect(clippy::too_many_arguments, reason = "the documented signature")]
    fn track_decision<'py>(
        slf: &Bound<'py, Self>,
        session_id: Option<&Any<'py>>,
        reasoning: &Any<'py>,
        alternatives: Option<&Any<'py>>,
        confidence: Option<&Any<'py>>,
        estimated_cost: Option<&Any<'py>>,
        token_count: Option<&Any<'py>>,
        trace_id: Option<&Any<'py>>,
        span_id: Option<&Any<'py>>,
        metadata: Option<&Any<'py>>,
        chosen: Option<&Any<'py>>,
    ) -> PyResult<Py<PyAny>> {
        Self::call(slf, session_id, |target| {
            target.decision(&Decision {
                reasoning,
                alternatives,
                confidence,
                cost: estimated_cost,
                tokens: token_count,
                chosen,
                common: Common { trace_id, span_id, metadata },
            })
        })
    }

    /// Records an error.
    ///
    /// Args:
    ///     session_id: The session.
    ///     error_message: What happened.
    ///     error_type: Its kind, for example the exception's class name.
    ///     tool_name: The tool it happened in.
    ///     stack_trace: Where.
    ///     trace_id: Trace it belongs to.
    ///     span_id: Span it belongs to.
    ///     metadata: A dict of anything.
    ///
    /// Returns:
    ///     As `track_tool_call`.
    #[pyo3(signature = (session_id, error_message, error_type=None, tool_name=None, stack_trace=None, trace_id=None, span_id=None, metadata=None))]
    #[expect(clippy::too_many_arguments, reason = "the documented signature")]
    fn track_error<'py>(
        slf: &Bound<'py, Self>,
        session_id: Option<&Any<'py>>,
        error_message: &Any<'py>,
        error_type: Option<&Any<'py>>,
        tool_name: Option<&Any<'py>>,
        stack_trace: Option<&Any<'py>>,
        trace_id: Option<&Any<'py>>,
        span_id: Option<&Any<'py>>,
        metadata: Option<&Any<'py>>,
    ) -> PyResult<Py<PyAny>> {
        Self::call(slf, session_id, |target| {
            target.error(&ErrorEvent {
                message: error_message,
                kind: error_type,
                tool_name,
                stack_trace,
                common: Common { trace_id, span_id, metadata },
            })
        })
    }

    /// Records a call of a language model that no wrapper sees.
    ///
    /// Args:
    ///     session_id: The session.
    ///     model: The model's name.
    ///     messages: What was sent to it.
    ///     output: What it answered.
    ///     provider: ``"openai"``, ``"anthropic"``, ``"google"`` or another name.
    ///     prompt_tokens: Tokens of the input.
    ///     completion_tokens: Tokens of the output.
    ///     estimated_cost: Cost in USD; default: from the price table. A model that is not in it
    ///         costs 0.0 and is marked with ``metadata.cost_unknown``.
    ///     duration_ms: How long it took, in milliseconds.
    ///     error: What failed: a dict, a text or an exception.
    ///     metadata: A dict of anything.
    ///
    /// Returns:
    ///     As `track_tool_call`.
    #[pyo3(signature = (session_id, model, messages=None, output=None, *, provider=None, prompt_tokens=None, completion_tokens=None, estimated_cost=None, duration_ms=None, error=None, metadata=None))]
    #[expect(clippy::too_many_arguments, reason = "one keyword per documented field")]
    fn track_llm_call<'py>(
        slf: &Bound<'py, Self>,
        session_id: Option<&Any<'py>>,
        model: &Any<'py>,
        messages: Option<&Any<'py>>,
        output: Option<&Any<'py>>,
        provider: Option<&Any<'py>>,
        prompt_tokens: Option<&Any<'py>>,
        completion_tokens: Option<&Any<'py>>,
        estimated_cost: Option<&Any<'py>>,
        duration_ms: Option<&Any<'py>>,
        error: Option<&Any<'py>>,
        metadata: Option<&Any<'py>>,
    ) -> PyResult<Py<PyAny>> {
        Self::call(slf, session_id, |target| {
            llm::Call {
                model,
                messages,
                output,
                provider,
                prompt_tokens,
                completion_tokens,
                estimated_cost,
                duration_ms,
                error,
                metadata,
            }
            .track(&target)
        })
    }

    /// Records a change of the agent's state: `changes` go into the session's state, and the event
    /// shows it before and after.
    #[pyo3(signature = (session_id, changes, reasoning=None, *, trace_id=None, span_id=None, metadata=None))]
    fn track_state_change<'py>(
        slf: &Bound<'py, Self>,
        session_id: Option<&Any<'py>>,
        changes: &Any<'py>,
        reasoning: Option<&Any<'py>>,
        trace_id: Option<&Any<'py>>,
        span_id: Option<&Any<'py>>,
        metadata: Option<&Any<'py>>,
    ) -> PyResult<Py<PyAny>> {
        Self::call(slf, session_id, |target| {
            let changes = super::payload::merged(slf.py(), Some(changes))?;
            target.state_change(&changes, reasoning, &Common { trace_id, span_id, metadata })
        })
    }

    /// Records an event field by field; ``snake_case`` names become ``camelCase``.
    ///
    /// Args:
    ///     session_id: The session.
    ///     event_type: An `EventType` or its name.
    ///     **fields: The fields of the event.
    #[pyo3(signature = (session_id, event_type, **fields))]
    fn track_event<'py>(
        slf: &Bound<'py, Self>,
        session_id: Option<&Any<'py>>,
        event_type: &Any<'py>,
        fields: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        Self::call(slf, session_id, |target| target.custom(event_type, fields))
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
        let good = status.is_none_or(|s| matches!(&*s.to_string(), "success" | "completed"));
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
        Self::call(slf, session_id, |target| update(slf, &target.record, fields))
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
        let begun = super::interaction::Begin {
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

    /// Waits until everything recorded so far is delivered.
    ///
    /// Args:
    ///     timeout: Seconds to wait at most; default 30. Returns at once while the server is down.
    ///
    /// Raises:
    ///     SentrialError: the first failure since the last flush, if the client is loud and batches.
    #[pyo3(signature = (timeout=30.0))]
    fn flush(slf: &Bound<'_, Self>, timeout: Option<f64>) -> PyResult<()> {
        let inner = slf.get().inner();
        if inner.off {
            return Ok(());
        }
        let timeout = timeout.filter(|t| t.is_finite() && *t >= 0.0).unwrap_or(30.0);
        inner.flush(slf.py(), after(Duration::from_secs_f64(timeout.min(31_536_000.0))))
    }

    /// Delivers what is queued, waiting as the end of the process would: up to ``shutdown_timeout``
    /// seconds after the last successful answer. The client can be used again afterwards.
    fn shutdown(slf: &Bound<'_, Self>) -> PyResult<()> {
        let inner = slf.get().inner();
        if inner.off {
            return Ok(());
        }
        let options = &inner.core.settings().options;
        let patience = Patience { quiet: options.shutdown_timeout, max: options.shutdown_max };
        let state = inner.core.state();
        let started = Instant::now();
        let process = Arc::clone(state.process());
        inner.flush(slf.py(), || Some(patience.deadline(started, process.last_success())))
    }

    /// The same as `shutdown`.
    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::shutdown(slf)
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    #[pyo3(signature = (exc_type, exc_val, exc_tb))]
    fn __exit__(
        slf: &Bound<'_, Self>,
        exc_type: &Any<'_>,
        exc_val: &Any<'_>,
        exc_tb: &Any<'_>,
    ) -> PyResult<bool> {
        let _ = (exc_val, exc_tb);
        match Self::shutdown(slf) {
            // The program's own exception matters more than ours.
            Err(error) if exc_type.is_none() => Err(error),
            _ => Ok(false),
        }
    }

    /// Counters of this client: ``accepted = delivered + pending + spooled + sum of dropped`` at
    /// every moment, in logical requests.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        stats::of_client(py, self.inner())
    }

    /// Cost in USD of an OpenAI call; 0.0 for an unknown model.
    #[staticmethod]
    #[pyo3(signature = (model, input_tokens, output_tokens))]
    fn calculate_openai_cost(
        model: &Any<'_>,
        input_tokens: f64,
        output_tokens: f64,
    ) -> PyResult<f64> {
        pricing::cost("openai", model, input_tokens, output_tokens)
    }

    /// Cost in USD of an Anthropic call; 0.0 for an unknown model.
    #[staticmethod]
    #[pyo3(signature = (model, input_tokens, output_tokens))]
    fn calculate_anthropic_cost(
        model: &Any<'_>,
        input_tokens: f64,
        output_tokens: f64,
    ) -> PyResult<f64> {
        pricing::cost("anthropic", model, input_tokens, output_tokens)
    }

    /// Cost in USD of a Google call; 0.0 for an unknown model.
    #[staticmethod]
    #[pyo3(signature = (model, input_tokens, output_tokens))]
    fn calculate_google_cost(
        model: &Any<'_>,
        input_tokens: f64,
        output_tokens: f64,
    ) -> PyResult<f64> {
        pricing::cost("google", model, input_tokens, output_tokens)
    }

    fn __repr__(&self) -> String {
        let key = self.inner().core.key();
        let key = key.map_or_else(|| "None".to_owned(), |key| format!("'{}'", key.masked()));
        format!("SentrialClient(api_url='{}', api_key={key})", self.api_url())
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __deepcopy__<'py>(slf: &Bound<'py, Self>, memo: &Any<'_>) -> Bound<'py, Self> {
        let _ = memo;
        slf.clone()
    }

    /// Options without the key, which is read from the environment again.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Any<'py>, (Any<'py>, Any<'py>))> {
        let py = slf.py();
        let restore = py.import("sentrial.client")?.getattr("_restore")?;
        let options = slf.get().options.get();
        let options = options.map_or_else(|| PyDict::new(py), |options| options.bind(py).clone());
        Ok((restore, (slf.get_type().into_any(), options.into_any())))
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
        Some(value) => match value.cast::<Interaction>() {
            Ok(interaction) => Parent::Session(Arc::clone(&interaction.get().record.session)),
            Err(_) => Parent::Id(value),
        },
    }
}

/// Refuses to pickle something that only makes sense in this process.
pub(crate) fn not_picklable(what: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{what} cannot be pickled: it belongs to this process; pass its session_id instead"
    ))
}
