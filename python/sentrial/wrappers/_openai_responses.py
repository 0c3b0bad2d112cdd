"""Answers of the responses API, whole and streamed."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from sentrial.wrappers._openai_chat import identity
from sentrial.wrappers._record import Answer
from sentrial.wrappers._usage import of_openai
from sentrial.wrappers._values import arguments_of, read

if TYPE_CHECKING:
    from sentrial.wrappers._record import Options, Request

__all__ = ["Background", "Events", "answer"]

_UNFINISHED = ("queued", "in_progress")
#: Background responses that are remembered at most.
_MOST = 1000

#: Items of tools that cost something beside their tokens.
_BILLED_TOOLS = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
}
_TERMINAL = ("response.completed", "response.failed", "response.incomplete")


def answer(response: Any, options: Options) -> Answer:
    """Read a `Response`, a parsed one, or its JSON."""
    seen = _Items()
    for item in read(response, "output") or ():
        seen.add(item)
    fields = seen.fields(options)
    parsed = read(response, "output_parsed")
    if parsed is not None:
        fields["parsed"] = parsed
    usage = of_openai(read(response, "usage"), seen.tool_requests)
    return Answer("".join(seen.texts), usage, fields, _metadata(response))


class Background:
    """Responses that the provider works on in the background: each is recorded once.

    It is known by its id from the call that has asked for it to the first look at its end.
    """

    def __init__(self) -> None:
        self._asked: OrderedDict[str, Request] = OrderedDict()

    def begun(self, response: Any, request: Request) -> bool:
        """Note a response that is not finished; False for one that is."""
        key = read(response, "id")
        if read(response, "status") not in _UNFINISHED or not isinstance(key, str):
            return False
        self._asked[key] = request
        if len(self._asked) > _MOST:
            self._asked.popitem(last=False)
        return True

    def request(self, key: object) -> Request | None:
        """Return what was asked for, if it has not been recorded yet."""
        return self._asked.get(key) if isinstance(key, str) else None

    def ended(self, response: Any) -> bool:
        """Tell whether this is the first look at a finished response, and forget it."""
        if read(response, "status") in _UNFINISHED:
            return False
        return self._asked.pop(read(response, "id"), None) is not None


class _Items:
    """What the items of an answer say."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._refusals: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._others: list[str] = []
        #: Tools that the provider ran and bills beside the tokens.
        self.tool_requests: dict[str, int] = {}

    def add(self, item: Any) -> None:
        kind = read(item, "type")
        if kind == "message":
            for part in read(item, "content") or ():
                self.texts.append(read(part, "text") or "")
                self._refusals.append(read(part, "refusal") or "")
        elif kind == "reasoning":
            parts = [*(read(item, "summary") or ()), *(read(item, "content") or ())]
            self._thoughts += [read(part, "text") or "" for part in parts]
        elif kind in ("function_call", "custom_tool_call"):
            arguments = arguments_of(read(item, "arguments", read(item, "input")))
            self._calls.append(
                {"id": read(item, "call_id"), "name": read(item, "name"), "arguments": arguments}
            )
        elif isinstance(kind, str):
            self._others.append(kind)
            tool = _BILLED_TOOLS.get(kind)
            if tool and read(read(item, "action"), "type") in (None, "search"):
                self.tool_requests[tool] = self.tool_requests.get(tool, 0) + 1

    def fields(self, options: Options) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if self._calls:
            fields["tool_calls"] = self._calls
        if any(self._refusals):
            fields["refusal"] = "".join(self._refusals)
        if any(self._thoughts) and options.thinking:
            fields["thinking"] = "\n".join(self._thoughts)
        if self._others:
            fields["other_items"] = self._others
        return fields


def _metadata(response: Any) -> dict[str, Any]:
    metadata = identity(response)
    status = read(response, "status")
    reason = read(read(response, "incomplete_details"), "reason") or status
    if isinstance(reason, str):
        metadata["finish_reason"] = reason
    return metadata


class Events:
    """Puts an answer together from the events of a stream."""

    def __init__(self, options: Options, resumed: Background | None = None) -> None:
        self.has_content = False
        #: Where the response is known, if the stream resumes one.
        self._resumed = resumed
        self._options = options
        self._parts: list[str] = []
        self._response: Any = None
        self._complete = False

    def add(self, piece: Any) -> bool:
        """Take one event; none is hidden."""
        kind = getattr(piece, "type", "")
        if kind == "response.output_text.delta":
            self.has_content = True
            self._parts.append(piece.delta)
        elif kind in _TERMINAL:
            self._response = piece.response
            self._complete = True
        elif kind == "response.created":
            self._response = piece.response
        elif not self.has_content and kind.endswith(".delta"):
            self.has_content = True
        return False

    def answer(self) -> Answer | None:
        """Give the finished answer, or the text seen; None for what is recorded elsewhere."""
        if self._resumed is not None and not self._resumed.ended(self._response):
            return None
        if self._complete:
            return answer(self._response, self._options)
        metadata = identity(self._response) if self._response is not None else {}
        return Answer("".join(self._parts), None, None, metadata)
