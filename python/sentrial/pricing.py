"""Prices of models and the cost of a call.

`cost`, `lookup` and `register` use the embedded data set genai-prices (MIT), whose version is
`PRICES_VERSION`; calls that are recorded are priced by it. `calculate_cost`, `get_model_pricing`
and `MODEL_PRICING` are the documented table of older versions.

A model that is not known has an unknown cost: None here, and no guess in any total.
"""
# The annotations of the documented names keep the spelling of `typing`.
# ruff: noqa: UP006, UP035

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, NamedTuple, Tuple

from sentrial import _core

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from typing_extensions import TypeAlias

    Price: TypeAlias = float | str | Decimal

__all__ = [
    "MODEL_PRICING",
    "PRICES_VERSION",
    "ModelPrice",
    "calculate_cost",
    "cost",
    "get_model_pricing",
    "lookup",
    "register",
]

PRICES_VERSION: str = _core.PRICES_VERSION
"""The version of the embedded data set, as of its PyPI package."""

_DEFAULT = "default"
_THOUSAND = 1000
_DIGITS = 6
_MOST = 2**63
_KEYS = (
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "output_reasoning_mtok",
    "input_audio_mtok",
    "output_audio_mtok",
)

MODEL_PRICING: Dict[str, Tuple[float, float]] = {
    # OpenAI
    "gpt-5.2": (0.005, 0.015),
    "gpt-5": (0.004, 0.012),
    "gpt-4.1-mini": (0.0004, 0.0016),
    "gpt-4.1-nano": (0.0001, 0.0004),
    "gpt-4.1": (0.002, 0.008),
    "gpt-4o-mini": (0.00015, 0.0006),
    "gpt-4o": (0.0025, 0.01),
    "gpt-4-turbo": (0.01, 0.03),
    "gpt-4": (0.03, 0.06),
    "gpt-3.5-turbo": (0.0005, 0.0015),
    "o4-mini": (0.0011, 0.0044),
    "o3-pro": (0.02, 0.08),
    "o3-mini": (0.0011, 0.0044),
    "o3": (0.01, 0.04),
    "o1-preview": (0.015, 0.06),
    "o1-mini": (0.003, 0.012),
    "o1": (0.015, 0.06),
    # Anthropic
    "claude-opus-4": (0.015, 0.075),
    "claude-sonnet-4": (0.003, 0.015),
    "claude-4.5-opus": (0.02, 0.1),
    "claude-4.5-sonnet": (0.004, 0.02),
    "claude-4-opus": (0.018, 0.09),
    "claude-4-sonnet": (0.0035, 0.0175),
    "claude-3-7-sonnet": (0.003, 0.015),
    "claude-3-5-sonnet": (0.003, 0.015),
    "claude-3-5-haiku": (0.0008, 0.004),
    "claude-3-opus": (0.015, 0.075),
    "claude-3-sonnet": (0.003, 0.015),
    "claude-3-haiku": (0.00025, 0.00125),
    # Google
    "gemini-3-pro": (0.002, 0.012),
    "gemini-3-flash": (0.0005, 0.003),
    "gemini-2.5-pro": (0.00125, 0.005),
    "gemini-2.5-flash": (0.00015, 0.0006),
    "gemini-2.0-flash-lite": (0.000075, 0.0003),
    "gemini-2.0-flash": (0.0001, 0.0004),
    "gemini-1.5-pro": (0.00125, 0.005),
    "gemini-1.5-flash": (0.000075, 0.0003),
    "gemini-1.0-pro": (0.0005, 0.0015),
    _DEFAULT: (0.001, 0.002),
}
"""USD per 1000 tokens as (input, output), by the beginning of the model's name.

``"default"`` is what `get_model_pricing` answers for a model it does not know; no cost is ever
computed from it. Entries added to the table are used.
"""


