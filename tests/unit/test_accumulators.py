"""Costs and tokens of the events add up to those of their session."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.sdk import bodies_sent, client_for, last_body

if TYPE_CHECKING:
    import sentrial

    from tests.support.collector import Collector

FIGURES = ("estimatedCost", "promptTokens", "completionTokens", "totalTokens")


@pytest.fixture
def client(collector: Collector) -> sentrial.SentrialClient:
    return client_for(collector)


def figures(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in FIGURES if name in body}


def spend(client: sentrial.SentrialClient, session: str) -> None:
    output = {"tokens": {"prompt": 3, "completion": 4}}
    client.track_tool_call(session, "t", {}, output, estimated_cost=0.5, token_count=7)
    client.track_decision(session, "r", estimated_cost=0.25, token_count=5)
    client.track_error(session, "free")


def test_the_sums_are_sent_at_the_end(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    spend(client, "s")
    client.complete_session("s")
    assert figures(last_body(client, collector)) == {
        "estimatedCost": 0.75,
        "promptTokens": 3,
        "completionTokens": 4,
        "totalTokens": 12,
    }


def test_close_session_sends_them_too(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    spend(client, "s")
    client.close_session("s")
    assert figures(last_body(client, collector))["estimatedCost"] == 0.75


def test_explicit_values_win_also_zero(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    spend(client, "s")
    client.complete_session(
        "s", estimated_cost=0, prompt_tokens=0, completion_tokens=0, total_tokens=0
    )
    assert figures(last_body(client, collector)) == dict.fromkeys(FIGURES, 0)


def test_the_sums_begin_again_after_the_end(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    spend(client, "s")
    client.complete_session("s")
    client.complete_session("s")
    spend(client, "s")
    client.complete_session("s", estimated_cost=9.0)
    client.complete_session("s")
    done = [figures(body) for body in bodies_sent(client, collector) if "status" in body]
    assert [body.get("estimatedCost") for body in done] == [0.75, None, 9.0, None]


def test_without_events_no_figure_is_sent(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.track_tool_call("s", "t", {}, {}, estimated_cost=0, token_count=0)
    client.complete_session("s")
    assert figures(last_body(client, collector)) == {}


def test_sums_of_sessions_do_not_mix(client: sentrial.SentrialClient, collector: Collector) -> None:
    spend(client, "a")
    spend(client, "a")
    spend(client, "b")
    client.complete_session("a")
    client.complete_session("b")
    client.flush()
    done = {r.path[-1]: r.json["estimatedCost"] for r in collector.requests("PATCH")}
    assert done == {"a": 1.5, "b": 0.75}


@pytest.mark.parametrize(
    "odd", [-1.0, float("nan"), float("inf"), "0.5", True, None, object(), 10**400]
)
def test_what_is_no_amount_does_not_spoil_the_sums(
    client: sentrial.SentrialClient, collector: Collector, odd: Any
) -> None:
    output = {"tokens": {"prompt": odd, "completion": odd}}
    client.track_tool_call("s", "t", {}, output, estimated_cost=odd, token_count=odd)
    spend(client, "s")
    client.complete_session("s")
    assert figures(last_body(client, collector)) == {
        "estimatedCost": 0.75,
        "promptTokens": 3,
        "completionTokens": 4,
        "totalTokens": 12,
    }


def test_tokens_are_whole_numbers(client: sentrial.SentrialClient, collector: Collector) -> None:
    client.track_tool_call("s", "t", {}, {"tokens": {"prompt": 1.6, "completion": 2}})
    client.track_tool_call("s", "t", {}, {"tokens": {"prompt": 1.6}}, token_count=2.5)
    client.track_tool_call("s", "t", {}, {"tokens": "many"})
    client.complete_session("s")
    done = last_body(client, collector)
    assert [done[name] for name in FIGURES[1:]] == [3, 2, 2]


def test_nothing_is_lost_between_threads(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda _: client.track_decision("s", "r", estimated_cost=0.5, token_count=1),
                range(800),
            )
        )
    client.complete_session("s")
    done = last_body(client, collector)
    assert (done["estimatedCost"], done["totalTokens"]) == (400.0, 800)


def test_an_interaction_sends_its_sums(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "agent") as interaction:
        spend(client, interaction.session_id or "")
        interaction.track_decision("r", estimated_cost=0.25)
    assert figures(last_body(client, collector))["estimatedCost"] == 1.0


@pytest.mark.parametrize("number", [int, "numpy"], ids=["int", "numpy"])
def test_whole_numbers_stay_whole(collector: Collector, number: Any) -> None:
    if number == "numpy":
        number = pytest.importorskip("numpy").int64
    client = client_for(collector)
    session = client.create_session("n")
    tokens = {"tokens": {"prompt": number(3), "completion": number(4)}}
    for _ in range(2):
        client.track_tool_call(
            session, "t", {}, tokens, estimated_cost=number(2), token_count=number(5)
        )
    client.complete_session(session)
    client.flush()
    *events, completed = [request.body for request in collector.requests()][1:]
    for event in events:
        assert b'"estimatedCost":2,' in event
        assert b'"tokenCount":5' in event
    for figure in (
        b'"estimatedCost":4',
        b'"promptTokens":6',
        b'"completionTokens":8',
        b'"totalTokens":10',
    ):
        assert figure + b"," in completed or figure + b"}" in completed
