"""What a call used, in buckets that do not overlap, and how each provider's figures become that.

Providers count differently: for OpenAI and Google, cached tokens are part of the prompt tokens, for
Anthropic they come on top; OpenAI counts reasoning as part of the output, Google beside it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from sentrial.wrappers._values import fields_of, items_of, read

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Usage", "of_anthropic", "of_google", "of_openai", "split"]


class Usage(NamedTuple):
    """Tokens of one call. No token is in two buckets.

    Attributes:
        input_tokens: Read by the model as text, neither from nor into a cache.
        cache_read_tokens: Read from the provider's cache.
        cache_write_tokens: Written into the provider's cache.
        output_tokens: Written by the model for the caller.
        reasoning_tokens: Written by the model for itself, if the provider tells them apart.
        input_audio_tokens: Audio that went in.
        output_audio_tokens: Audio that came out.
        total_tokens: The provider's own total, 0 if it gives none. It is recorded as it is, also
            where it is not the sum of the buckets.
        cache_write_1h_tokens: Written into a cache that keeps them for an hour.
        cached_audio_tokens: Audio that was read from the provider's cache.
        input_image_tokens: Images that went in, if the provider tells them apart.
        output_image_tokens: Images that came out.
        tool_requests: How often the provider ran tools of its own: ``{"web_search": 3}``.
        cost: What the provider itself says that the call costs, in USD; None if it says nothing.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    total_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cached_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    tool_requests: Mapping[str, int] | None = None
    cost: float | None = None

    @property
    def prompt_tokens(self) -> int:
        """All tokens that went in."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.cache_write_1h_tokens
            + self.cached_audio_tokens
            + self.input_audio_tokens
            + self.input_image_tokens
        )

    @property
    def completion_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        return (
            self.output_tokens
            + self.reasoning_tokens
            + self.output_audio_tokens
            + self.output_image_tokens
        )


#: Members that have another name elsewhere.
_OPENAI_NAMES = (
    ("prompt_tokens", "input_tokens"),
    ("completion_tokens", "output_tokens"),
    ("prompt_tokens_details", "input_tokens_details"),
    ("completion_tokens_details", "output_tokens_details"),
    # Servers before the details existed: DeepSeek and Moonshot.
    ("prompt_cache_hit_tokens", "cached_tokens"),
)


def of_openai(usage: Any, tool_requests: Mapping[str, int] | None = None) -> Usage | None:
    """Normalise the usage of OpenAI's APIs, or of a server compatible with them.

    Cached, written, image and audio tokens are parts of the prompt; reasoning, image and audio are
    parts of the completion. Some compatible servers count reasoning beside the completion: their
    total says so.

    Args:
        usage: `CompletionUsage`, `ResponseUsage`, the usage of embeddings, or a dict.
        tool_requests: Tools that the provider ran.

    Returns:
        None if there is no usage.
    """
    if usage is None:
        return None
    usage = fields_of(usage)
    told = [
        usage.get(other) if (found := usage.get(name)) is None else found
        for name, other in _OPENAI_NAMES
    ]
    into, out_of = fields_of(told[2]), fields_of(told[3])
    given = (
        told[0],
        into.get("cached_tokens"),
        into.get("cache_write_tokens"),
        into.get("audio_tokens"),
        into.get("image_tokens"),
        told[1],
        out_of.get("reasoning_tokens"),
        out_of.get("audio_tokens"),
        out_of.get("image_tokens"),
        usage.get("total_tokens"),
        told[4],
    )
    prompt, cached, written, heard, seen, completion, thought, said, drawn, total, cached_before = [
        count if type(count) is int and count > 0 else 0 for count in given
    ]
    cached = cached or cached_before
    if thought and total and total == prompt + completion + thought:
        completion += thought
    if cached or written or heard or seen:
        prompt, cached, written, heard, seen = split(prompt, cached, written, heard, seen)
    if thought or said or drawn:
        completion, thought, said, drawn = split(completion, thought, said, drawn)
    cost = _billed(usage)
    if not (seen or drawn or tool_requests) and cost is None:
        return Usage(prompt, cached, written, completion, thought, heard, said, total)
    return Usage(
        prompt,
        cached,
        written,
        completion,
        thought,
        heard,
        said,
        total,
        input_image_tokens=seen,
        output_image_tokens=drawn,
        tool_requests=tool_requests or None,
        cost=cost,
    )


def _billed(usage: Any) -> float | None:
    """What the server says that it bills: OpenRouter, and others that took it over."""
    cost = usage.get("cost")
    if cost is None:
        return None
    # Perplexity lists the parts beside the sum.
    found = _amount(cost) if _is_number(cost) else _amount(fields_of(cost).get("total_cost"))
    if found is not None and usage.get("is_byok") is True:
        # With a key of the program's own, OpenRouter bills its fee; the provider the rest.
        return found + (_amount(fields_of(usage.get("cost_details")).get(_UPSTREAM)) or 0.0)
    return found


_UPSTREAM = "upstream_inference_cost"


def _is_number(value: object) -> bool:
    return type(value) is float or type(value) is int


def _amount(value: Any) -> float | None:
    return float(value) if _is_number(value) and 0 <= value < math.inf else None


#: Entries of `iterations` that the top-level counts contain.
_COUNTED_ITERATIONS = ("message", "fallback_message")


def of_anthropic(usage: Any) -> Usage | None:
    """Normalise the usage of Anthropic's API, whose cache counts come on top of the input.

    The counts of a compaction stand beside those of the answer, which do not contain them.

    Args:
        usage: `anthropic.types.Usage` or a dict.

    Returns:
        None if there is no usage.
    """
    if usage is None:
        return None
    usage = fields_of(usage)
    counts = _anthropic_counts(usage)
    tools = _server_tools(usage.get("server_tool_use"))
    for item in items_of(usage.get("iterations")):
        kind = read(item, "type")
        if kind == "compaction":
            counts = [
                a + b for a, b in zip(counts, _anthropic_counts(fields_of(item)), strict=True)
            ]
        elif type(kind) is str and kind not in _COUNTED_ITERATIONS:
            # Made by another model, whose price is not that of the answer.
            tools[kind] = tools.get(kind, 0) + 1
    given, cached, written, hourly, output, thinking = counts
    if not (hourly or tools):
        return Usage(given, cached, written, output, thinking)
    return Usage(
        given,
        cached,
        written,
        output,
        thinking,
        cache_write_1h_tokens=hourly,
        tool_requests=tools or None,
    )


def _anthropic_counts(usage: Any) -> list[int]:
    written = _count(usage, "cache_creation_input_tokens")
    lifetimes = fields_of(usage.get("cache_creation"))
    hourly = _count(lifetimes, "ephemeral_1h_input_tokens")
    written = max(written, hourly + _count(lifetimes, "ephemeral_5m_input_tokens"))
    details = fields_of(usage.get("output_tokens_details"))
    output, thinking = split(_count(usage, "output_tokens"), _count(details, "thinking_tokens"))
    return [
        _count(usage, "input_tokens"),
        _count(usage, "cache_read_input_tokens"),
        written - hourly,
        hourly,
        output,
        thinking,
    ]


def _server_tools(used: Any) -> dict[str, int]:
    """How often the provider ran a tool of its own, by the tool's name."""
    if used is None:
        return {}
    fields = used if type(used) is dict else read(used, "__dict__", {})
    found = {
        name.removesuffix("_requests"): _count(fields, name)
        for name in fields
        if type(name) is str and name.endswith("_requests")
    }
    return {name: requests for name, requests in found.items() if requests}


