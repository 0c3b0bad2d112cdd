"""What a recorded call costs, against bills computed by hand."""

from __future__ import annotations

from typing import Any

import pytest
from sentrial.wrappers import Usage
from sentrial.wrappers._usage import of_anthropic, of_openai

MILLION = 1_000_000


def recorded(session: Any, events: Any, model: str, usage: Usage | None, **about: Any) -> Any:
    """Record one call of a model; give its event."""
    provider = about.pop("provider", "openai")
    session.client.track_llm_call(
        session, model, "hi", "ok", provider=provider, usage=usage, metadata=about
    )
    return events()[-1]


@pytest.mark.parametrize(
    ("tier", "usd"),
    [
        ("default", 1.25 + 1.0),
        ("auto", 1.25 + 1.0),
        ("flex", 0.625 + 0.5),
        ("priority", 2.5 + 2.0),
        ("batch", 0.625 + 0.5),
    ],
)
def test_the_service_tier_chooses_the_price(
    session: Any, events: Any, tier: str, usd: float
) -> None:
    usage = Usage(input_tokens=MILLION, output_tokens=100_000)
    event = recorded(session, events, "gpt-5", usage, service_tier=tier)
    assert event["estimatedCost"] == pytest.approx(usd)
    assert event["metadata"]["prices_version"]


def test_a_tier_without_a_price_is_unknown_and_named(session: Any, events: Any) -> None:
    event = recorded(session, events, "gpt-5", Usage(input_tokens=1), service_tier="scale")
    assert event["metadata"]["cost_unknown"] is True
    assert event["metadata"]["cost_unknown_for"] == ["service_tier=scale"]


def test_the_model_that_answered_is_priced(session: Any, events: Any) -> None:
    """A deployment may be called like another model: $2.50 for a million tokens, not $30."""
    usage = Usage(input_tokens=MILLION)
    event = recorded(session, events, "gpt-4", usage, response_model="gpt-4o-2024-11-20")
    assert event["estimatedCost"] == pytest.approx(2.5)


def test_an_answer_of_an_unknown_model_is_not_priced_by_the_name_asked_for(
    session: Any, events: Any
) -> None:
    event = recorded(session, events, "gpt-4", Usage(input_tokens=9), response_model="house-model")
    assert event["metadata"]["cost_unknown"] is True


def test_a_regional_profile_of_bedrock_costs_its_own_price(session: Any, events: Any) -> None:
    """Sonnet 4.5 costs $3.30 in one region, $3 anywhere."""
    for region, usd in (("us", 3.3), ("global", 3.0)):
        model = f"{region}.anthropic.claude-sonnet-4-5-20250929-v1:0"
        about = {"provider": "anthropic", "response_model": "claude-sonnet-4-5-20250929"}
        event = recorded(session, events, model, Usage(input_tokens=MILLION), **about)
        assert event["estimatedCost"] == pytest.approx(usd)


def test_writes_into_an_hours_cache_cost_twice_the_input(session: Any, events: Any) -> None:
    usage = of_anthropic(
        {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_creation_input_tokens": 100_000,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 40_000,
                "ephemeral_1h_input_tokens": 60_000,
            },
        }
    )
    event = recorded(session, events, "claude-sonnet-4-5", usage, provider="anthropic")
    bill = 10 * 3e-6 + 5 * 15e-6 + 40_000 * 3.75e-6 + 60_000 * 6e-6
    assert event["estimatedCost"] == pytest.approx(bill)
    assert event["toolOutput"]["tokens"]["prompt"] == 100_010


@pytest.mark.parametrize(
    ("more", "about", "usd"),
    [
        ({}, {}, 0.125),
        ({}, {"speed": "fast"}, 0.25),
        ({}, {"inference_geo": "us"}, 0.1375),
        ({"server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 2}}, {}, 0.155),
        (
            {
                "iterations": [
                    {"type": "compaction", "input_tokens": 150_000, "output_tokens": 3_000},
                    {"type": "message", "input_tokens": 20_000, "output_tokens": 1_000},
                ]
            },
            {},
            0.125 + 0.75 + 0.075,
        ),
        ({"server_tool_use": {"code_execution_requests": 1}}, {}, None),
    ],
)
def test_what_anthropic_bills_beside_the_answer(
    session: Any, events: Any, more: Any, about: Any, usd: float | None
) -> None:
    """Opus 5: $5 and $25 for a million tokens, $10 for a thousand searches."""
    usage = of_anthropic({"input_tokens": 20_000, "output_tokens": 1_000, **more})
    event = recorded(session, events, "claude-opus-5", usage, provider="anthropic", **about)
    if usd is None:
        assert event["metadata"]["cost_unknown_for"] == ["code_execution"]
    else:
        assert event["estimatedCost"] == pytest.approx(usd)


@pytest.mark.parametrize("model", ["openai/gpt-4o", "acme/never-heard-of"])
def test_the_bill_of_the_provider_wins(session: Any, events: Any, model: str) -> None:
    usage = of_openai({"prompt_tokens": 9, "completion_tokens": 1, "cost": 0.0123})
    event = recorded(session, events, model, usage, provider="openrouter")
    assert event["estimatedCost"] == pytest.approx(0.0123)
    assert event["metadata"]["cost_source"] == "provider"
    assert "cost_unknown" not in event["metadata"]
