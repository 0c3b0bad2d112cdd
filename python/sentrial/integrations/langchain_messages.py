"""What LangChain's objects say, as plain values: messages, texts, usage, models.

Nothing is assumed to be there: a missing attribute, a None content or an unknown kind of message
reads as empty or as text.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sentrial.integrations.base import count, text_of
from sentrial.integrations.usage import of_parts
from sentrial.wrappers import Usage
from sentrial.wrappers._usage import of_anthropic, of_openai

__all__ = [
    "Answer",
    "answer_of",
    "content_text",
    "plain_messages",
    "provider_and_model",
    "tool_output",
]

_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}


class Answer(NamedTuple):
    """What an `LLMResult` says.

    Attributes:
        text: The text of the first generation.
        tool_calls: The tools that the model asks for.
        model: The model that answered, if the result names it.
        provider: Its provider, if the result names it.
        usage: What it used; nothing in it if nothing is said.
        metadata: The model that answered and the terms that the price depends on.
        cached: Whether LangChain has answered from its own cache.
    """

    text: str
    tool_calls: list[Any]
    model: str | None
    provider: str | None
    usage: Usage
    metadata: dict[str, Any]
    cached: bool = False


#: What the price depends on, beside the model.
_TERMS = ("service_tier", "speed", "inference_geo")


def answer_of(response: Any) -> Answer:
    """Read an `LLMResult`."""
    output = _mapping(getattr(response, "llm_output", None))
    generations = [g for row in getattr(response, "generations", None) or () for g in row]
    first = generations[0] if generations else None
    message = getattr(first, "message", None)
    about = _mapping(getattr(message, "response_metadata", None))
    info = _mapping(getattr(first, "generation_info", None))
    raw = _mapping(about.get("usage") or about.get("token_usage"))
    raw = raw or _mapping(output.get("token_usage") or output.get("usage"))
    standard = _mapping(getattr(message, "usage_metadata", None))
    usage, cached = _usage(output, generations, raw), standard.get("total_cost") == 0
    model = _first_text(about.get("model_name"), about.get("model"), output.get("model_name"))
    terms = {
        name: _first_text(about.get(name), output.get(name), info.get(name), raw.get(name))
        for name in _TERMS
    }
    terms["service_tier"] = terms["service_tier"] or _tier(standard)
    terms["response_model"] = model
    return Answer(
        text=_generated_text(first),
        tool_calls=list(getattr(message, "tool_calls", None) or ()),
        model=_first_text(
            output.get("model_name"),
            output.get("model"),
            info.get("model_name"),
            about.get("model_name"),
            about.get("model"),
        ),
        provider=_first_text(about.get("model_provider")),
        usage=Usage() if cached else usage,
        metadata={name: value for name, value in terms.items() if value},
        cached=cached,
    )


def _usage(output: dict[str, Any], generations: list[Any], raw: dict[str, Any]) -> Usage:
    for generation in generations:
        message = getattr(generation, "message", None)
        found = _mapping(getattr(message, "usage_metadata", None))
        if found:
            return _with_bill(_standard_usage(found), raw)
    for name in ("token_usage", "usage"):
        found = _mapping(output.get(name))
        if found:
            # As the provider gave it: Anthropic counts its cache beside the input.
            beside = any(key.startswith("cache_") for key in found)
            return (of_anthropic(found) if beside else of_openai(found)) or Usage()
    return Usage()


def _with_bill(usage: Usage, raw: dict[str, Any]) -> Usage:
    """Add what only the provider's own usage says: tools it ran, and what it bills."""
    beside = of_anthropic(raw) if "server_tool_use" in raw else of_openai(raw)
    if beside is None:
        return usage
    return usage._replace(tool_requests=beside.tool_requests, cost=beside.cost)


#: ChatOpenAI puts the tier before the names of the details.
_TIERS = ("flex", "priority")


def _tier(found: dict[str, Any]) -> str | None:
    into = _mapping(found.get("input_token_details"))
    return next((tier for tier in _TIERS if tier in into), None)


def _detail(details: dict[str, Any], name: str) -> int:
    names = (name, *(f"{tier}_{name}" for tier in _TIERS))
    return next((found for given in names if (found := count(details.get(given)))), 0)


def _standard_usage(found: dict[str, Any]) -> Usage:
    """Read LangChain's own `UsageMetadata`, whose details are parts of the two counts."""
    into = _mapping(found.get("input_token_details"))
    out_of = _mapping(found.get("output_token_details"))
    return of_parts(
        prompt=count(found.get("input_tokens")),
        completion=count(found.get("output_tokens")),
        cache_read=_detail(into, "cache_read"),
        # ChatAnthropic gives the writes by how long they are kept, or as one count.
        cache_write=_detail(into, "cache_creation") or count(into.get("ephemeral_5m_input_tokens")),
        cache_write_1h=count(into.get("ephemeral_1h_input_tokens")),
        input_audio=count(into.get("audio")),
        reasoning=_detail(out_of, "reasoning"),
        output_audio=count(out_of.get("audio")),
    )


def _generated_text(generation: Any) -> str:
    message = getattr(generation, "message", None)
    if message is not None:
        return content_text(getattr(message, "content", None))
    return content_text(getattr(generation, "text", None))


def content_text(content: Any) -> str:
    """Return the text of a message's content: itself, or that of its parts."""
    if isinstance(content, (list, tuple)):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        return "".join(part for part in parts if isinstance(part, str))
    return "" if content is None else text_of(content)


def plain_messages(messages: Any) -> list[Any]:
    """Return messages as dicts with ``role`` and ``content``."""
    if isinstance(messages, (list, tuple)) and messages and isinstance(messages[0], (list, tuple)):
        messages = messages[0]
    if isinstance(messages, (list, tuple)):
        return [_plain_message(message) for message in messages]
    return [] if messages is None else [_plain_message(messages)]


def _plain_message(message: Any) -> Any:
    if isinstance(message, dict):
        return message
    if isinstance(message, str):
        return {"role": "user", "content": message}
    kind = getattr(message, "role", None) or getattr(message, "type", None)
    plain = {
        "role": _ROLES.get(kind, kind) if isinstance(kind, str) else type(message).__name__,
        "content": getattr(message, "content", None) if kind else text_of(message),
    }
    for name in ("name", "tool_calls", "tool_call_id"):
        value = getattr(message, name, None)
        if value:
            plain[name] = value
    return plain


def tool_output(output: Any) -> tuple[str, str | None]:
    """Return the text of a tool's output, and what failed, if it says so."""
    content = getattr(output, "content", None)
    text = (
        output if isinstance(output, str) else content_text(output if content is None else content)
    )
    return text, text if getattr(output, "status", None) == "error" else None


def provider_and_model(serialized: Any, kwargs: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the provider and the model of a call, as far as its start says."""
    metadata = _mapping(kwargs.get("metadata"))
    params = _mapping(kwargs.get("invocation_params"))
    given = _mapping(_mapping(serialized).get("kwargs"))
    kind = _first_text(params.get("_type"))
    provider = _first_text(metadata.get("ls_provider"), kind.split("-")[0] if kind else None)
    names = [
        metadata.get("ls_model_name"),
        *(holder.get(name) for holder in (params, given) for name in ("model", "model_name")),
    ]
    return provider, _first_text(*names)


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    # Usage and the like come as objects of pydantic in some versions.
    fields = getattr(value, "model_dump", None)
    found = fields() if callable(fields) else None
    return found if isinstance(found, dict) else {}


def _first_text(*values: Any) -> str | None:
    return next((value for value in values if isinstance(value, str) and value), None)
