"""What the attributes of a span say, in whatever convention they were written.

Known are the GenAI semantic conventions of OpenTelemetry (the current ones and those before),
OpenInference (Arize, LlamaIndex, DSPy ...), OpenLLMetry (Traceloop), and the short names
(``llm.model``, ``ai.model``) of earlier instrumentations. The first name that is there wins.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = [
    "AGENT",
    "GENERIC",
    "LLM",
    "TOOL",
    "buckets",
    "conversation",
    "cost",
    "details",
    "first",
    "is_ai",
    "kind",
    "model",
    "provider",
    "terms",
    "tokens",
    "tool_name",
    "user",
]

LLM = "llm"
TOOL = "tool"
GENERIC = "generic"
AGENT = "agent"

PREFIXES = ("gen_ai.", "llm.", "ai.", "openai.", "anthropic.", "cohere.")
"""A span with an attribute that begins so is about AI; the documented list."""
_MARKS = ("openinference.span.kind", "traceloop.span.kind", "traceloop.entity.name")
_WORDS = frozenset(
    ("llm", "chat", "completion", "completions", "generate", "embed", "embedding", "embeddings")
)
# Spans of these say what they are: "GET /chat" is an HTTP request, whatever words are in it.
_OTHER_DOMAINS = ("http.", "url.", "db.", "rpc.", "messaging.", "faas.", "graphql.")

_MODEL = (
    "gen_ai.request.model",
    "llm.model",
    "ai.model",
    "model",
    "gen_ai.response.model",
    "llm.model_name",
    "llm.request.model",
    "llm.response.model",
    "embedding.model_name",
)
_VENDOR_PREFIXES = ("openai/", "anthropic/", "google/", "cohere/")
_PROVIDER = (
    "gen_ai.system",
    "gen_ai.provider.name",
    "llm.provider",
    "ai.provider",
    "llm.system",
    "llm.vendor",
)
_OPERATION = ("gen_ai.operation.name", "llm.operation", "llm.request.type")
_DECLARED_KIND = ("openinference.span.kind", "traceloop.span.kind")
_TOOL_NAME = ("gen_ai.tool.name", "tool.name")
_PROMPT_TOKENS = (
    "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.input_tokens",
    "llm.token_count.prompt",
    "llm.usage.prompt_tokens",
)
_COMPLETION_TOKENS = (
    "gen_ai.usage.completion_tokens",
    "gen_ai.usage.output_tokens",
    "llm.token_count.completion",
    "llm.usage.completion_tokens",
)
_TOTAL_TOKENS = (
    "gen_ai.usage.total_tokens",
    "llm.token_count.total",
    "llm.usage.total_tokens",
)
_CACHE_READ_TOKENS = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
)
_CACHE_WRITE_TOKENS = (
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "llm.token_count.prompt_details.cache_write",
)
_REASONING_TOKENS = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "llm.usage.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
)
_COST = (
    "llm.cost.total",
    "gen_ai.usage.cost",
    "gen_ai.usage.total_cost",
    "gen_ai.cost.total_cost",
    "operation.cost",
)
#: What the price depends on beside the tokens, by its name in the metadata of events.
_TERMS = {
    "response_model": ("gen_ai.response.model", "llm.response.model"),
    "service_tier": (
        "gen_ai.openai.response.service_tier",
        "openai.response.service_tier",
        "gen_ai.response.service_tier",
        "gen_ai.openai.request.service_tier",
        "openai.request.service_tier",
        "gen_ai.request.service_tier",
    ),
}
#: Names of frameworks in the place of a provider's.
_FRAMEWORKS = frozenset(("strands-agents", "strands", "pydantic-ai", "langchain", "autogen"))
_USER = ("enduser.id", "sentrial.user_id", "traceloop.association.properties.user_id")
_CONVERSATION = (
    "gen_ai.conversation.id",
    "conversation.id",
    "sentrial.convo_id",
    "session.id",
    "traceloop.association.properties.session_id",
    # Elsewhere the number of a thread of the operating system.
    "thread.id",
)

_KINDS = {
    # operations of the GenAI conventions and of OpenLLMetry
    **dict.fromkeys(
        (
            "chat",
            "completion",
            "text_completion",
            "generate",
            "generate_content",
            "embed",
            "embedding",
            "embeddings",
        ),
        LLM,
    ),
    **dict.fromkeys(("execute_tool", "tool"), TOOL),
    **dict.fromkeys(("invoke_agent", "create_agent", "invoke_workflow"), AGENT),
    # kinds of OpenInference (lower-cased) and of OpenLLMetry
    "llm": LLM,
    **dict.fromkeys(("retriever", "reranker", "guardrail", "evaluator"), TOOL),
    **dict.fromkeys(("agent", "workflow", "task", "chain", "prompt"), AGENT),
}


def first(attributes: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the first of these attributes that is there and not None."""
    for name in names:
        value = attributes.get(name)
        if value is not None:
            return value
    return None


