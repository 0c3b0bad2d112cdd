"""The content of a span: messages, and what tools were given and returned.

One attribute holds it as JSON or text, or many attributes hold it flattened
(``gen_ai.prompt.0.role``), or an event of the span holds it.
"""

from __future__ import annotations

from sentrial.integrations.otel_attributes import first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = ["input_messages", "output_messages", "tool_input", "tool_output", "whole_text"]

_INPUT = ("gen_ai.prompt", "gen_ai.prompt_json", "gen_ai.input.messages", "llm.input")
_OUTPUT = ("gen_ai.completion", "gen_ai.completion_json", "gen_ai.output.messages", "llm.output")
_INPUT_FLAT = ("gen_ai.prompt.", "llm.prompts.", "llm.input_messages.")
_OUTPUT_FLAT = ("gen_ai.completion.", "llm.completions.", "llm.output_messages.")
_SYSTEM = ("gen_ai.system_instructions",)
_ANY_INPUT = ("input.value", "traceloop.entity.input")
_ANY_OUTPUT = ("output.value", "traceloop.entity.output")
_TOOL_INPUT = ("gen_ai.tool.call.arguments", "tool.parameters", "tool_arguments", *_ANY_INPUT)
_TOOL_OUTPUT = ("gen_ai.tool.call.result", "tool_response", *_ANY_OUTPUT)
#: Events that hold one message each, and whose it is.
_MESSAGE_EVENTS = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE_EVENTS = {"gen_ai.choice": "assistant"}
_DEPTH = 16
_DIGITS = 6
# OpenInference puts each item of a list into an object of one member.
_WRAPPERS = frozenset(("message", "message_content", "tool_call", "document"))


def input_messages(attributes: Mapping[str, Any], events: Iterable[Any]) -> Any:
    """Return what a model was given: usually a list of messages; None if it is not recorded."""
    found = _messages(attributes, events, _INPUT, _INPUT_FLAT, _ANY_INPUT, "user")
    if found is None:
        found = _of_events(events, _MESSAGE_EVENTS)
    system = first(attributes, _SYSTEM)
    if system is not None and isinstance(found, (list, type(None))):
        return [{"role": "system", "content": parsed(system)}, *(found or ())]
    return found


def output_messages(attributes: Mapping[str, Any], events: Iterable[Any]) -> Any:
    """Return what a model answered: usually a list of messages; None if it is not recorded."""
    found = _messages(attributes, events, _OUTPUT, _OUTPUT_FLAT, _ANY_OUTPUT, "assistant")
    return _of_events(events, _CHOICE_EVENTS) if found is None else found


def _structured(value: Any) -> Any:
    """Return what a JSON object or list says; other text, also of a number, as it is."""
    return parsed(value) if isinstance(value, str) and value[:1] in ("{", "[") else value


def _of_events(events: Iterable[Any], roles: Mapping[str, str]) -> list[Any] | None:
    """Return the messages that events hold, one each."""
    found = []
    for event in events:
        role = roles.get(event.name)
        if role is not None:
            said = {k: _structured(value) for k, value in dict(event.attributes or {}).items()}
            message = said.pop("message", None)
            inner = message if isinstance(message, dict) else {"content": message}
            shown = {} if message is None else inner
            found.append({"role": role, **said, **shown})
    return found or None


def _messages(
    attributes: Mapping[str, Any],
    events: Iterable[Any],
    names: tuple[str, ...],
    flat: tuple[str, ...],
    otherwise: tuple[str, ...],
    role: str,
) -> Any:
    value = first(attributes, names)
    if value is not None:
        return _as_messages(value, role)
    listed = _unflattened(attributes, flat)
    if listed:
        return listed
    value = first(attributes, otherwise)
    if value is not None:
        return _as_messages(value, role)
    for event in events:
        value = first(getattr(event, "attributes", None) or {}, names)
        if value is not None:
            return _as_messages(value, role)
    return None


def _as_messages(value: Any, role: str) -> Any:
    read = parsed(value)
    if read is None or read == "":
        return None
    return [{"role": role, "content": read}] if isinstance(read, str) else read


def tool_input(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the arguments of a tool, if they are recorded."""
    return _object(first(attributes, _TOOL_INPUT), "input")


def tool_output(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the result of a tool, if it is recorded."""
    return _object(first(attributes, _TOOL_OUTPUT), "result")


def _object(value: Any, wrapper: str) -> dict[str, Any] | None:
    if value is None:
        return None
    read = parsed(value)
    return read if isinstance(read, dict) else {wrapper: read}


def whole_text(attributes: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return what a whole piece of work was asked and what it answered, as text."""
    return _text(first(attributes, _ANY_INPUT)), _text(first(attributes, _ANY_OUTPUT))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def parsed(value: Any) -> Any:
    """Return what a JSON text says; any other value as it is."""
    if not isinstance(value, str):
        return value
    import json

    try:
        return json.loads(value)
    # Deeply nested text exhausts the parser; a huge number its digit limit (a ValueError).
    except (ValueError, RecursionError):
        return value


def _unflattened(attributes: Mapping[str, Any], prefixes: tuple[str, ...]) -> list[Any]:
    """Build the list that attributes like ``prefix0.role`` describe."""
    tree: dict[str, Any] = {}
    for prefix in prefixes:
        for key, value in attributes.items():
            rest = key[len(prefix) :]
            if key.startswith(prefix) and rest[:1].isdigit():
                _plant(tree, rest.split(".", _DEPTH), value)
        if tree:
            break
    grown = _grown(tree)
    return grown if isinstance(grown, list) else []


def _plant(tree: dict[str, Any], path: list[str], value: Any) -> None:
    *parents, leaf = path
    for part in parents:
        branch = tree.setdefault(part, {})
        if not isinstance(branch, dict):
            return
        tree = branch
    tree.setdefault(leaf, value)


def _grown(node: Any) -> Any:
    """Turn dicts whose keys are numbers into lists, and unwrap objects that only wrap."""
    if not isinstance(node, dict) or not node:
        return node
    if all(_is_index(key) for key in node):
        return [_grown(node[key]) for key in sorted(node, key=int)]
    if len(node) == 1:
        ((key, only),) = node.items()
        if key in _WRAPPERS:
            return _grown(only)
    return {key: _grown(value) for key, value in node.items()}


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) <= _DIGITS