def of_google(usage: Any, tool_requests: Mapping[str, int] | None = None) -> Usage | None:
    """Normalise the usage of Gemini, for both of Google's packages.

    Cached tokens are part of the prompt; thoughts and what tools gave back come beside prompt and
    candidates. The older package knows no thoughts: they are what its total has beyond its parts.

    Args:
        usage: `GenerateContentResponseUsageMetadata`, the older `UsageMetadata`, or a dict.
        tool_requests: Tools that the provider ran.

    Returns:
        None if there is no usage, or none of its figures is set.
    """
    if usage is None:
        return None
    usage = fields_of(usage)
    prompt = _count(usage, "prompt_token_count")
    candidates = _count(usage, "candidates_token_count", "response_token_count")
    total = _count(usage, "total_token_count")
    if not (prompt or candidates or total):
        return None
    thoughts = _count(usage, "thoughts_token_count")
    from_tools = _count(usage, "tool_use_prompt_token_count")
    if not thoughts and total:
        thoughts = max(0, total - prompt - candidates - from_tools)
    cached = _count(usage, "cached_content_token_count")
    heard_before = min(_of_kind(usage.get("cache_tokens_details"), "AUDIO"), cached)
    # Audio that came from the cache is counted as cached.
    heard = max(0, _of_kind(usage.get("prompt_tokens_details"), "AUDIO") - heard_before)
    rest_in, cached, heard = split(prompt, cached, heard)
    cached, heard_before = split(cached, heard_before)
    out_of = usage.get("candidates_tokens_details")
    rest_out, said, drawn = split(candidates, _of_kind(out_of, "AUDIO"), _of_kind(out_of, "IMAGE"))
    return Usage(
        input_tokens=rest_in + from_tools,
        cache_read_tokens=cached,
        output_tokens=rest_out,
        reasoning_tokens=thoughts,
        input_audio_tokens=heard,
        output_audio_tokens=said,
        total_tokens=total,
        cached_audio_tokens=heard_before,
        output_image_tokens=drawn,
        tool_requests=tool_requests or None,
    )


def _count(fields: Any, name: str, other: str | None = None) -> int:
    count = fields.get(name)
    if count is None and other is not None:
        count = fields.get(other)
    return count if type(count) is int and count > 0 else 0


def split(whole: int, *parts: int) -> list[int]:
    """Give what is left of a whole, and its parts, cut so that the sum is the whole again."""
    left = whole
    cut = []
    for part in parts:
        part = min(part, left)  # noqa: PLW2901
        left -= part
        cut.append(part)
    return [left, *cut]


def _of_kind(details: object, modality: str) -> int:
    """Tokens of one modality in a list of counts per modality."""
    return sum(
        _count(fields_of(item), "token_count")
        for item in items_of(details)
        if _modality(item) == modality
    )


def _modality(item: object) -> Any:
    modality = read(item, "modality")
    return read(modality, "value", modality)
