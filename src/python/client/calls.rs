//! The methods that record events.
#![expect(clippy::doc_markdown, reason = "docstrings of Python, shown by help()")]

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{Any, SentrialClient};
use crate::python::llm;
use crate::python::payload::merged;
use crate::python::track::{Common, Decision, ErrorEvent, ToolCall};

#[pymethods]
impl SentrialClient {
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
                common: Common {
                    trace_id,
                    span_id,
                    metadata,
                },
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
                common: Common {
                    trace_id,
                    span_id,
                    metadata,
                },
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
                tool_input: None,
                stack_trace,
                common: Common {
                    trace_id,
                    span_id,
                    metadata,
                },
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
    ///     usage: A `sentrial.wrappers.Usage`, or a dict with its names, instead of
    ///         ``prompt_tokens`` and ``completion_tokens``: tokens in disjoint buckets (input, cache
    ///         read, cache write, output, reasoning, audio).
    ///     output_fields: A dict of what else belongs to the answer (in ``toolOutput``), for example
    ///         ``{"tool_calls": [...]}``.
    ///     trace_id: Trace the call belongs to.
    ///     span_id: Span the call belongs to.
    ///     with_usage: False for a call around another one that carries the usage.
    ///
    /// Returns:
    ///     As `track_tool_call`.
    #[pyo3(signature = (session_id, model, messages=None, output=None, *, provider=None, prompt_tokens=None, completion_tokens=None, estimated_cost=None, duration_ms=None, error=None, metadata=None, usage=None, output_fields=None, trace_id=None, span_id=None, with_usage=true))]
    #[expect(
        clippy::too_many_arguments,
        reason = "one keyword per documented field"
    )]
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
        usage: Option<&Any<'py>>,
        output_fields: Option<&Any<'py>>,
        trace_id: Option<&Any<'py>>,
        span_id: Option<&Any<'py>>,
        with_usage: bool,
    ) -> PyResult<Py<PyAny>> {
        Self::call(slf, session_id, |target| {
            llm::Call {
                model,
                messages,
                output,
                provider,
                prompt_tokens,
                completion_tokens,
                usage,
                estimated_cost,
                duration_ms,
                error,
                output_fields,
                common: Common {
                    trace_id,
                    span_id,
                    metadata,
                },
                with_usage,
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
            let changes = merged(slf.py(), Some(changes))?;
            target.state_change(
                &changes,
                reasoning,
                &Common {
                    trace_id,
                    span_id,
                    metadata,
                },
            )
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
}