class ModelPrice(NamedTuple):
    """What a model costs, in USD per million tokens.

    Where a kind of token has no price of its own (None), it costs what the kind does that it is a
    part of: cache and audio input what input costs, reasoning and audio output what output costs.

    Attributes:
        provider: The provider's id; empty for a model registered for any provider.
        model: The model's id in the data set, or the registered name.
        input: Input tokens. None, as `output`, if there is no price for them.
        output: Output tokens.
        cache_read: Input tokens read from a cache.
        cache_write: Input tokens written to a cache.
        reasoning: Output tokens of reasoning.
        input_audio: Input tokens of audio.
        output_audio: Output tokens of audio.
    """

    provider: str
    model: str
    input: float | None
    output: float | None
    cache_read: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None
    input_audio: float | None = None
    output_audio: float | None = None


def cost(
    provider: str | None,
    model: str,
    *,
    input_tokens: int = 0,
    cache_read_tokens: int = 0,
    cache_write_tokens: int = 0,
    output_tokens: int = 0,
    reasoning_tokens: int = 0,
    input_audio_tokens: int = 0,
    output_audio_tokens: int = 0,
    cache_write_1h_tokens: int = 0,
    cached_audio_tokens: int = 0,
    input_image_tokens: int = 0,
    output_image_tokens: int = 0,
    web_searches: int = 0,
    file_searches: int = 0,
    at: datetime | float | None = None,
    context: Mapping[str, str] | None = None,
) -> float | None:
    """Compute what a call of a model costs, exactly.

    No token may be counted twice: `input_tokens` are those that were neither read from a cache nor
    written to one, `output_tokens` those that are no reasoning.

    Args:
        provider: The provider, for example ``"openai"``; None: the one whose model it is.
        model: The model, with or without a date; upper and lower case are the same.
        input_tokens: Tokens that went in. Default 0, as for all counts.
        cache_read_tokens: Tokens that went in from a cache.
        cache_write_tokens: Tokens that went in and were written to a cache.
        output_tokens: Tokens that came out.
        reasoning_tokens: Tokens that came out as reasoning.
        input_audio_tokens: Tokens of audio that went in.
        output_audio_tokens: Tokens of audio that came out.
        cache_write_1h_tokens: Tokens that were written to a cache that keeps them for an hour.
        cached_audio_tokens: Tokens of audio that went in from a cache.
        input_image_tokens: Tokens of images that went in.
        output_image_tokens: Tokens of images that came out.
        web_searches: Searches of the web that the provider made.
        file_searches: Searches of stored files that the provider made.
        at: When the call was made, as a datetime (UTC if it has no zone) or in seconds since 1970.
            Default: now.
        context: What kind of call it was, where that has prices of its own, for example
            ``{"service_tier": "flex"}``, ``{"processing": "batch"}`` or ``{"speed": "fast"}``.

    Returns:
        USD, the double nearest to the exact sum. None if the price of the model, or of some of the
        tokens, is unknown; the first time there is one debug line.

    Raises:
        ValueError: A count is no whole number of zero or more.
    """
    counts = (
        _count("input_tokens", input_tokens),
        _count("cache_read_tokens", cache_read_tokens),
        _count("cache_write_tokens", cache_write_tokens),
        _count("output_tokens", output_tokens),
        _count("reasoning_tokens", reasoning_tokens),
        _count("input_audio_tokens", input_audio_tokens),
        _count("output_audio_tokens", output_audio_tokens),
        _count("cache_write_1h_tokens", cache_write_1h_tokens),
        _count("cached_audio_tokens", cached_audio_tokens),
        _count("input_image_tokens", input_image_tokens),
        _count("output_image_tokens", output_image_tokens),
        _count("web_searches", web_searches),
        _count("file_searches", file_searches),
    )
    return _core.price_cost(
        provider, str(model), counts, _seconds(at), dict(context) if context else None
    )


def lookup(
    model: object,
    provider: str | None = None,
    *,
    at: datetime | float | None = None,
    context: Mapping[str, str] | None = None,
) -> ModelPrice | None:
    """Look up what a model costs.

    Args:
        model: The model, with or without a date; upper and lower case are the same.
        provider: The provider; default: the one whose model it is.
        at: As for `cost`. Default: now.
        context: As for `cost`.

    Returns:
        The prices, where they depend on the size of the input those of a small one; None if the
        model is unknown. A model that is free has 0.0 for input and output.
    """
    if not isinstance(model, str):
        return None
    found = _core.price_lookup(provider, model, _seconds(at), dict(context) if context else None)
    if found is None:
        return None
    at_provider, name, rates = found
    free = None if rates else 0.0
    return ModelPrice(
        at_provider,
        name,
        rates.get("input_mtok", free),
        rates.get("output_mtok", free),
        *(rates.get(key) for key in _KEYS[2:]),
    )


