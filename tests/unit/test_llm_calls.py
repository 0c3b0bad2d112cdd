"""`track_llm_call`: its shape, and costs that are known or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.sdk import bodies_sent, client_for, last_body

if TYPE_CHECKING:
    import sentrial

    from tests.support.collector import Collector


@pytest.fixture
def client(collector: Collector) -> sentrial.SentrialClient:
    return client_for(collector)


def test_the_shape_of_a_known_model(client: sentrial.SentrialClient, collector: Collector) -> None:
    prompt = [{"role": "user", "content": "hi"}]
    client.track_llm_call(
        "s", "gpt-4o", prompt, "hello", prompt_tokens=1000, completion_tokens=100, duration_ms=40
    )
    body = last_body(client, collector)
    cost = 1000 * 2.5e-6 + 100 * 10e-6
    assert body["eventType"] == "tool_call"
    assert body["toolName"] == "llm:openai:gpt-4o"
    assert body["toolInput"] == {"messages": prompt, "model": "gpt-4o", "provider": "openai"}
    output = body["toolOutput"]
    assert output["content"] == "hello"
    assert output["tokens"] == {"prompt": 1000, "completion": 100, "total": 1100}
    assert output["cost_usd"] == pytest.approx(cost)
    assert body["estimatedCost"] == pytest.approx(cost)
    assert body["tokenCount"] == 1100
    assert body["metadata"]["duration_ms"] == 40
    assert body["metadata"]["model"] == "gpt-4o"
    assert "cost_unknown" not in body["metadata"]


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-4o-mini", "openai"),
        ("claude-3-haiku-20240307", "anthropic"),
        ("gemini-2.5-pro", "google"),
        ("my-own-model", "unknown"),
    ],
)
def test_the_provider_is_found_by_the_model(
    client: sentrial.SentrialClient, collector: Collector, model: str, provider: str
) -> None:
    client.track_llm_call("s", model, prompt_tokens=10)
    assert last_body(client, collector)["toolInput"]["provider"] == provider


def test_an_unknown_model_costs_nothing_known(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.track_llm_call("s", "my-own-model", prompt_tokens=1000, completion_tokens=5)
    body = last_body(client, collector)
    assert body["estimatedCost"] == 0.0
    assert body["metadata"]["cost_unknown"] is True


def test_the_total_of_a_session_never_contains_a_guess(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.track_llm_call("s", "my-own-model", prompt_tokens=1_000_000)
    client.track_llm_call("s", "gpt-4o", prompt_tokens=1000)
    client.complete_session("s")
    done = last_body(client, collector)
    assert done["estimatedCost"] == pytest.approx(0.0025)
    assert done["promptTokens"] == 1_001_000


def test_a_session_of_unknown_models_only_has_no_cost(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.track_llm_call("s", "my-own-model", prompt_tokens=10)
    client.complete_session("s")
    assert "estimatedCost" not in last_body(client, collector)


def test_a_given_cost_counts_also_for_an_unknown_model(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.track_llm_call("s", "my-own-model", estimated_cost=0.5)
    client.track_llm_call("s", "gpt-4o", prompt_tokens=1000, estimated_cost=0)
    client.complete_session("s")
    own, known, done = bodies_sent(client, collector)
    assert (own["estimatedCost"], known["estimatedCost"]) == (0.5, 0.0)
    assert "cost_unknown" not in own["metadata"]
    assert done["estimatedCost"] == 0.5


@pytest.mark.parametrize(("error", "message"), [("refused", "refused"), (ValueError("bad"), "bad")])
def test_a_failed_call(
    client: sentrial.SentrialClient, collector: Collector, error: Any, message: str
) -> None:
    client.track_llm_call("s", "gpt-4o", error=error)
    assert last_body(client, collector)["toolError"]["message"] == message


@pytest.mark.parametrize("tokens", [None, -5, float("nan"), "many", True])
def test_counts_that_are_none_count_nothing(
    client: sentrial.SentrialClient, collector: Collector, tokens: Any
) -> None:
    client.track_llm_call("s", "gpt-4o", prompt_tokens=tokens, completion_tokens=10)
    client.complete_session("s")
    event, done = bodies_sent(client, collector)
    assert event["estimatedCost"] >= 0
    assert done.get("promptTokens", 0) >= 0
    assert done["completionTokens"] == 10


def test_the_users_metadata_is_kept(client: sentrial.SentrialClient, collector: Collector) -> None:
    mine = {"k": 1}
    client.track_llm_call("s", "gpt-4o", metadata=mine)
    assert last_body(client, collector)["metadata"]["k"] == 1
    assert mine == {"k": 1}
