"""The methods of `AsyncSentrialClient` that record events, and what every recording call does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial import _core, _loop, _receipt, _turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentrial._core import SentrialClient

__all__ = ["AsyncEvents"]


class AsyncEvents:
    """What records on one client."""

    _client: SentrialClient

    async def _run(
        self, call: Callable[..., dict[str, Any]], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Record; in immediate delivery return after the server has answered."""
        answer = await _turns.record(call, *args, **kwargs)
        if not _core.awaits_answers(self._client):
            return answer
        pending = _receipt.pending(answer)
        if pending is None:
            return answer
        data: dict[str, Any] | None = await _loop.result(pending.waiting())
        return {} if data is None else data

    async def track_tool_call(
        self,
        session_id: str,
        tool_name: str,
        tool_input: Any,
        tool_output: Any,
        reasoning: str | None = None,
        estimated_cost: float = 0.0,
        tool_error: dict[str, Any] | str | BaseException | None = None,
        token_count: int | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        duration_ms: float | None = None,
        status: str | None = None,
    ) -> dict[str, Any]:
        """Record a call of a tool; see `SentrialClient.track_tool_call`."""
        return await self._run(
            self._client.track_tool_call,
            session_id,
            tool_name,
            tool_input,
            tool_output,
            reasoning,
            estimated_cost,
            tool_error,
            token_count,
            trace_id,
            span_id,
            metadata,
            duration_ms=duration_ms,
            status=status,
        )

    async def track_decision(
        self,
        session_id: str,
        reasoning: str,
        alternatives: list[str] | None = None,
        confidence: float | None = None,
        estimated_cost: float = 0.0,
        token_count: int | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        chosen: Any = None,
    ) -> dict[str, Any]:
        """Record a decision; see `SentrialClient.track_decision`."""
        return await self._run(
            self._client.track_decision,
            session_id,
            reasoning,
            alternatives,
            confidence,
            estimated_cost,
            token_count,
            trace_id,
            span_id,
            metadata,
            chosen=chosen,
        )

    async def track_error(
        self,
        session_id: str,
        error_message: str,
        error_type: str | None = None,
        tool_name: str | None = None,
        stack_trace: str | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Record an error; see `SentrialClient.track_error`."""
        return await self._run(
            self._client.track_error,
            session_id,
            error_message,
            error_type,
            tool_name,
            stack_trace,
            trace_id,
            span_id,
            metadata,
        )

    async def track_llm_call(
        self, session_id: str, model: str, messages: Any = None, output: Any = None, **fields: Any
    ) -> dict[str, Any]:
        """Record a call of a language model.

        The further ``fields`` are the keyword arguments of `SentrialClient.track_llm_call`.
        """
        return await self._run(
            self._client.track_llm_call, session_id, model, messages, output, **fields
        )

    async def track_state_change(
        self,
        session_id: str,
        changes: dict[str, Any],
        reasoning: str | None = None,
        *,
        trace_id: str | None = None,
        span_id: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Record a change of the agent's state; see `SentrialClient.track_state_change`."""
        return await self._run(
            self._client.track_state_change,
            session_id,
            changes,
            reasoning,
            trace_id=trace_id,
            span_id=span_id,
            metadata=metadata,
        )

    async def track_event(self, session_id: str, event_type: str, **fields: Any) -> dict[str, Any]:
        """Record an event field by field; see `SentrialClient.track_event`."""
        return await self._run(self._client.track_event, session_id, event_type, **fields)
