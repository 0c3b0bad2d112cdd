"""What a client sends, told to Langfuse: one trace for a session, one observation for an event."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from sentrial.integrations.langfuse_trace import LangfuseTraceContext

if TYPE_CHECKING:
    from sentrial.integrations.langfuse import LangfuseIntegration

__all__ = ["LangfuseTarget"]

MAX_OPEN = 10_000
"""Sessions that are open together at most; beyond it the longest unused traces are ended."""
_LLM = "llm:"


class LangfuseTarget:
    """Where the requests of one client are recorded; used by the thread of the mirror."""

    def __init__(self, integration: LangfuseIntegration) -> None:
        self._integration = integration
        self._traces: OrderedDict[int, LangfuseTraceContext] = OrderedDict()
        self._pid = os.getpid()

    def record(
        self, kind: str, session_key: int, session_id: str | None, body: dict[str, Any]
    ) -> bool:
        """Record a request; returns whether it ended its session."""
        if self._pid != os.getpid():
            # The parent goes on with its traces, and ends them.
            self._traces.clear()
            self._pid = os.getpid()
        if kind == "create":
            self._remember(session_key, self._created(session_id, body))
            return False
        trace = self._traces.get(session_key)
        if trace is None:
            # Begun elsewhere, or completed before.
            trace = LangfuseTraceContext(self._integration, session_id, None, None)  # type: ignore[arg-type]  # unknown here
            self._remember(session_key, trace)
        self._traces.move_to_end(session_key)
        if kind == "complete":
            del self._traces[session_key]
            success = bool(body.get("success"))
            trace.complete(body.get("assistantOutput"), success, body.get("customMetrics"))
            return True
        if kind == "update":
            trace.update(body)
        else:
            _event(trace, body)
        return False

    def flush(self) -> None:
        """Deliver to Langfuse; waits."""
        self._integration.flush()

    def is_open(self) -> bool:
        """Tell whether there are sessions that have not been completed."""
        return bool(self._traces)

    def close(self) -> None:
        """End the traces of sessions that are not completed, so that they are seen."""
        traces, self._traces = self._traces, OrderedDict()
        for trace in traces.values():
            trace.end()

    def _created(self, session_id: str | None, body: dict[str, Any]) -> LangfuseTraceContext:
        metadata = body.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        return LangfuseTraceContext(
            self._integration,
            session_id,  # type: ignore[arg-type]  # None gives the trace an id of its own
            body["agentName"],
            body["userId"],
            metadata.get("input"),
            metadata,
        )

    def _remember(self, session_key: int, trace: LangfuseTraceContext) -> None:
        self._traces[session_key] = trace
        while len(self._traces) > MAX_OPEN:
            self._traces.popitem(last=False)[1].end()


def _event(trace: LangfuseTraceContext, body: dict[str, Any]) -> None:
    kind = body.get("eventType")
    metadata = body.get("metadata")
    if kind == "tool_call" and str(body.get("toolName")).startswith(_LLM):
        _llm_call(trace, body, metadata)
    elif kind == "tool_call":
        trace.track_tool_call(
            str(body.get("toolName")),
            body.get("toolInput"),  # type: ignore[arg-type]  # None is sent as null
            body.get("toolOutput"),  # type: ignore[arg-type]  # None is sent as null
            body.get("toolError"),
            metadata,
        )
    elif kind == "llm_decision":
        given = {
            "reasoning": body.get("reasoning"),
            "alternatives": body.get("alternativesConsidered"),
        }
        trace.track_llm_call(
            "llm_decision",
            input_data=given,
            output_data={"confidence": body.get("confidence")},
            total_tokens=body.get("tokenCount"),
            metadata=metadata,
        )
    elif kind == "error":
        trace.track_error(body.get("toolError") or {}, _with_tool(metadata, body.get("toolName")))
    else:
        shown = ("reasoning", "stateBefore", "stateAfter", "toolInput", "toolOutput")
        fields = {name: body[name] for name in shown if body.get(name) is not None}
        trace.track_event(str(kind), fields or None, metadata)


def _llm_call(trace: LangfuseTraceContext, body: dict[str, Any], metadata: Any) -> None:
    given, answered = _dict(body.get("toolInput")), _dict(body.get("toolOutput"))
    tokens = _dict(answered.get("tokens"))
    trace.track_llm_call(
        body["toolName"],
        given.get("model"),
        given.get("messages"),
        answered.get("content", answered.get("messages")),
        tokens.get("prompt"),
        tokens.get("completion"),
        tokens.get("total", body.get("tokenCount")),
        metadata,
        error=body.get("toolError"),
    )


def _with_tool(metadata: Any, tool_name: str | None) -> Any:
    return metadata if tool_name is None else {**_dict(metadata), "toolName": tool_name}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
