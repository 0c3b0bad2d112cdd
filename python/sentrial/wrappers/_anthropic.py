"""Anthropic's client, also for Bedrock and Vertex."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial.wrappers._calls import Method, wrapped, wrapped_helper
from sentrial.wrappers._openai_chat import identity
from sentrial.wrappers._record import Answer, Options, Request
from sentrial.wrappers._targets import Target, resource
from sentrial.wrappers._usage import of_anthropic
from sentrial.wrappers._values import arguments_of, kept, read, scalars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sentrial.wrappers._tracker import Accumulator

__all__ = ["class_targets", "targets"]

_PARAMETERS = frozenset(
    (
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "service_tier",
        "speed",
        "inference_geo",
        "stream",
    )
)
_TOOL_USES = ("tool_use", "server_tool_use", "mcp_tool_use")
_USAGE = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens_details",
    "cache_creation",
    "server_tool_use",
    "iterations",
    "service_tier",
    "speed",
    "inference_geo",
)
#: What the price depends on, beside the model.
_TERMS = ("service_tier", "speed", "inference_geo")


class Messages(Method):
    """`messages.create`, `parse` and `stream`, and the same of `beta.messages`."""

    def request(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:  # noqa: ARG002
        messages = kept(kwargs, "messages")
        system = kwargs.get("system")
        if isinstance(system, (str, list)) and system and isinstance(messages, (list, tuple)):
            messages = [{"role": "system", "content": system}, *messages]
        metadata = scalars(kwargs, _PARAMETERS)
        budget = read(kwargs.get("thinking"), "budget_tokens")
        if type(budget) is int:
            metadata["thinking_budget_tokens"] = budget
        model = kwargs.get("model")
        # Bedrock's names of models say by themselves where they run.
        return Request(
            "anthropic", model if isinstance(model, str) else "unknown", messages, metadata
        )

    def answer(self, response: Any, options: Options) -> Answer:
        usage = read(response, "usage")
        metadata = {**identity(response), **_terms(usage)}
        reason = read(response, "stop_reason")
        if reason is not None:
            metadata["finish_reason"] = reason
        blocks = read(response, "content")
        if not isinstance(blocks, (list, tuple)):
            blocks = ()
        content, fields = _told([_block(block) for block in blocks], options)
        parsed = read(response, "parsed_output")
        if parsed is not None:
            fields["parsed"] = parsed
        return Answer(content, of_anthropic(usage), fields, metadata)

    def accumulator(self, options: Options, *, injected: bool) -> Accumulator:  # noqa: ARG002
        return _Events(options)


def _terms(usage: Any) -> dict[str, str]:
    found = {name: read(usage, name) for name in _TERMS}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _block(block: Any) -> dict[str, Any]:
    return {
        "type": read(block, "type"),
        "text": read(block, "text"),
        "thinking": read(block, "thinking"),
        "id": read(block, "id"),
        "name": read(block, "name"),
        "input": read(block, "input"),
    }


def _told(blocks: list[dict[str, Any]], options: Options) -> tuple[str, dict[str, Any]]:
    """The text of an answer's blocks, and what else is in them."""
    texts, thoughts, calls = [], [], []
    for block in blocks:
        if isinstance(block["text"], str):
            texts.append(block["text"])
        if isinstance(block["thinking"], str):
            thoughts.append(block["thinking"])
        if block["type"] in _TOOL_USES:
            calls.append({"id": block["id"], "name": block["name"], "arguments": block["input"]})
    fields: dict[str, Any] = {}
    if calls:
        fields["tool_calls"] = calls
    if any(thoughts) and options.thinking:
        fields["thinking"] = "\n".join(thoughts)
    return "".join(texts), fields


class _Events:
    """Puts an answer together from the events of a stream."""

    def __init__(self, options: Options) -> None:
        self.has_content = False
        self._options = options
        self._metadata: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._usage: dict[str, Any] = {}
        self._parsed: Any = None

    def add(self, piece: Any) -> bool:
        """Take one event; none is hidden."""
        kind = getattr(piece, "type", None)
        if kind == "content_block_delta":
            self.has_content = True
            self._take_delta(piece.index, piece.delta)
        elif kind == "content_block_start":
            block = _block(piece.content_block)
            block["input"] = [] if block["type"] in _TOOL_USES else None
            block["parts"] = {"text": [block["text"] or ""], "thinking": [block["thinking"] or ""]}
            self._blocks[piece.index] = block
        elif kind == "message_start":
            self._metadata = identity(piece.message)
            self._take_usage(read(piece.message, "usage"))
        elif kind == "message_delta":
            self._take_usage(read(piece, "usage"))
            reason = read(piece.delta, "stop_reason")
            if reason is not None:
                self._metadata["finish_reason"] = reason
        elif kind == "message_stop":
            self._parsed = read(read(piece, "message"), "parsed_output")
        return False

    def _take_delta(self, index: int, delta: Any) -> None:
        block = self._blocks.get(index)
        if block is None:
            return
        kind = getattr(delta, "type", None)
        if kind == "text_delta":
            block["parts"]["text"].append(delta.text)
        elif kind == "input_json_delta":
            if block["input"] is not None:
                block["input"].append(delta.partial_json)
        elif kind == "thinking_delta":
            block["parts"]["thinking"].append(delta.thinking)

    def _take_usage(self, usage: Any) -> None:
        for name in _USAGE:
            value = read(usage, name)
            if value is not None:
                self._usage[name] = value

    def answer(self) -> Answer:
        """Give what has been seen so far."""
        blocks = []
        for _, block in sorted(self._blocks.items()):
            parts = block["parts"]
            blocks.append(
                {
                    **block,
                    "text": "".join(parts["text"]) if block["type"] == "text" else None,
                    "thinking": "".join(parts["thinking"]) or None,
                    "input": None
                    if block["input"] is None
                    else arguments_of("".join(block["input"]) or "{}"),
                }
            )
        content, fields = _told(blocks, self._options)
        if self._parsed is not None:
            fields["parsed"] = self._parsed
        usage = of_anthropic(self._usage) if self._usage else None
        metadata = {**self._metadata, **_terms(self._usage)}
        return Answer(content, usage, fields, metadata)


_MESSAGES = Messages()
_PATHS = ("messages", "beta.messages")
_MODULES = (
    ("anthropic.resources.messages", "Messages"),
    ("anthropic.resources.beta.messages", "Messages"),
)


def targets(client: Any, options: Options) -> Iterator[Target]:
    """Give the methods of a client that are wrapped."""
    for path in _PATHS:
        owner = resource(client, path)
        if owner is not None:
            yield from _of(owner, options, bound=True)


def class_targets(options: Options) -> Iterator[Target]:
    """Give the methods of the package's classes that are wrapped."""
    import importlib

    for module, name in _MODULES:
        try:
            found = importlib.import_module(module)
        except ImportError:
            continue
        for cls in (getattr(found, name, None), getattr(found, f"Async{name}", None)):
            if cls is not None:
                yield from _of(cls, options, bound=False)


def _of(owner: Any, options: Options, *, bound: bool) -> Iterator[Target]:
    for name in ("create", "parse"):
        yield Target(
            owner, name, lambda f: wrapped(f, _MESSAGES, options, bound=bound, owner=owner)
        )
    yield Target(
        owner,
        "stream",
        lambda f: wrapped_helper(f, _MESSAGES, options, bound=bound, owner=owner, inner=False),
    )