def register(
    model: str,
    *,
    provider: str | None = None,
    input: Price = 0,  # noqa: A002  as in ModelPrice
    output: Price = 0,
    cache_read: Price | None = None,
    cache_write: Price | None = None,
    reasoning: Price | None = None,
    input_audio: Price | None = None,
    output_audio: Price | None = None,
) -> None:
    """Set what a model costs: a private one, or one for which you pay another price.

    It holds for this process, from now on, and comes before the data set.

    Args:
        model: Exactly the name that calls use; upper and lower case are the same.
        provider: The provider; default: any.
        input: USD per million input tokens. Default 0, as for `output`.
        output: USD per million output tokens.
        cache_read: USD per million input tokens read from a cache. Default: what input costs.
        cache_write: USD per million input tokens written to a cache. Default: what input costs.
        reasoning: USD per million output tokens of reasoning. Default: what output costs.
        input_audio: USD per million input tokens of audio. Default: what input costs.
        output_audio: USD per million output tokens of audio. Default: what output costs.

    Raises:
        ValueError: A price is below zero or no number.
    """
    given = (input, output, cache_read, cache_write, reasoning, input_audio, output_audio)
    rates = {
        key: _decimal(price) for key, price in zip(_KEYS, given, strict=True) if price is not None
    }
    _core.price_register(provider, model, rates)


def _count(name: str, tokens: int) -> int:
    count = int(tokens)
    if count != tokens or not 0 <= count <= _MOST:
        raise ValueError(f"{name} is not a count of tokens: {tokens!r}")
    return count


def _seconds(at: datetime | float | None) -> int | None:
    if at is None or isinstance(at, (int, float)):
        return None if at is None else int(at)
    if at.tzinfo is None:
        from datetime import timezone

        at = at.replace(tzinfo=timezone.utc)
    return int(at.timestamp())


def _decimal(price: Price) -> str:
    """Write a price in full; a float as the shortest decimal that means it."""
    from decimal import Decimal, InvalidOperation

    try:
        return format(Decimal(str(price)), "f")
    except InvalidOperation:
        raise ValueError(f"not a price: {price!r}; give USD per million tokens") from None


def _documented(model: object) -> Tuple[float, float] | None:
    if not isinstance(model, str):
        return None
    name = model.lower()
    known = [prefix for prefix in MODEL_PRICING if prefix != _DEFAULT and name.startswith(prefix)]
    return MODEL_PRICING[max(known, key=len)] if known else None


def get_model_pricing(model_name: str) -> Tuple[float, float]:
    """Return the prices of a model, or the default ones.

    These are the documented table's, and where it does not know the model they are made up; ask
    `lookup` for current ones and to learn whether a model is known.

    Args:
        model_name: The name of the model; upper and lower case are the same.

    Returns:
        USD per 1000 tokens as (input, output); ``MODEL_PRICING["default"]`` for an unknown model.
    """
    return _documented(model_name) or MODEL_PRICING[_DEFAULT]


def calculate_cost(model_name: str, prompt_tokens: int, completion_tokens: int) -> float:
    """Compute the cost of a call by the documented table; see `cost` for current prices.

    Args:
        model_name: The name of the model; upper and lower case are the same.
        prompt_tokens: Tokens that went in.
        completion_tokens: Tokens that came out.

    Returns:
        USD, rounded to 6 places; 0.0 if the table does not have the model.
    """
    prices = _documented(model_name)
    if prices is None:
        return 0.0
    into, out_of = prices
    cost = prompt_tokens / _THOUSAND * into + completion_tokens / _THOUSAND * out_of
    return round(cost, _DIGITS)
