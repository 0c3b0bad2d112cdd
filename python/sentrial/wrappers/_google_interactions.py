"""Gemini's Interactions API: `client.interactions.create`, whole and streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial.wrappers import _google_answers as google
from sentrial.wrappers._calls import Method, wrapped
from sentrial.wrappers._record import Answer, Options, Request
from sentrial.wrappers._targets import Target
from sentrial.wrappers._usage import Usage, split
from sentrial.wrappers._values import arguments_of, items_of, kept, read, scalars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sentrial.wrappers._tracker import Accumulator

__all__ = ["targets_of"]

_PARAMETERS = frozenset(
    ("stream", "background", "service_tier", "previous_interaction_id", "store")
)
_CALLS = ("function_call", "mcp_server_tool_call")
#: Steps of tools that Google runs and bills by the request.
_SEARCHES = ("google_search_call",)
_UNFINISHED = ("in_progress", "queued")


class Interactions(Method):
    """`interactions.create`."""

    def request(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:  # noqa: ARG002
        given = kept(kwargs, "input")
        messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
        system = kwargs.get("system_instruction")
        if isinstance(system, str) and isinstance(messages, (list, tuple)):
            messages = [{"role": "system", "content": system}, *messages]
        name = kwargs.get("model") or kwargs.get("agent")
        return Request("google", google.model_name(name), messages, scalars(kwargs, _PARAMETERS))

    def answer(self, response: Any, options: Options) -> Answer | None:
        return _answer(response, options)

    def accumulator(self, options: Options, *, injected: bool) -> Accumulator:  # noqa: ARG002
        return _Events(options)


def _answer(response: Any, options: Options) -> Answer:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    searches = 0
    for step in items_of(read(response, "steps") or read(response, "outputs")):
        kind = read(step, "type")
        if kind in ("model_output", "text"):
            parts = items_of(read(step, "content")) or (step,)
            texts += [text for part in parts if isinstance(text := read(part, "text"), str)]
        elif kind == "thought":
            parts = items_of(read(step, "summary"))
            thoughts += [text for part in parts if isinstance(text := read(part, "text"), str)]
        elif kind in _CALLS:
            arguments = arguments_of(read(step, "arguments"))
            calls.append(
                {"id": read(step, "id"), "name": read(step, "name"), "arguments": arguments}
            )
        elif kind in _SEARCHES:
            searches += 1
    fields: dict[str, Any] = {}
    if calls:
        fields["tool_calls"] = calls
    if thoughts and options.thinking:
        fields["thinking"] = "\n".join(thoughts)
    usage = _usage(read(response, "usage"), searches)
    return Answer("".join(texts), usage, fields, _metadata(response))


def _metadata(response: Any) -> dict[str, Any]:
    told = {
        "response_id": read(response, "id"),
        "response_model": read(response, "model"),
        "service_tier": read(response, "service_tier"),
        "finish_reason": read(response, "status"),
    }
    return {name: value for name, value in told.items() if isinstance(value, str)}


def _usage(usage: Any, searches: int) -> Usage | None:
    """Cached tokens are part of the input; thoughts and what tools gave back come beside."""
    if usage is None:
        return None

    def count(name: str) -> int:
        found = read(usage, name)
        return found if type(found) is int and found > 0 else 0

    given, cached = split(count("total_input_tokens"), count("total_cached_tokens"))
    return Usage(
        input_tokens=given + count("total_tool_use_tokens"),
        cache_read_tokens=cached,
        output_tokens=count("total_output_tokens"),
        reasoning_tokens=count("total_thought_tokens") or count("total_reasoning_tokens"),
        total_tokens=count("total_tokens"),
        tool_requests={"web_search": searches} if searches else None,
    )


class _Events:
    """Puts an interaction together from the events of a stream."""

    def __init__(self, options: Options) -> None:
        self.has_content = False
        self._options = options
        self._texts: list[str] = []
        self._response: Any = None

    def add(self, piece: Any) -> bool:
        """Take one event; none is hidden."""
        response = read(piece, "interaction")
        if response is not None:
            self._response = response
        text = read(read(piece, "delta"), "text")
        if isinstance(text, str):
            self.has_content = True
            self._texts.append(text)
        return False

    def answer(self) -> Answer:
        """Give the finished answer, or the text seen so far."""
        answer = _answer(self._response, self._options)
        return answer if answer.content else answer._replace(content="".join(self._texts))


_INTERACTIONS = Interactions()


def targets_of(owner: Any, options: Options, *, bound: bool) -> Iterator[Target]:
    """Give the method that is wrapped."""
    yield Target(
        owner, "create", lambda f: wrapped(f, _INTERACTIONS, options, bound=bound, owner=owner)
    )
