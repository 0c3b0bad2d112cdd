//! What is recorded on an interaction.

use std::sync::Arc;

use pyo3::prelude::*;

use super::{Any, Interaction};
use crate::python::track::{Common, Decision, ErrorEvent, ToolCall};

#[pymethods]
impl Interaction {
    /// Records a call of a tool; see `SentrialClient.track_tool_call`.
    #[pyo3(signature = (tool_name, tool_input, tool_output, reasoning=None, estimated_cost=None, tool_error=None, token_count=None, metadata=None, *, duration_ms=None, status=None), text_signature = "($self, tool_name, tool_input, tool_output, reasoning=None, estimated_cost=0.0, tool_error=None, token_count=None, metadata=None, *, duration_ms=None, status=None)")]
    #[expect(clippy::too_many_arguments, reason = "the documented signature")]
    fn track_tool_call<'py>(
        slf: &Bound<'py, Self>,
        tool_name: &Any<'py>,
        tool_input: Option<&Any<'py>>,
        tool_output: Option<&Any<'py>>,
        reasoning: Option<&Any<'py>>,
        estimated_cost: Option<&Any<'py>>,
        tool_error: Option<&Any<'py>>,
        token_count: Option<&Any<'py>>,
        metadata: Option<&Any<'py>>,
        duration_ms: Option<&Any<'py>>,
        status: Option<&Any<'py>>,
    ) -> PyResult<Py<PyAny>> {
        Self::call(slf, |target| {
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
                    metadata,
                    ..Common::default()
                },
            })
        })
    }

    /// Records a decision of the model; see `SentrialClient.track_decision`.
    #[pyo3(signature = (reasoning, alternatives=None, confidence=None, estimated_cost=None, token_count=None, metadata=None, *, chosen=None), text_signature = "($self, reasoning, alternatives=None, confidence=None, estimated_cost=0.0, token_count=None, metadata=None, *, chosen=None)")]
    #[expect(clippy::too_many_arguments, reason = "the documented signature")]
    fn track_decision<'py>(
        slf: &Bound<'py, Self>,
        reasoning: &Any<'py>,
        alternatives: Option<&Any<'py>>,
        confidence: Option<&Any<'py>>,
        estimated_cost: Option<&Any<'py>>,
        token_count: Option<&Any<'py>>,
        metadata: Option<&Any<'py>>,
        chosen: Option<&Any<'py>>,
    ) -> PyResult<Py<PyAny>> {
        Self::call(slf, |target| {
            target.decision(&Decision {
                reasoning,
                alternatives,
                confidence,
                cost: estimated_cost,
                tokens: token_count,
                chosen,
                common: Common {
                    metadata,
                    ..Common::default()
                },
            })
        })
    }

    /// Records an error; see `SentrialClient.track_error`. Leaving the ``with`` block then counts
    /// as a failure with this message.
    #[pyo3(signature = (error_message, error_type=None, tool_name=None, stack_trace=None, metadata=None))]
    fn track_error<'py>(
        slf: &Bound<'py, Self>,
        error_message: &Any<'py>,
        error_type: Option<&Any<'py>>,
        tool_name: Option<&Any<'py>>,
        stack_trace: Option<&Any<'py>>,
        metadata: Option<&Any<'py>>,
    ) -> PyResult<Py<PyAny>> {
        slf.get()
            .failure
            .store(Some(Arc::new(error_message.clone().unbind())));
        Self::call(slf, |target| {
            target.error(&ErrorEvent {
                message: error_message,
                kind: error_type,
                tool_name,
                tool_input: None,
                stack_trace,
                common: Common {
                    metadata,
                    ..Common::default()
                },
            })
        })
    }
}