def is_ai(name: str, attributes: Mapping[str, Any]) -> bool:
    """Tell whether a span is about AI: by its attributes, else by whole words of its name."""
    if any(key.startswith(PREFIXES) or key in _MARKS for key in attributes):
        return True
    if any(key.startswith(_OTHER_DOMAINS) for key in attributes):
        return False
    return bool(_WORDS & _words(name))


def kind(name: str, attributes: Mapping[str, Any]) -> str:
    """Tell what a span is: `LLM`, `TOOL`, `AGENT` or `GENERIC`.

    What it declares wins over what its attributes and, last, its name suggest. The usage that the
    span of an agent carries is the sum of the calls inside it, so it is not a call itself.
    """
    for declared in (first(attributes, _DECLARED_KIND), first(attributes, _OPERATION)):
        found = _KINDS.get(str(declared).lower())
        if found is not None:
            return found
    if model(attributes) is not None:
        return LLM
    if first(attributes, _TOOL_NAME) is not None:
        return TOOL
    words = _words(name)
    if "chat.completion" in name.lower() or words & {"llm", "generate"}:
        return LLM
    if "tool" in words:
        return TOOL
    return LLM if any(tokens(attributes)) else GENERIC


def _words(name: str) -> frozenset[str]:
    # Camel case and digits separate too: "ChatOpenAI.generate2" has the words chat and generate.
    spaced = "".join(
        " " + letter.lower() if letter.isupper() else letter if letter.isalpha() else " "
        for letter in name
    )
    plain = "".join(letter.lower() if letter.isalpha() else " " for letter in name)
    return frozenset(spaced.split()) | frozenset(plain.split())


def model(attributes: Mapping[str, Any]) -> str | None:
    """Return the model, without the name of a vendor in front of it."""
    value = first(attributes, _MODEL)
    if value is None or value == "":
        return None
    text = str(value)
    for prefix in _VENDOR_PREFIXES:
        if text.startswith(prefix):
            return text[len(prefix) :]
    return text


def provider(attributes: Mapping[str, Any]) -> str | None:
    """Return the provider in lower case, as the attributes name it."""
    value = first(attributes, _PROVIDER)
    name = str(value).lower() if value else None
    return None if name in _FRAMEWORKS else name


def terms(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the model that answered and the service tier, as the metadata of events name them."""
    found = {name: first(attributes, names) for name, names in _TERMS.items()}
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def tokens(attributes: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return the tokens of the prompt, of the completion and in total; 0 where unknown."""
    prompt = _count(first(attributes, _PROMPT_TOKENS))
    completion = _count(first(attributes, _COMPLETION_TOKENS))
    total = _count(first(attributes, _TOTAL_TOKENS))
    return prompt, completion, total or prompt + completion


def buckets(attributes: Mapping[str, Any]) -> dict[str, int]:
    """Return the tokens by price, none of them twice.

    The conventions count cached tokens as part of the prompt, and reasoning as part of the
    completion. Where the parts are more than the whole, the instrumentation has added them on top.
    """
    prompt, completion, _ = tokens(attributes)
    read = _count(first(attributes, _CACHE_READ_TOKENS))
    written = _count(first(attributes, _CACHE_WRITE_TOKENS))
    reasoning = _count(first(attributes, _REASONING_TOKENS))
    return {
        "input_tokens": prompt - read - written if read + written <= prompt else prompt,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "output_tokens": completion - reasoning if reasoning <= completion else completion,
        "reasoning_tokens": reasoning,
    }


def details(attributes: Mapping[str, Any]) -> dict[str, int]:
    """Return what the tokens consist of, under the names of events; only what is above zero."""
    counted = buckets(attributes)
    parts = ("cache_read", "cache_write", "reasoning")
    return {part: counted[f"{part}_tokens"] for part in parts if counted[f"{part}_tokens"]}


def cost(attributes: Mapping[str, Any]) -> float | None:
    """Return the cost in USD that the instrumentation itself has computed, if any."""
    value = _number(first(attributes, _COST))
    return value if value is not None and value >= 0 else None


def tool_name(name: str, attributes: Mapping[str, Any]) -> str:
    """Return the name of a tool: the attribute, else that of the span."""
    declared = first(attributes, (*_TOOL_NAME, "traceloop.entity.name"))
    return str(declared) if declared else name


def user(attributes: Mapping[str, Any], attribute: str) -> Any:
    """Return the end user: the configured attribute, else the usual ones."""
    return first(attributes, (attribute, *_USER))


def conversation(attributes: Mapping[str, Any]) -> str | None:
    """Return the conversation a span belongs to."""
    for name in _CONVERSATION:
        value = attributes.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def _count(value: Any) -> int:
    number = _number(value)
    return int(number) if number is not None and number > 0 else 0


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
