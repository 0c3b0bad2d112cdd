"""Tools and wrappers attach to the sessions of async interactions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import get_session_context, set_session_context, tool

from tests.asynchronous.helpers import IMMEDIATE, async_client
from tests.support.sdk import in_loop

if TYPE_CHECKING:
    from tests.support.collector import Collector


@tool("inner")
async def asynchronous(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


@tool("inner")
def synchronous(value: Any) -> Any:
    return value


@pytest.mark.parametrize("options", [{}, IMMEDIATE], ids=str)
@pytest.mark.parametrize("awaited", [True, False])
def test_tools_inside_are_recorded(
    collector: Collector, options: dict[str, Any], *, awaited: bool
) -> None:
    """D6, A3, A4: begin sets the session context, awaited or not."""

    async def run() -> None:
        client = async_client(collector, **options)
        begun = client.begin("u", "chat")
        async with await begun if awaited else begun as interaction:
            await asynchronous(1)
            synchronous(2)
            assert get_session_context() == await interaction.get_session_id()
        assert get_session_context() is None
        await client.flush()

    in_loop(run())
    assert [event["toolName"] for event in collector.events()] == ["inner", "inner"]
    assert {event["sessionId"] for event in collector.events()} == {"sess_u_chat_1"}


def test_finish_ends_the_context_too(collector: Collector) -> None:
    async def run() -> None:
        client = async_client(collector)
        interaction = await client.begin("u", "chat")
        assert get_session_context() == "sess_u_chat_1"
        await interaction.finish()
        assert get_session_context() is None

    in_loop(run())


def test_concurrent_tasks_keep_to_their_own_sessions(collector: Collector) -> None:
    """D5, D8, A6: each task's tools, state and input are those of its session."""

    async def one(client: sentrial.AsyncSentrialClient, number: int) -> None:
        async with client.begin(f"u{number}", "chat", input=f"in{number}") as interaction:
            for step in range(3):
                client.update_state("k", [number, step])
                await asyncio.sleep(0.001 * (number % 3))
                await asynchronous(number)
            interaction.set_output(f"out{number}")

    async def run() -> None:
        async with async_client(collector) as client:
            client.update_state("shared", "by the parent")
            await asyncio.gather(*(one(client, number) for number in range(20)))

    in_loop(run())
    groups = collector.by_session()
    assert len(groups) == 20
    for session, requests in groups.items():
        number = int(session.removeprefix("sess_u").partition("_")[0])
        events = [request.json for request in requests if request.json.get("eventType")]
        assert [event["toolInput"] for event in events] == [{"value": number}] * 3
        assert [event["stateBefore"]["k"] for event in events] == [[number, n] for n in range(3)]
        assert requests[-1].json["userInput"] == f"in{number}"
        assert requests[-1].json["assistantOutput"] == f"out{number}"


def test_an_interaction_begun_in_another_task_is_current_in_its_block(
    collector: Collector,
) -> None:
    async def run() -> None:
        client = async_client(collector)
        async with await asyncio.wait_for(client.begin("u", "chat"), 5):
            await asynchronous(1)
        await client.flush()
        async with await asyncio.create_task(client.begin("u", "chat")):
            await asynchronous(2)
        await client.flush()

    in_loop(run())
    sessions = [event["sessionId"] for event in collector.events()]
    assert sessions == ["sess_u_chat_1", "sess_u_chat_2"]


def test_several_begin_together(collector: Collector) -> None:
    async def run() -> None:
        client = async_client(collector)
        first, second = await asyncio.gather(client.begin("a", "x"), client.begin("b", "x"))
        await asyncio.gather(first.finish(), second.finish())
        await client.flush()

    in_loop(run())
    assert len(collector.requests("PATCH")) == 2


def test_a_nested_interaction_gives_the_outer_one_back(collector: Collector) -> None:
    async def run() -> None:
        client = async_client(collector)
        async with client.begin("u", "outer") as outer:
            async with client.begin("u", "inner", parent_session_id=outer):
                await asynchronous(1)
            await asynchronous(2)
        await client.flush()

    in_loop(run())
    # Of two sessions, so in any order.
    assert {(event["sessionId"], event["toolInput"]["value"]) for event in collector.events()} == {
        ("sess_u_inner_1", 1),
        ("sess_u_outer_1", 2),
    }
    created = collector.bodies("POST", "/api/sdk/sessions")
    assert [body.get("parentSessionId") for body in created] == [None, "sess_u_outer_1"]


def test_an_async_client_can_be_named_in_the_session_context(collector: Collector) -> None:
    async def run() -> None:
        client = async_client(collector)
        set_session_context("s", client)
        await asynchronous(1)
        await client.flush()
        sentrial.clear_session_context()

    in_loop(run())
    assert [event["sessionId"] for event in collector.events()] == ["s"]


def test_nothing_begins_before_it_is_awaited(collector: Collector) -> None:
    async def run() -> None:
        client = async_client(collector)
        begun = client.begin("u", "chat")
        assert client.stats()["accepted"] == 0
        begun.close()

    in_loop(run())
