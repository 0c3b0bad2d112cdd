"""`@tool`: calls of a function become tool calls of the current session."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.answers import Answer
from tests.support.sdk import client_for, in_loop, sessions_sent

if TYPE_CHECKING:
    from tests.support.collector import Collector


@pytest.fixture
def client(collector: Collector) -> sentrial.SentrialClient:
    return client_for(collector)


@sentrial.tool
def search(query: str, limit: int = 3, *tags: str, **options: Any) -> dict[str, Any]:
    """Search for something."""
    return {"found": query, "limit": limit}


@sentrial.tool
async def fetch(url: str) -> str:
    await asyncio.sleep(0)
    return f"<{url}>"


class BrokenTextError(Exception):
    """An exception that cannot say what is wrong."""

    def __str__(self) -> str:
        raise RuntimeError


def events(client: sentrial.SentrialClient, collector: Collector) -> list[Any]:
    requests = sessions_sent(client, collector)["sess_u_agent_1"]
    return [request.json for request in requests if request.path.endswith("/events")]


def test_a_call_is_recorded_with_its_bound_arguments_and_result(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "agent"):
        assert search("words", 5, "a", "b", fast=True) == {"found": "words", "limit": 5}
        assert search("more") == {"found": "more", "limit": 3}
    first, second = events(client, collector)
    assert first["eventType"] == "tool_call"
    assert first["toolName"] == "search"
    assert first["toolInput"] == {
        "query": "words",
        "limit": 5,
        "tags": ["a", "b"],
        "options": {"fast": True},
    }
    assert first["toolOutput"] == {"found": "words", "limit": 5}
    assert isinstance(first["metadata"]["duration_ms"], int)
    assert second["toolInput"]["limit"] == 3


def test_the_name_can_be_given(client: sentrial.SentrialClient, collector: Collector) -> None:
    def plain() -> int:
        return 1

    with client.begin("u", "agent"):
        for wrap in (
            sentrial.tool("a"),
            sentrial.tool(name="b"),
            sentrial.tool(),
            sentrial.tool,
        ):
            assert wrap(plain)() == 1
    sent = events(client, collector)
    assert [event["toolName"] for event in sent] == ["a", "b", "plain", "plain"]
    assert sent[0]["toolOutput"] == {"result": 1}


def test_coroutine_functions_stay_coroutine_functions(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    assert inspect.iscoroutinefunction(fetch)

    async def main() -> list[str]:
        with client.begin("u", "agent"):
            return await asyncio.gather(fetch("a"), fetch("b"))

    assert in_loop(main()) == ["<a>", "<b>"]
    sent = events(client, collector)
    assert [event["toolInput"] for event in sent] == [{"url": "a"}, {"url": "b"}]
    assert sent[0]["toolOutput"] == {"result": "<a>"}


def test_the_wrapped_function_looks_like_the_original() -> None:
    assert search.__name__ == "search"
    assert search.__doc__ == "Search for something."
    assert list(inspect.signature(search).parameters) == ["query", "limit", "tags", "options"]


def test_methods_of_all_kinds(client: sentrial.SentrialClient, collector: Collector) -> None:
    class Desk:
        def __str__(self) -> str:
            return "the desk"

        @sentrial.tool
        def ask(self, word: str) -> str:
            return word.upper()

        @classmethod
        @sentrial.tool
        def count(cls) -> int:
            return 2

        @staticmethod
        @sentrial.tool
        def ping() -> str:
            return "pong"

    with client.begin("u", "agent"):
        assert (Desk().ask("hi"), Desk.count(), Desk.ping()) == ("HI", 2, "pong")
    ask, count, ping = events(client, collector)
    assert ask["toolInput"] == {"self": "<Desk>", "word": "hi"}
    assert list(count["toolInput"]) == ["cls"]
    assert ping["toolInput"] == {}


def test_nested_tools_are_recorded_as_they_end(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    @sentrial.tool
    def inner(n: int) -> int:
        return n + 1

    @sentrial.tool
    def outer(n: int) -> int:
        return inner(n) * 2

    with client.begin("u", "agent"):
        assert outer(1) == 4
    sent = events(client, collector)
    assert [event["toolName"] for event in sent] == ["inner", "outer"]
    assert sent[1]["stateBefore"] == {"inner_result": {"result": 2}}


def test_an_exception_is_recorded_and_raised_again_as_it_is(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    problem = KeyError("missing")

    @sentrial.tool
    def broken() -> None:
        raise problem

    with client.begin("u", "agent"):
        with pytest.raises(KeyError) as caught:
            broken()
        assert caught.value is problem
    (event,) = events(client, collector)
    assert event["eventType"] == "error"
    assert event["toolName"] == "broken"
    error = event["toolError"]
    assert (error["message"], error["type"]) == ("'missing'", "KeyError")
    assert "raise problem" in error["stack_trace"]
    assert isinstance(event["metadata"]["duration_ms"], int)


def test_an_exception_of_a_coroutine_is_recorded_and_raised_again(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    @sentrial.tool
    async def broken() -> None:
        await asyncio.sleep(0)
        raise ValueError("late")

    async def main() -> None:
        with client.begin("u", "agent"), pytest.raises(ValueError, match=r"^late$"):
            await broken()

    in_loop(main())
    (event,) = events(client, collector)
    assert (event["toolError"]["message"], event["toolError"]["type"]) == ("late", "ValueError")


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_d4_what_stops_a_tool_is_recorded_as_its_failure(
    client: sentrial.SentrialClient, collector: Collector, problem: BaseException
) -> None:
    @sentrial.tool
    def stopped() -> None:
        raise problem

    interaction = client.begin("u", "agent")
    with pytest.raises(type(problem)) as caught:
        stopped()
    assert caught.value is problem
    interaction.finish()
    [event] = events(client, collector)
    assert event["eventType"] == "error"
    assert event["toolError"]["type"] == type(problem).__name__


def test_an_exception_whose_text_cannot_be_made_is_still_raised(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    @sentrial.tool
    def broken() -> None:
        raise BrokenTextError

    with client.begin("u", "agent"), pytest.raises(BrokenTextError):
        broken()
    (event,) = events(client, collector)
    assert event["toolError"]["type"] == "BrokenTextError"


def test_outside_of_a_session_nothing_is_recorded(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    assert search("words") == {"found": "words", "limit": 3}
    assert in_loop(fetch("a")) == "<a>"
    client.flush()
    assert collector.requests() == []


def test_arguments_that_do_not_fit_raise_the_functions_own_error(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    @sentrial.tool
    def narrow(a: int) -> int:
        return a

    with client.begin("u", "agent"), pytest.raises(TypeError, match="narrow"):
        narrow(1, 2, b=3)  # type: ignore[call-arg]
    (event,) = events(client, collector)
    assert (event["eventType"], event["toolError"]["type"]) == ("error", "TypeError")


def test_objects_are_shown_as_text_and_long_text_of_them_is_cut(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    class Thing:
        def __str__(self) -> str:
            return "t" * 5000

    class Mute:
        def __str__(self) -> str:
            raise RuntimeError

    @sentrial.tool
    def take(*things: object) -> tuple[int, object]:
        return 1, things[0]

    with client.begin("u", "agent"):
        take(Thing(), Mute(), "s" * 5000, {1: (2, 3)})
    (event,) = events(client, collector)
    things = event["toolInput"]["things"]
    assert things == ["t" * 1000, "<Mute>", "s" * 5000, {"1": [2, 3]}]
    assert event["toolOutput"] == {"result": [1, "t" * 1000]}


def test_the_arguments_are_those_at_the_time_of_the_call(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    @sentrial.tool
    def drain(items: list[int]) -> int:
        total = sum(items)
        items.clear()
        return total

    with client.begin("u", "agent"):
        assert drain([1, 2]) == 3
    (event,) = events(client, collector)
    assert event["toolInput"] == {"items": [1, 2]}


def test_a_loud_client_that_cannot_deliver_does_not_break_the_tool(refusing: str) -> None:
    client = client_for(refusing, fail_silently=False, max_retries=0)
    sentrial.set_session_context("sess_1", client)
    assert search("words") == {"found": "words", "limit": 3}


def test_a_loud_client_that_cannot_deliver_does_not_replace_the_tools_own_error(
    refusing: str,
) -> None:
    @sentrial.tool
    def broken() -> None:
        raise ValueError("mine")

    client = client_for(refusing, fail_silently=False, max_retries=0)
    sentrial.set_session_context("sess_1", client)
    with pytest.raises(ValueError, match=r"^mine$"):
        broken()


def test_a_coroutine_does_not_hold_up_the_loop_while_its_call_is_delivered(
    collector: Collector,
) -> None:
    client = client_for(collector, batching=False)
    collector.always("POST", "/api/sdk/events", Answer(delay=0.6))

    async def main() -> float:
        longest, last = 0.0, time.perf_counter()
        calling = asyncio.create_task(fetch("a"))
        while not calling.done():
            await asyncio.sleep(0.005)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        return longest

    sentrial.set_session_context("sess_1", client)
    longest = in_loop(main())
    collector.wait_for(1, path="/api/sdk/events")
    assert longest < 0.4
