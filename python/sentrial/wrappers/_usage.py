"""What a call used, in buckets that do not overlap, and how each provider's figures become that.

Providers count differently: for OpenAI and Google, cached tokens are part of the prompt tokens, for
Anthropic they come on top; OpenAI counts reasoning as part of the output, Google beside it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sentrial.wrappers._values import fields_of, items_of, read

__all__ = ["Usage", "of_anthropic", "of_google", "of_openai"]


class Usage(NamedTuple):
    """Tokens of one call. No token is in two buckets.

    Attributes:
        input_tokens: Read by the model as text or image, neither from nor into a cache.
        cache_read_tokens: Read from the provider's cache.
        cache_write_tokens: Written into the provider's cache.
        output_tokens: Written by the model for the caller.
        reasoning_tokens: Written by the model for itself, if the provider tells them apart.
        input_audio_tokens: Audio that went in.
        output_audio_tokens: Audio that came out.
        total_tokens: The provider's own total, 0 if it gives none. It is recorded as it is, also
            where it is not the sum of the buckets.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    total_tokens: int = 0

    @property
    def prompt_tokens(self) -> int:
        """All tokens that went in."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.input_audio_tokens
        )

    @property
    def completion_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        return self.output_tokens + self.reasoning_tokens + self.output_audio_tokens


#: Members that have another name elsewhere.
_OPENAI_NAMES = (
    ("prompt_tokens", "input_tokens"),
    ("completion_tokens", "output_tokens"),
    ("prompt_tokens_details", "input_tokens_details"),
    ("completion_tokens_details", "output_tokens_details"),
    # Servers before the details existed: DeepSeek and Moonshot.
    ("prompt_cache_hit_tokens", "cached_tokens"),
)


def of_openai(usage: Any) -> Usage | None:
    """Normalise the usage of OpenAI's APIs, or of a server compatible with them.

    Cached, written and audio tokens are parts of the prompt; reasoning and audio are parts of the
    completion. Some compatible servers count reasoning beside the completion: their total says so.

    Args:
        usage: `CompletionUsage`, `ResponseUsage`, the usage of embeddings, or a dict.

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
        told[1],
        out_of.get("reasoning_tokens"),
        out_of.get("audio_tokens"),
        usage.get("total_tokens"),
        told[4],
    )
    prompt, cached, written, audio_in, completion, reasoning, audio_out, total, cached_before = [
        count if type(count) is int and count > 0 else 0 for count in given
    ]
    cached = cached or cached_before
    if reasoning and total and total == prompt + completion + reasoning:
        completion += reasoning
    if cached or written or audio_in:
        prompt, cached, written, audio_in = _split(prompt, cached, written, audio_in)
    if reasoning or audio_out:
        completion, reasoning, audio_out = _split(completion, reasoning, audio_out)
    return Usage(prompt, cached, written, completion, reasoning, audio_in, audio_out, total)


def of_anthropic(usage: Any) -> Usage | None:
    """Normalise the usage of Anthropic's API, whose cache counts come on top of the input.

    Args:
        usage: `anthropic.types.Usage` or a dict.

    Returns:
        None if there is no usage.
    """
    if usage is None:
        return None
    usage = fields_of(usage)
    details = fields_of(usage.get("output_tokens_details"))
    output, thinking = _split(_count(usage, "output_tokens"), _count(details, "thinking_tokens"))
    return Usage(
        input_tokens=_count(usage, "input_tokens"),
        cache_read_tokens=_count(usage, "cache_read_input_tokens"),
        cache_write_tokens=_count(usage, "cache_creation_input_tokens"),
        output_tokens=output,
        reasoning_tokens=thinking,
    )


def of_google(usage: Any) -> Usage | None:
    """Normalise the usage of Gemini, for both of Google's packages.

    Cached tokens are part of the prompt; thoughts and what tools gave back come beside prompt and
    candidates. The older package knows no thoughts: they are what its total has beyond its parts.

    Args:
        usage: `GenerateContentResponseUsageMetadata`, the older `UsageMetadata`, or a dict.

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
    audio = _audio(usage.get("prompt_tokens_details"))
    # Audio that came from the cache is counted as cached.
    audio = max(0, audio - _audio(usage.get("cache_tokens_details")))
    rest_in, cached, audio_in = _split(prompt, cached, audio)
    rest_out, audio_out = _split(candidates, _audio(usage.get("candidates_tokens_details")))
    return Usage(
        input_tokens=rest_in + from_tools,
        cache_read_tokens=cached,
        output_tokens=rest_out,
        reasoning_tokens=thoughts,
        input_audio_tokens=audio_in,
        output_audio_tokens=audio_out,
        total_tokens=total,
    )


def _count(fields: Any, name: str, other: str | None = None) -> int:
    count = fields.get(name)
    if count is None and other is not None:
        count = fields.get(other)
    return count if type(count) is int and count > 0 else 0


def _split(whole: int, *parts: int) -> list[int]:
    """What is left of a whole, and its parts, cut so that the sum is the whole again."""
    left = whole
    cut = []
    for part in parts:
        part = min(part, left)  # noqa: PLW2901
        left -= part
        cut.append(part)
    return [left, *cut]


def _audio(details: object) -> int:
    """Tokens of the modality AUDIO in a list of counts per modality."""
    return sum(
        _count(fields_of(item), "token_count") for item in items_of(details) if _is_audio(item)
    )


def _is_audio(item: object) -> bool:
    modality = read(item, "modality")
    return bool(read(modality, "value", modality) == "AUDIO")
