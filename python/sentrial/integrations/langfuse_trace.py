"""One session in Langfuse."""

# The annotations are part of the documented signatures, so they keep the spelling of `typing`.
# ruff: noqa: UP006, UP035, UP045

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional

from sentrial.integrations.base import documented_in

if TYPE_CHECKING:
    from sentrial.integrations.langfuse import LangfuseIntegration

__all__ = ["LangfuseTraceContext"]


@documented_in("sentrial.langfuse_integration")
class LangfuseTraceContext:
    """Records one session as one trace.

    Args:
        integration: Where to.
        session_id: The session; None gives the trace an id of its own.
        name: What the trace is called.
        user_id: The end user.
        input_data: What the user asked.
        metadata: A dict of anything.
    """

    def __init__(
        self,
        integration: LangfuseIntegration,
        session_id: str,
        name: str,
        user_id: str,
        input_data: Optional[str] = None,
        metadata: Optional[Dict[str, Any]] = None,
    ) -> None:
        self.integration = integration
        self.session_id = session_id
        self._trace = integration.create_trace(session_id, name, user_id, input_data, metadata)

    @property
    def trace(self) -> Any:
        """The trace; None if it could not be made: then nothing is recorded."""
        return self._trace

    def track_tool_call(
        self,
        tool_name: str,
        tool_input: Dict[str, Any],
        tool_output: Dict[str, Any],
        tool_error: Optional[Dict[str, Any]] = None,
        metadata: Optional[Dict[str, Any]] = None,
    ) -> None:
        """Record a tool call as a span."""
        if self._trace is None:
            return
        span = self.integration.create_span(self._trace, tool_name, tool_input, metadata)
        if span is not None:
            self.integration.end_span(span, tool_output, _message(tool_error))

    def track_llm_call(
        self,
        name: str,
        model: Optional[str] = None,
        input_data: Optional[Any] = None,
        output_data: Optional[Any] = None,
        prompt_tokens: Optional[int] = None,
        completion_tokens: Optional[int] = None,
        total_tokens: Optional[int] = None,
        metadata: Optional[Dict[str, Any]] = None,
        *,
        error: Optional[Dict[str, Any]] = None,
    ) -> None:
        """Record the call of a model as a generation."""
        if self._trace is None:
            return
        counted = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": total_tokens,
        }
        usage = {kind: count for kind, count in counted.items() if count is not None}
        self.integration.create_generation(
            self._trace,
            name,
            model,
            input_data,
            output_data,
            usage or None,
            metadata,
            error=_message(error),
        )

    def track_error(self, error: dict[str, Any], metadata: Optional[Dict[str, Any]] = None) -> None:
        """Record an error as an event.

        Args:
            error: A dict with ``message``, ``type`` and ``stack_trace``, as far as known.
            metadata: A dict of anything.
        """
        if self._trace is not None:
            message = _message(error) or "error"
            self.integration.create_event(self._trace, "error", error, metadata, error=message)

    def track_event(
        self, name: str, input_data: Optional[Any] = None, metadata: Optional[Dict[str, Any]] = None
    ) -> None:
        """Record anything else as an event."""
        if self._trace is not None:
            self.integration.create_event(self._trace, name, input_data, metadata)

    def update(self, metadata: dict[str, Any]) -> None:
        """Add metadata to the trace."""
        if self._trace is not None:
            self.integration.update_trace(self._trace, None, metadata)

    def finish(
        self,
        output: Optional[str] = None,
        success: bool = True,
        custom_metrics: Optional[Dict[str, float]] = None,
    ) -> None:
        """End the trace, with a score for success and one for each metric, and deliver it.

        Args:
            output: What the agent answered.
            success: Whether the agent did its work.
            custom_metrics: Numbers by name.
        """
        self.complete(output, success, custom_metrics)
        self.integration.flush()

    def complete(
        self, output: str | None, success: bool, custom_metrics: dict[str, float] | None
    ) -> None:
        """Do what `finish` does, without waiting for the delivery."""
        if self._trace is None:
            return
        self.integration.update_trace(self._trace, output, {"success": success})
        for name, value in (custom_metrics or {}).items():
            self.integration.score_trace(self._trace, name, value)
        self.integration.score_trace(self._trace, "success", 1.0 if success else 0.0)
        self.end()

    def end(self) -> None:
        """End the trace as it is."""
        if self._trace is not None:
            self.integration.end_trace(self._trace)


def _message(error: dict[str, Any] | None) -> str | None:
    message = error.get("message") if isinstance(error, dict) else None
    return None if message is None else str(message)
