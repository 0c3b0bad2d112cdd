"""Prices of the embedded data set: exact, dated, tiered, and unknown where they are unknown."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sentrial import _core, pricing

from tests.support.sdk import client_for, last_body, messages

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector

UTC = timezone.utc


def test_the_version_of_the_data_set_is_shown() -> None:
    assert pricing.PRICES_VERSION == _core.PRICES_VERSION
    assert pricing.PRICES_VERSION.count(".") == 2


def test_buckets_are_priced_each_at_its_own_rate() -> None:
    price = pricing.lookup("claude-3-5-haiku-latest")
    assert price is not None
    assert (price.provider, price.input, price.output) == ("anthropic", 0.8, 4.0)
    assert (price.cache_read, price.cache_write, price.reasoning) == (0.08, 1.0, None)
    found = pricing.cost(
        "anthropic",
        "claude-3-5-haiku-20241022",
        input_tokens=1_000_000,
        cache_read_tokens=1_000_000,
        cache_write_tokens=1_000_000,
        output_tokens=1_000_000,
        reasoning_tokens=1_000_000,
    )
    assert found == 9.88


def test_costs_are_exact_decimals() -> None:
    # As doubles, 3 * 0.1 / 1e6 is not 3e-07.
    pricing.register("exact-1", input="0.1")
    assert pricing.cost(None, "exact-1", input_tokens=3) == float(Decimal("0.0000003"))
    pricing.register("exact-2", input=0.1, output=Decimal("0.2"))
    assert pricing.cost(None, "exact-2", input_tokens=10**6, output_tokens=10**6) == 0.3


def test_a_large_input_costs_more_from_its_threshold_on() -> None:
    def rate(tokens: int) -> float:
        found = pricing.cost("google", "gemini-2.5-pro", input_tokens=tokens)
        assert found is not None
        return round(found / tokens * 1e6, 6)

    assert rate(200_000) == 1.25
    assert rate(200_001) == 2.5
    # Cached tokens count towards the threshold.
    assert pricing.cost(
        "google", "gemini-2.5-pro", input_tokens=100_000, cache_read_tokens=150_000
    ) == pytest.approx((2.5 * 100_000 + 0.25 * 150_000) / 1e6)


def test_prices_are_those_of_the_day_of_the_call() -> None:
    def output(at: Any) -> float | None:
        return pricing.cost("openai", "o3", output_tokens=1_000_000, at=at)

    before, after = datetime(2025, 6, 9, 23, 59, tzinfo=UTC), datetime(2025, 6, 10, tzinfo=UTC)
    assert (output(before), output(after)) == (40.0, 8.0)
    assert output(before.timestamp()) == 40.0
    assert output(before.replace(tzinfo=None)) == 40.0, "without a zone it is UTC"
    assert output(after.astimezone(timezone(timedelta(hours=-9)))) == 8.0
    assert output(None) == 8.0


def test_a_kind_of_request_may_have_prices_of_its_own() -> None:
    def cost(**context: str) -> float | None:
        return pricing.cost("anthropic", "claude-opus-4-5", input_tokens=1_000_000, context=context)

    assert cost() == 5.0
    assert cost(processing="batch") == 2.5


@pytest.mark.parametrize("model", ["GPT-4o", "gpt-4o-2024-08-06", "gpt-4o"])
def test_names_are_matched_as_the_data_set_says(model: str) -> None:
    price = pricing.lookup(model)
    assert price is not None
    assert (price.provider, price.model, price.input) == ("openai", "gpt-4o", 2.5)


@pytest.mark.parametrize(
    ("provider", "model", "dollars"),
    [
        # W15: priced as another model of the family by 0.6.0.
        ("anthropic", "claude-haiku-4-5", 1.0),
        ("anthropic", "claude-opus-4-5", 5.0),
        ("google", "gemini-2.5-flash-lite", 0.1),
        ("openai", "gpt-5-mini", 0.25),
        ("openai", "text-embedding-3-small", 0.02),
    ],
)
def test_w15_no_model_costs_what_another_costs(provider: str, model: str, dollars: float) -> None:
    assert pricing.cost(provider, model, input_tokens=1_000_000) == dollars


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "house-model"), ("house", "gpt-4o"), (None, "house-model"), ("openai", "")],
)
def test_w15_an_unknown_model_has_no_cost(provider: str | None, model: str) -> None:
    assert pricing.cost(provider, model, input_tokens=5) is None
    assert pricing.lookup(model, provider) is None
    assert pricing.lookup(None) is None


def test_tokens_without_a_price_make_the_cost_unknown() -> None:
    assert pricing.cost("openai", "text-embedding-3-small", output_tokens=1) is None
    assert pricing.cost("openai", "whisper-1", input_tokens=1) is None


def test_a_free_model_costs_nothing() -> None:
    price = pricing.lookup("deepseek/deepseek-r1:free", "openrouter")
    assert price is not None
    assert (price.input, price.output) == (0.0, 0.0)
    assert pricing.cost("openrouter", "deepseek/deepseek-r1:free", input_tokens=5) == 0.0


def test_a_registered_model_comes_first() -> None:
    pricing.register("gpt-4o", provider="cheap-proxy", input=1, output=2, cache_read=0.5)
    assert pricing.cost("Cheap-Proxy", "GPT-4o", input_tokens=10**6, cache_read_tokens=10**6) == 1.5
    assert pricing.cost("openai", "gpt-4o", input_tokens=10**6) == 2.5
    pricing.register("local-llama")
    assert pricing.cost("ollama", "local-llama", input_tokens=10**6, output_tokens=1) == 0.0


@pytest.mark.parametrize("price", [-1, "x", float("nan"), float("inf"), "1e-30"])
def test_what_is_no_price_is_refused(price: Any) -> None:
    with pytest.raises(ValueError, match="not a price"):
        pricing.register("refused", input=price)
    assert pricing.cost(None, "refused", input_tokens=1) is None


@pytest.mark.parametrize("tokens", [-1, 1.5, 2**64])
def test_what_is_no_count_is_refused(tokens: Any) -> None:
    with pytest.raises(ValueError, match="output_tokens"):
        pricing.cost("openai", "gpt-4o", output_tokens=tokens)


def test_an_unknown_model_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sentrial")
    for _ in range(3):
        pricing.cost("openai", "told-once", input_tokens=1)
    [line] = [line for line in messages(caplog, logging.DEBUG) if "told-once" in line]
    assert "sentrial.pricing.register" in line


def test_llm_calls_are_priced_by_the_data_set(collector: Collector) -> None:
    client = client_for(collector)
    client.track_llm_call("s", "gpt-5-mini", prompt_tokens=1_000_000, completion_tokens=0)
    body = last_body(client, collector)
    assert body["toolName"] == "llm:openai:gpt-5-mini"
    assert body["estimatedCost"] == 0.25
    assert body["metadata"]["prices_version"] == pricing.PRICES_VERSION
    client.track_llm_call("s", "house-model", prompt_tokens=5, completion_tokens=5)
    body = last_body(client, collector)
    assert (body["estimatedCost"], body["metadata"]["cost_unknown"]) == (0.0, True)


def test_the_data_set_is_unpacked_only_when_a_price_is_asked_for(run_python: RunPython) -> None:
    code = """
from sentrial import pricing
def kilobytes():
    with open('/proc/self/status') as file:
        [line] = [line for line in file if line.startswith('RssAnon:')]
    return int(line.split()[1])
before = kilobytes()
pricing.calculate_cost('gpt-4o', 1, 1)
assert pricing.PRICES_VERSION
assert kilobytes() - before < 300, kilobytes() - before
pricing.lookup('gpt-4o')
assert 300 < kilobytes() - before < 4000, kilobytes() - before
"""
    run_python(code).ok()
