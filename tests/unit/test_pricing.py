"""Costs of the documented table, and the honesty about models that are not in it."""

from __future__ import annotations

import pytest
from sentrial.pricing import MODEL_PRICING, calculate_cost, get_model_pricing


@pytest.mark.parametrize(
    ("model", "prices", "cost"),
    [
        ("gpt-5-mini", (0.004, 0.012), 0.130848),
        ("gpt-4.1-mini-2025", (0.0004, 0.0016), 0.0158),
        ("GPT-4o", (0.0025, 0.01), 0.098752),
        ("gpt-4-32k", (0.03, 0.06), 0.77769),
        ("gpt-3.5-turbo-16k", (0.0005, 0.0015), 0.016356),
        ("o3-mini-high", (0.0011, 0.0044), 0.043451),
        ("o1-pro", (0.015, 0.06), 0.592515),
        ("Claude-3-opus", (0.015, 0.075), 0.69435),
        ("claude-3-5-haiku-latest", (0.0008, 0.004), 0.037032),
        ("claude-sonnet-4-5", (0.003, 0.015), 0.13887),
        ("claude-4.5-opus", (0.02, 0.1), 0.9258),
        ("gemini-1.5-flash-8b", (0.000075, 0.0003), 0.002963),
        ("gemini-2.0-flash-lite", (0.000075, 0.0003), 0.002963),
        ("gemini-2.0-flash-001", (0.0001, 0.0004), 0.00395),
        ("gemini-3-pro-preview", (0.002, 0.012), 0.106158),
    ],
)
def test_a_known_model_has_the_recorded_prices(
    model: str, prices: tuple[float, float], cost: float
) -> None:
    assert get_model_pricing(model) == prices
    assert calculate_cost(model, 12345, 6789) == cost


@pytest.mark.parametrize(
    "model",
    ["", " gpt-4o", "openai/gpt-4o", "ft:gpt-4o:org", "gpt-3.5", "claude-2.1", "default", None, 7],
)
def test_an_unknown_model_costs_nothing_rather_than_a_guess(model: str) -> None:
    assert calculate_cost(model, 12345, 6789) == 0.0
    assert get_model_pricing(model) == (0.001, 0.002)


def test_small_costs_are_rounded_to_six_places() -> None:
    costs = [calculate_cost("gpt-4o-mini", tokens, 1) for tokens in range(10)]
    assert costs == [1e-06] * 6 + [2e-06] * 4


def test_the_table_is_that_of_the_documentation() -> None:
    assert len(MODEL_PRICING) == 39
    assert list(MODEL_PRICING)[:3] == ["gpt-5.2", "gpt-5", "gpt-4.1-mini"]
    assert list(MODEL_PRICING)[-1] == "default"


def test_an_entry_added_to_the_table_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODEL_PRICING, "house-model", (1.0, 2.0))
    assert calculate_cost("house-model-v2", 1000, 1000) == 3.0
