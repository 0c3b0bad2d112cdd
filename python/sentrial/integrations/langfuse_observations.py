"""Clients of Langfuse 3 and newer, in the words of Langfuse 2.

There a trace is what its observations have in common: the trace of a session is a root observation
under a trace id made from the session's id, and whatever is recorded hangs below it. Version 3
keeps name, user, input and output in the trace itself; from version 4 on the observations carry
them.
"""

from __future__ import annotations

import contextlib
from typing import Any

__all__ = ["Observations", "ObservedSpan", "ObservedTrace"]

_UNNAMED = "session"
# In Langfuse's words, from the names of OpenAI's.
_USAGE = {"prompt_tokens": "input", "completion_tokens": "output", "total_tokens": "total"}
# Longer values, and such with other characters, are refused by Langfuse for the whole trace.
_LONGEST = 200


class Observations:
    """A client of Langfuse 3 or newer."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def trace(
        self,
        *,
        id: str | None,  # noqa: A002  the name in Langfuse 2
        name: str | None,
        user_id: str | None,
        input: Any,  # noqa: A002  the name in Langfuse 2
        metadata: dict[str, Any],
    ) -> ObservedTrace:
        """Begin a trace."""
        return ObservedTrace(self._client, id, name, user_id, input, metadata)


class ObservedTrace:
    """A trace, and the root observation that stands for it."""

    def __init__(
        self,
        client: Any,
        seed: str | None,
        name: str | None,
        user_id: str | None,
        given: Any,
        metadata: dict[str, Any],
    ) -> None:
        self._shared = _shared(client, name, user_id)
        trace_id = client.create_trace_id(seed=seed)
        with self._propagated():
            self._root = _start(
                client,
                "span",
                trace_context={"trace_id": trace_id},
                name=name or _UNNAMED,
                input=given,
                metadata=metadata,
            )
        self._update_trace(name=name, user_id=user_id, input=given, metadata=metadata)

    def span(self, *, name: str, input: Any, metadata: dict[str, Any] | None) -> ObservedSpan:  # noqa: A002  the name in Langfuse 2
        """Begin a span: a tool, where Langfuse knows of them."""
        with self._propagated():
            return ObservedSpan(
                _start(self._root, "tool", name=name, input=input, metadata=metadata)
            )

    def generation(self, *, usage: dict[str, int] | None, **fields: Any) -> None:
        """Record the call of a model, which is over."""
        details = {_USAGE.get(kind, kind): count for kind, count in (usage or {}).items()}
        with self._propagated():
            _start(self._root, "generation", usage_details=details or None, **fields).end()

    def event(self, **fields: Any) -> None:
        """Record something that happened at one moment."""
        with self._propagated():
            self._root.create_event(**fields)

    def update(self, *, output: Any, metadata: dict[str, Any] | None) -> None:
        """Add what is known later."""
        self._root.update(output=output, metadata=metadata)
        self._update_trace(output=output, metadata=metadata)

    def score(self, *, name: str, value: float, comment: str | None) -> None:
        """Give the trace a score."""
        self._root.score_trace(name=name, value=value, comment=comment)

    def end(self) -> None:
        """End the root: only now is it sent."""
        self._root.end()

    def _update_trace(self, **fields: Any) -> None:
        update = getattr(self._root, "update_trace", None)
        if update is not None:
            update(**{name: value for name, value in fields.items() if value is not None})

    def _propagated(self) -> contextlib.AbstractContextManager[Any]:
        """Return a block in which observations carry what belongs to the trace."""
        if not self._shared:
            return contextlib.nullcontext()
        from langfuse import propagate_attributes

        block: contextlib.AbstractContextManager[Any] = propagate_attributes(**self._shared)
        return block


class ObservedSpan:
    """A span of a trace."""

    def __init__(self, observation: Any) -> None:
        self._observation = observation

    def end(self, *, output: Any, level: str, status_message: str | None) -> None:
        """End it."""
        self._observation.update(output=output, level=level, status_message=status_message)
        self._observation.end()


def _shared(client: Any, name: str | None, user_id: str | None) -> dict[str, Any]:
    """Return what each observation of a trace has to carry: nothing before version 4."""
    if callable(getattr(client, "update_current_trace", None)):
        return {}
    wanted = {"trace_name": name, "user_id": user_id}
    return {key: str(value) for key, value in wanted.items() if value and _is_portable(str(value))}


def _is_portable(value: str) -> bool:
    return value.isascii() and len(value) <= _LONGEST


def _start(owner: Any, kind: str, **fields: Any) -> Any:
    """Begin an observation below a client or another observation."""
    start = getattr(owner, "start_observation", None)
    if start is not None:
        return start(as_type=kind, **fields)
    # Before version 3.3.1 there are two kinds, each with a method of its own.
    return (owner.start_generation if kind == "generation" else owner.start_span)(**fields)
