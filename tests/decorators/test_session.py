"""`@session`: each call of a function is a session."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import logging
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
import sentrial.client
from sentrial.decorators import clear_session_entry_points, get_session_entry_points

from tests.decorators.sent import sent
from tests.support.answers import Answer
from tests.support.sdk import client_for, in_loop, loud, messages

if TYPE_CHECKING:
    from tests.support.collector import Collector


@sentrial.tool
def search(query: str) -> dict[str, Any]:
    return {"hits": [query]}


@sentrial.tool
async def fetch(query: str) -> str:
    await asyncio.sleep(0)
    return query


@sentrial.session("support")
def support(user_id: str, message: str) -> dict[str, Any]:
    if message == "boom":
        raise RuntimeError("agent boom")
    found = search(message)
    return {"response": f"found {len(found['hits'])}"}


@sentrial.session("async-support")
async def asupport(user_id: str, message: str) -> dict[str, Any]:
    if message == "boom":
        raise RuntimeError("agent boom")
    await fetch(message)
    search(message)
    return {"output": f"re: {message}"}


def test_a_call_is_a_session_with_its_tools(
    either: sentrial.SentrialClient, collector: Collector
) -> None:
    assert support("u", message="words") == {"response": "found 1"}
    mine = sent(either, collector)["u_support_1"]
    assert mine.created["agentName"] == "support"
    assert mine.created["userId"] == "u"
    assert mine.created["metadata"]["input"] == "words"
    assert mine.tools == ["search"]
    [done] = mine.completed
    assert (done["status"], done["success"]) == ("completed", True)
    assert (done["userInput"], done["assistantOutput"]) == ("words", "found 1")
    assert sentrial.get_current_interaction() is None


def test_d1_tools_inside_an_async_session_are_recorded(
    either: sentrial.SentrialClient, collector: Collector
) -> None:
    assert inspect.iscoroutinefunction(asupport)

    async def use() -> None:
        assert await asupport("u", "words") == {"output": "re: words"}
        assert sentrial.get_session_context() is None

    in_loop(use())
    mine = sent(either, collector)["u_async-support_1"]
    assert mine.tools == ["fetch", "search"]
    assert mine.completed[0]["assistantOutput"] == "re: words"


def test_d2_concurrent_sessions_have_each_their_own_input(
    either: sentrial.SentrialClient, collector: Collector
) -> None:
    @sentrial.session("conc")
    async def agent(user_id: str, message: str) -> str:
        await fetch(message)
        await asyncio.sleep(0.01)
        return f"out {message}"

    async def use() -> None:
        await asyncio.gather(*(agent(f"user{n}", f"in{n}") for n in range(20)))

    in_loop(use())
    everything = sent(either, collector)
    for n in range(20):
        mine = everything[f"user{n}_conc_1"]
        [done] = mine.completed
        assert (done["userInput"], done["assistantOutput"]) == (f"in{n}", f"out in{n}")
        assert [event["toolInput"]["query"] for event in mine.events] == [f"in{n}"]


@pytest.mark.parametrize("agent", [support, asupport])
def test_a_failure_fails_the_session_and_is_raised_as_it_is(
    either: sentrial.SentrialClient, collector: Collector, agent: Any
) -> None:
    async def use() -> None:
        result = agent("u", "boom")
        await result

    with pytest.raises(RuntimeError, match="agent boom"):
        in_loop(use())
    [mine] = sent(either, collector).values()
    [done] = mine.completed
    assert (done["status"], done["success"]) == ("failed", False)
    assert done["failureReason"] == "RuntimeError: agent boom"


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), SystemExit(3)])
def test_d4_what_stops_the_program_fails_the_session(
    client: sentrial.SentrialClient, collector: Collector, problem: BaseException
) -> None:
    @sentrial.session
    def agent(user_id: str) -> None:
        raise problem

    with pytest.raises(type(problem)) as caught:
        agent("u")
    assert caught.value is problem
    assert sentrial.get_session_context() is None
    [done] = sent(client, collector)["u_agent_1"].completed
    assert done["success"] is False
    assert done["failureReason"].startswith(type(problem).__name__)


def test_d4_a_cancelled_session_is_completed_as_failed(
    either: sentrial.SentrialClient, collector: Collector
) -> None:
    @sentrial.tool
    async def slow() -> None:
        await asyncio.sleep(60)

    @sentrial.session("slow")
    async def agent(user_id: str) -> None:
        await slow()

    async def use() -> None:
        task = asyncio.create_task(agent("u"))
        while not collector.bodies():  # noqa: ASYNC110  it is another thread that gets them
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_loop(use())
    mine = sent(either, collector)["u_slow_1"]
    [done] = mine.completed
    assert (done["success"], done["failureReason"]) == (False, "CancelledError: ")
    assert [event["toolError"]["type"] for event in mine.events] == ["CancelledError"]


@pytest.mark.parametrize(
    ("arguments", "user", "given"),
    [
        ({"user_id": None}, "None", None),
        ({"user_id": 7, "query": "q"}, "7", "q"),
        ({"message": "m", "query": "q"}, "anonymous", "m"),
        ({"message": "m", "input": "i"}, "anonymous", "i"),
        ({"input": 5, "text": "t"}, "anonymous", "t"),
        ({"message": [], "prompt": ["a", 1]}, "anonymous", "['a', 1]"),
        ({"message": ["x" * 1000]}, "anonymous", "['" + "x" * 498),
    ],
)
def test_where_the_user_and_the_input_come_from(
    client: sentrial.SentrialClient,
    collector: Collector,
    arguments: dict[str, Any],
    user: str,
    given: str | None,
) -> None:
    @sentrial.session("agent")
    def agent(**options: Any) -> None:
        pass

    @functools.wraps(agent)
    def named(
        user_id: Any = None,
        input: Any = None,  # noqa: A002  the documented name
        message: Any = None,
        query: Any = None,
        prompt: Any = None,
        text: Any = None,
    ) -> None:
        pass

    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in arguments]
    named.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    sentrial.session("agent")(named)(**arguments)
    [mine] = sent(client, collector).values()
    assert mine.created["userId"] == user
    assert mine.created["metadata"].get("input") == given


def test_the_parameters_can_be_named(client: sentrial.SentrialClient, collector: Collector) -> None:
    @sentrial.session(agent_name="bot", user_id_param="who", input_param="ask", message_param="say")
    def agent(who: str, say: str, ask: str = "default") -> None:
        pass

    agent("u", "said")
    [mine] = sent(client, collector).values()
    assert (mine.created["agentName"], mine.created["userId"]) == ("bot", "u")
    assert mine.created["metadata"]["input"] == "default"


@pytest.mark.parametrize(
    ("result", "output"),
    [
        ("text", "text"),
        ("x" * 2000, "x" * 2000),
        (None, None),
        ({"response": 5, "output": "o"}, "5"),
        ({"output": "o"}, "o"),
        ({"a": 1}, "{'a': 1}"),
        ([1] * 1000, str([1] * 1000)[:1000]),
    ],
)
def test_what_the_output_is(
    client: sentrial.SentrialClient, collector: Collector, result: object, output: str | None
) -> None:
    @sentrial.session
    def agent(user_id: str) -> object:
        return result

    assert agent("u") is result
    [done] = sent(client, collector)["u_agent_1"].completed
    assert done.get("assistantOutput") == output


def test_a_call_that_cannot_be_bound_fails_its_session(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with pytest.raises(TypeError):
        support(user_id="u", wrong=1)  # type: ignore[call-arg]
    [mine] = sent(client, collector).values()
    assert mine.created["userId"] == "u"
    assert mine.completed[0]["failureReason"].startswith("TypeError: ")


def test_c14_a_failure_of_ours_never_takes_the_place_of_the_result(
    collector: Collector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentrial.client._default", loud(collector))
    collector.script("POST", "/api/sdk/sessions", Answer(500))
    assert support("u", "words") == {"response": "found 1"}
    collector.script("PATCH", "/api/sdk/sessions/sess_u_async-support_1", Answer(500))
    assert in_loop(asupport("u", "words")) == {"output": "re: words"}
    lines = messages(caplog, logging.WARNING)
    assert any("could not be begun" in line for line in lines)
    assert any("could not be completed" in line for line in lines)


def test_nested_sessions_are_children(
    either: sentrial.SentrialClient, collector: Collector
) -> None:
    @sentrial.session("inner")
    def inner(user_id: str) -> None:
        search("deep")

    @sentrial.session("outer")
    async def outer(user_id: str) -> None:
        inner("u")
        search("shallow")

    in_loop(outer("u"))
    everything = sent(either, collector)
    assert everything["u_inner_1"].created["parentSessionId"] == "sess_u_outer_1"
    assert "parentSessionId" not in everything["u_outer_1"].created
    assert [e["toolInput"]["query"] for e in everything["u_inner_1"].events] == ["deep"]
    assert [e["toolInput"]["query"] for e in everything["u_outer_1"].events] == ["shallow"]


def test_sync_sessions_in_threads_do_not_mix(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    async def use() -> None:
        await asyncio.gather(*(asyncio.to_thread(support, f"u{n}", f"words {n}") for n in range(8)))

    in_loop(use())
    everything = sent(client, collector)
    for n in range(8):
        mine = everything[f"u{n}_support_1"]
        assert [event["toolInput"]["query"] for event in mine.events] == [f"words {n}"]


def test_methods_partials_and_objects(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    class Agent:
        @sentrial.session("method")
        def run(self, user_id: str) -> str:
            return user_id

        @sentrial.session("static")
        @staticmethod
        def static(user_id: str) -> str:
            return user_id

        @sentrial.tool
        @classmethod
        def made(cls) -> str:
            return cls.__name__

        async def __call__(self, user_id: str) -> str:
            return user_id

    assert (Agent().run("u"), Agent.static("u"), Agent().static("u")) == ("u", "u", "u")
    assert in_loop(sentrial.session(Agent())("u")) == "u"
    assert sentrial.session(functools.partial(support, message="words"))("u")
    assert sentrial.tool(functools.partial(search, "x"))() == {"hits": ["x"]}
    assert Agent.made() == "Agent"
    assert {"u_method_1", "u_static_1", "u_agent_1", "u_support_1"} <= set(sent(client, collector))


def test_d5_functions_decorated_at_run_time_are_not_kept() -> None:
    clear_session_entry_points()

    @sentrial.session
    def first(user_id: str) -> None:
        pass

    sentrial.session(lambda user_id: user_id)
    gc.collect()
    assert get_session_entry_points() == [first]
    clear_session_entry_points()
    assert get_session_entry_points() == []


def test_a_session_without_a_key_does_nothing(
    clean_env: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert support("u", "words") == {"response": "found 1"}
    assert in_loop(asupport("u", "words")) == {"output": "re: words"}


def test_it_works_with_the_async_client(collector: Collector) -> None:
    async def use() -> None:
        client = sentrial.AsyncSentrialClient(collector.url, "sentrial_live_" + "0" * 24)
        async with client.begin("u", "outer"):
            await fetch("one")
            await asupport("u", "two")
        async with sentrial.SessionContext("v", "block", "in", client=client) as block:  # type: ignore[arg-type]
            await fetch("three")
            block.set_output("out")
        await client.close()

    in_loop(use())
    everything = sent(client_for(collector), collector)
    assert everything["u_outer_1"].tools == ["fetch"]
    assert everything["u_async-support_1"].tools == ["fetch", "search"]
    assert everything["v_block_1"].tools == ["fetch"]
    assert everything["v_block_1"].completed[0]["assistantOutput"] == "out"


def test_a_session_is_a_child_of_what_was_begun_without_a_block(
    either: sentrial.SentrialClient, collector: Collector
) -> None:
    interaction = either.begin("u", "outer")
    support("u", "words")
    in_loop(asupport("u", "words"))
    with sentrial.SessionContext("u", "block"):
        pass
    interaction.finish()
    everything = sent(either, collector)
    for key in ("u_support_1", "u_async-support_1", "u_block_1"):
        assert everything[key].created["parentSessionId"] == "sess_u_outer_1"
