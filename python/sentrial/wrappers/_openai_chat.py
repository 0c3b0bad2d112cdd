"""Answers of the chat completions API, and of the older completions API, whole and streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial.wrappers._record import Answer
from sentrial.wrappers._usage import of_openai
from sentrial.wrappers._values import arguments_of, fields_of, is_text, items_of, read

if TYPE_CHECKING:
    from sentrial.wrappers._record import Options

__all__ = ["Chunks", "answer", "answer_of_text", "identity"]

#: Where compatible servers put what the model thought.
_THINKING = ("reasoning_content", "reasoning")


def identity(response: Any) -> dict[str, Any]:
    """Which answer it is, for the metadata."""
    return _identity(fields_of(response), response)


def _identity(fields: Any, response: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if is_text(value := fields.get("id")):
        found["response_id"] = value
    if is_text(value := fields.get("model")):
        found["response_model"] = value
    if is_text(value := fields.get("service_tier")):
        found["service_tier"] = value
    # No field of the class: the client sets it, on some answers.
    value = fields.get("_request_id") or read(response, "_request_id")
    if is_text(value):
        found["request_id"] = value
    return found


def answer(response: Any, options: Options) -> Answer:
    """Read a `ChatCompletion`, a parsed one, or its JSON."""
    read_from = fields_of(response)
    metadata = _identity(read_from, response)
    choices = items_of(read_from.get("choices"))
    usage = of_openai(read_from.get("usage"))
    if not choices:
        return Answer("", usage, {}, metadata)
    told = [_choice(choice, options) for choice in choices]
    content, fields, reason = told[0]
    if reason is not None:
        metadata["finish_reason"] = reason
    if len(told) > 1:
        fields["choices"] = [
            {"index": index, "content": text, "finish_reason": why, **others}
            for index, (text, others, why) in enumerate(told)
        ]
    return Answer(content, usage, fields, metadata)


def answer_of_text(response: Any) -> Answer:
    """Read a `Completion` of the older API."""
    metadata = identity(response)
    texts = []
    for choice in read(response, "choices") or ():
        texts.append(read(choice, "text") or "")
        reason = read(choice, "finish_reason")
        if reason is not None:
            metadata.setdefault("finish_reason", reason)
    fields = {"choices": texts} if len(texts) > 1 else None
    content = texts[0] if texts else ""
    return Answer(content, of_openai(read(response, "usage")), fields, metadata)


def _choice(choice: Any, options: Options) -> tuple[Any, dict[str, Any], Any]:
    about = fields_of(choice)
    message = fields_of(about.get("message"))
    get = message.get
    fields: dict[str, Any] = {}
    calls = items_of(get("tool_calls"))
    if calls:
        fields["tool_calls"] = [_tool_call(call) for call in calls]
    legacy = get("function_call")
    if legacy is not None and read(legacy, "name") is not None:
        fields.setdefault("tool_calls", []).append(_function(None, legacy))
    refusal = get("refusal")
    if is_text(refusal):
        fields["refusal"] = refusal
    if options.thinking:
        for name in _THINKING:
            thinking = get(name)
            if is_text(thinking):
                if thinking:
                    fields["thinking"] = thinking
                break
    parsed = get("parsed")
    if parsed is not None:
        fields["parsed"] = parsed
    audio = get("audio")
    if audio is not None and read(audio, "transcript") is not None:
        fields["audio"] = {"id": read(audio, "id"), "transcript": read(audio, "transcript")}
    content = get("content")
    return ("" if content is None else content), fields, about.get("finish_reason")


def _tool_call(call: Any) -> dict[str, Any]:
    function = read(call, "function")
    if function is not None:
        return _function(read(call, "id"), function)
    custom = read(call, "custom")
    return {
        "id": read(call, "id"),
        "name": read(custom, "name"),
        "arguments": read(custom, "input"),
    }


def _function(call_id: Any, function: Any) -> dict[str, Any]:
    arguments = arguments_of(read(function, "arguments"))
    return {"id": call_id, "name": read(function, "name"), "arguments": arguments}


class _Choice:
    """What a stream has told of one choice."""

    __slots__ = ("calls", "finish_reason", "parts", "refusal", "thinking")

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.thinking: list[str] = []
        self.refusal: list[str] = []
        self.calls: dict[int, dict[str, Any]] = {}
        self.finish_reason: Any = None

    def told(self, options: Options) -> tuple[str, dict[str, Any], Any]:
        fields: dict[str, Any] = {}
        if self.calls:
            fields["tool_calls"] = [
                {**call, "arguments": arguments_of("".join(call["arguments"]))}
                for _, call in sorted(self.calls.items())
            ]
        if self.refusal:
            fields["refusal"] = "".join(self.refusal)
        if self.thinking and options.thinking:
            fields["thinking"] = "".join(self.thinking)
        return "".join(self.parts), fields, self.finish_reason


class Chunks:
    """Puts an answer together from the chunks of a stream of either API."""

    def __init__(self, options: Options, *, hide_usage: bool) -> None:
        self.has_content = False
        self._options = options
        self._hide_usage = hide_usage
        self._choices: dict[int, _Choice] = {}
        self._usage: Any = None
        self._last: Any = None
        self._tier: Any = None

    def add(self, piece: Any) -> bool:
        """Take one chunk; the one that only tells the usage is hidden if we asked for it."""
        self._last = piece
        usage = getattr(piece, "usage", None)
        if usage is not None:
            self._usage = usage
        self._tier = getattr(piece, "service_tier", None) or self._tier
        choices = getattr(piece, "choices", None)
        if not choices:
            return self._hide_usage and usage is not None and choices is not None
        for choice in choices:
            self._take(choice)
        return False

    def _take(self, choice: Any) -> None:
        index = getattr(choice, "index", 0)
        seen = self._choices.get(index)
        if seen is None:
            seen = self._choices[index] = _Choice()
        reason = getattr(choice, "finish_reason", None)
        if reason is not None:
            seen.finish_reason = reason
        delta = getattr(choice, "delta", None)
        text = getattr(choice, "text", None) if delta is None else getattr(delta, "content", None)
        if text:
            self.has_content = True
            seen.parts.append(text)
        elif delta is not None:
            self._take_other(seen, delta)

    def _take_other(self, seen: _Choice, delta: Any) -> None:
        """Pieces without text: tool calls, refusals, thoughts."""
        for call in getattr(delta, "tool_calls", None) or ():
            self.has_content = True
            _add_call(seen.calls, getattr(call, "index", 0), call, getattr(call, "function", None))
        legacy = getattr(delta, "function_call", None)
        if legacy is not None:
            self.has_content = True
            _add_call(seen.calls, 0, None, legacy)
        refusal = getattr(delta, "refusal", None)
        if refusal:
            self.has_content = True
            seen.refusal.append(refusal)
        for name in _THINKING:
            thought = read(delta, name)
            if isinstance(thought, str) and thought:
                self.has_content = True
                seen.thinking.append(thought)
                break

    def answer(self) -> Answer:
        """Give what has been seen so far."""
        metadata = identity(self._last) if self._last is not None else {}
        if is_text(self._tier):
            metadata["service_tier"] = self._tier
        told = [(index, choice.told(self._options)) for index, choice in self._choices.items()]
        told.sort(key=lambda item: item[0])
        if not told:
            return Answer("", of_openai(self._usage), None, metadata)
        content, fields, reason = told[0][1]
        if reason is not None:
            metadata["finish_reason"] = reason
        if len(told) > 1:
            fields["choices"] = [
                {"index": index, "content": text, "finish_reason": why, **others}
                for index, (text, others, why) in told
            ]
        return Answer(content, of_openai(self._usage), fields, metadata)


def _add_call(calls: dict[int, dict[str, Any]], index: int, call: Any, function: Any) -> None:
    known = calls.setdefault(index, {"id": None, "name": None, "arguments": []})
    if call is not None and getattr(call, "id", None):
        known["id"] = call.id
    name = getattr(function, "name", None)
    if name:
        known["name"] = name
    arguments = getattr(function, "arguments", None)
    if arguments:
        known["arguments"].append(arguments)
