"""One implementation: the async client sends the bytes of the sync one, in every mode."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from tests.asynchronous.helpers import IMMEDIATE, async_client
from tests.support.sdk import client_for, in_loop

if TYPE_CHECKING:
    from tests.support.collector import Collector

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("create_session", ("n", "a", "u", "p", "c", {"m": 1}), {"project_id": "x"}),
    ("update_state", ("k", 1), {}),
    ("track_tool_call", ("s", "t", {"i": 1}, "out", "why", 0.5, "broke", 3), {"status": "ok"}),
    ("track_decision", ("s", "r", ["x"], 0.5, 0.25, 4), {"chosen": "y", "metadata": {"z": 1}}),
    ("track_error", ("s", "m", "T", "tool", "trace"), {"trace_id": "1", "span_id": "2"}),
    ("track_llm_call", ("s", "gpt-4o", [], "hi"), {"prompt_tokens": 3, "completion_tokens": 4}),
    ("track_state_change", ("s", {"a": 1}, "because"), {}),
    ("track_event", ("s", "state_change"), {"reasoning": "r"}),
    ("update_session", ("s",), {"custom_metrics": {"x": 1.0}}),
    ("complete_session", ("s", False, "fr", 0.1, {"m": 1.0}, 5, 1, 2, 3), {"output": "o"}),
    ("close_session", ("s2", 5), {"status": "error", "summary": "bad"}),
]


def sent_by_sync(collector: Collector, options: dict[str, Any]) -> list[Any]:
    client = client_for(collector, **options)
    for name, args, kwargs in CALLS:
        getattr(client, name)(*args, **kwargs)
    client.flush()
    return wire(collector)


def sent_by_async(collector: Collector, options: dict[str, Any]) -> list[Any]:
    async def run() -> None:
        client = async_client(collector, **options)
        for name, args, kwargs in CALLS:
            result = getattr(client, name)(*args, **kwargs)
            if inspect.isawaitable(result):
                await result
        await client.flush()

    in_loop(run())
    return wire(collector)


def wire(collector: Collector) -> list[Any]:
    by_session = sorted(
        collector.requests(), key=lambda request: (str(request.session_id), request.number)
    )
    sent = [(request.method, request.path, request.body) for request in by_session]
    collector.forget()
    return sent


@pytest.mark.parametrize("options", [{}, IMMEDIATE, {"batching": True}], ids=str)
def test_every_call_sends_the_same_bytes(collector: Collector, options: dict[str, Any]) -> None:
    ours = sent_by_async(collector, options)
    theirs = sent_by_sync(collector, options)
    assert ours == theirs
    assert len(ours) == len(CALLS) - 1


@pytest.mark.parametrize("options", [{}, IMMEDIATE], ids=str)
def test_an_interaction_sends_what_is_documented(
    collector: Collector, options: dict[str, Any]
) -> None:
    async def run() -> None:
        client = async_client(collector, **options)
        async with client.begin("u", "chat", input="question", event_id="e-1") as interaction:
            interaction.add_tokens(3, 4, 0.25)
            interaction.add_tokens(1, 1, 0.25)
            await interaction.track_tool_call("t", {}, {})
            interaction.set_output("answer")
        assert (interaction.total_tokens, interaction.total_cost) == (9, 0.5)
        await client.flush()

    in_loop(run())
    create, tool, complete = collector.bodies()
    assert create["metadata"] == {"input": "question", "event_id": "e-1"}
    # Unlike the sync client's, the state does not begin with the input.
    assert (tool["stateBefore"], tool["stateAfter"]) == ({}, {"t_result": {}})
    assert complete["userInput"] == "question"
    assert complete["assistantOutput"] == "answer"
    assert (complete["promptTokens"], complete["completionTokens"]) == (4, 5)
    assert (complete["totalTokens"], complete["estimatedCost"]) == (9, 0.5)


def test_leaving_the_block_with_an_exception_fails_the_session(collector: Collector) -> None:
    async def run() -> None:
        client = async_client(collector)
        with pytest.raises(LookupError):
            async with client.begin("u", "chat"):
                raise LookupError("nope")
        async with client.begin("u", "chat") as interaction:
            await interaction.track_error("told")
        await client.flush()

    in_loop(run())
    completed = collector.bodies("PATCH")
    assert [body["success"] for body in completed] == [False, False]
    assert [body["failureReason"] for body in completed] == ["LookupError: nope", "told"]


def test_what_a_call_returns_in_immediate_delivery_is_the_plain_answer(
    collector: Collector,
) -> None:
    async def run() -> None:
        client = async_client(collector, **IMMEDIATE)
        assert await client.create_session("n") == "sess_anonymous_n_1"
        answer = await client.track_tool_call("s", "t", {}, {})
        assert type(answer) is dict
        assert answer["id"] == "evt_s_1"
        interaction = await client.begin("u", "chat")
        assert interaction.session_id == "sess_u_chat_1"
        assert (await interaction.finish())["id"] == "sess_u_chat_1"

    in_loop(run())
