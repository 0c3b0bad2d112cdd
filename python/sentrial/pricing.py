"""Prices of models and the cost of a call, by the documented table.

The table is used by the framework handlers. A model that is not in it has an unknown cost: `lookup`
says None, and `calculate_cost` returns 0.0 so that a total never contains a guess.
"""
# The annotations are part of the documented signatures, so they keep the spelling of `typing`.
# ruff: noqa: UP006, UP035

from typing import Dict, Optional, Tuple

__all__ = ["MODEL_PRICING", "calculate_cost", "get_model_pricing", "lookup"]

_DEFAULT = "default"
_THOUSAND = 1000
_DIGITS = 6

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


def lookup(model: object) -> Optional[Tuple[float, float]]:  # noqa: UP045
    """Look up the prices of a model.

    Args:
        model: The name of the model; upper and lower case are the same.

    Returns:
        USD per 1000 tokens as (input, output): those of the longest name in `MODEL_PRICING` that
        the model's name starts with. None if there is no such name.
    """
    if not isinstance(model, str):
        return None
    name = model.lower()
    known = [prefix for prefix in MODEL_PRICING if prefix != _DEFAULT and name.startswith(prefix)]
    return MODEL_PRICING[max(known, key=len)] if known else None


def get_model_pricing(model_name: str) -> Tuple[float, float]:
    """Return the prices of a model, or the default ones.

    The default is kept because it is the documented answer, but it is a made-up price; ask `lookup`
    to learn whether a model is known.

    Args:
        model_name: The name of the model; upper and lower case are the same.

    Returns:
        USD per 1000 tokens as (input, output); ``MODEL_PRICING["default"]`` for an unknown model.
    """
    return lookup(model_name) or MODEL_PRICING[_DEFAULT]


def calculate_cost(model_name: str, prompt_tokens: int, completion_tokens: int) -> float:
    """Compute the cost of a call.

    Args:
        model_name: The name of the model; upper and lower case are the same.
        prompt_tokens: Tokens that went in.
        completion_tokens: Tokens that came out.

    Returns:
        USD, rounded to 6 places; 0.0 if the price of the model is unknown.
    """
    prices = lookup(model_name)
    if prices is None:
        return 0.0
    into, out_of = prices
    cost = prompt_tokens / _THOUSAND * into + completion_tokens / _THOUSAND * out_of
    return round(cost, _DIGITS)
