"""The Claude wrappers with messages as dicts and objects, without the SDK."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sentrial.claude_code import wrap_claude_agent

from tests.integrations.events import Sent
from tests.support.sdk import in_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    import sentrial

    from tests.support.collector import Collector

# The id that the collector gives to the first session of "u" and the default agent.
SESSION = "sess_u_claude-agent_1"
INIT = {"type": "system", "subtype": "init", "session_id": "sdk1", "model": "m"}
RESULT = {"type": "result", "is_error": False, "usage": {"input_tokens": 5, "output_tokens": 6}}
USES = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
GIVES = {"type": "tool_result", "tool_use_id": "t1", "content": "file.txt"}


def says(*messages: Any, error: Exception | None = None) -> Callable[..., Any]:
    """Return a function like `query` that yields these messages."""

    async def query(prompt: Any = None, options: Any = None) -> Any:
        for message in messages:
            yield message
        if error is not None:
            raise error

    return query


async def collected(stream: Any) -> list[Any]:
    return [message async for message in stream]


@pytest.fixture
def sent(client: sentrial.SentrialClient, collector: Collector) -> Callable[[], Sent]:
    return lambda: Sent(client, collector)


@dataclass
class SystemMessage:
    """As in the SDK."""

    subtype: str
    data: dict[str, Any]


@dataclass
class ToolUseBlock:
    """As in the SDK."""

    id: str
    name: str
    input: dict[str, Any] | None


@dataclass
class ToolResultBlock:
    """As in the SDK."""

    tool_use_id: str
    content: Any = None
    is_error: bool | None = None


@dataclass
class AssistantMessage:
    """As in the SDK."""

    content: Any


@dataclass
class UserMessage:
    """As in the SDK."""

    content: Any


@dataclass
class ResultMessage:
    """As in the SDK."""

    subtype: str
    is_error: bool
    result: str


MESSAGES: dict[str, list[Any]] = {
    "dicts": [
        INIT,
        {"type": "assistant", "message": {"content": [USES]}},
        {"type": "user", "message": {"content": [GIVES]}},
        {**RESULT, "result": "done"},
    ],
    "objects": [
        SystemMessage("init", {"session_id": "sdk1", "model": "m"}),
        AssistantMessage("only text"),
        AssistantMessage([ToolUseBlock("t1", "Bash", {"command": "ls"})]),
        UserMessage([ToolResultBlock("t1", "file.txt")]),
        SystemMessage("other", {}),
        ResultMessage("success", False, "done"),
    ],
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_messages_of_either_kind(
    client: sentrial.SentrialClient, sent: Callable[[], Sent], kind: str
) -> None:
    tracked = wrap_claude_agent(says(*MESSAGES[kind]), client=client)
    assert in_loop(collected(tracked("positional prompt"))) == MESSAGES[kind]
    assert sent().bodies[0]["name"] == "claude-agent: positional prompt"
    assert sent().bodies[0]["metadata"]["sdk_session_id"] == "sdk1"
    (call,) = sent().tools()
    assert (call["toolName"], call["toolInput"]) == ("Bash", {"command": "ls"})
    assert call["toolOutput"] == {"response": "file.txt"}
    assert sent().completion()["assistantOutput"] == "done"


def test_k1_every_keyword_is_passed_on(client: sentrial.SentrialClient) -> None:
    given: dict[str, Any] = {}

    async def like_query(**kwargs: Any) -> Any:
        given.update(kwargs)
        yield INIT

    tracked = wrap_claude_agent(like_query, client=client)
    in_loop(collected(tracked("positional", options=1, transport="t", more=2)))
    assert given == {"prompt": "positional", "options": 1, "transport": "t", "more": 2}


def test_a_query_that_raises(client: sentrial.SentrialClient, sent: Callable[[], Sent]) -> None:
    tracked = wrap_claude_agent(says(INIT, error=ValueError("sdk died")), client=client)
    with pytest.raises(ValueError, match="sdk died"):
        in_loop(collected(tracked(prompt="p")))
    assert sent().completion()["failureReason"] == "sdk died"


def test_a_query_that_ends_without_a_result(
    client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    in_loop(collected(wrap_claude_agent(says(INIT), client=client)(prompt="p")))
    reason = sent().completion()["failureReason"]
    assert reason == "Session interrupted (generator closed early)"


def test_nothing_is_recorded_of_what_does_not_introduce_itself(
    client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    in_loop(collected(wrap_claude_agent(says(RESULT), client=client)(prompt="p")))
    assert sent().bodies == []


def test_a_session_that_could_not_be_made(
    client: sentrial.SentrialClient, collector: Collector, sent: Callable[[], Sent]
) -> None:
    collector.script("POST", "/api/sdk/sessions", 400)
    tracked = wrap_claude_agent(says(*MESSAGES["dicts"]), client=client)
    assert in_loop(collected(tracked(prompt="p"))) == MESSAGES["dicts"]
    assert len(sent().bodies) == 1


def test_without_a_loop_of_asyncio(
    client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    """Drive the coroutines as another library for them does (trio)."""

    def now(coroutine: Any) -> Any:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        raise AssertionError("something waits")

    stream = wrap_claude_agent(says(*MESSAGES["dicts"]), client=client)(prompt="p")
    received = [now(anext(stream)) for _ in MESSAGES["dicts"]]
    with pytest.raises(StopAsyncIteration):
        now(anext(stream))
    assert received == MESSAGES["dicts"]
    assert [call["toolName"] for call in sent().tools()] == ["Bash"]
    assert sent().completion()["assistantOutput"] == "done"


def test_h1_costs_of_others_are_kept(
    client: sentrial.SentrialClient, collector: Collector, sent: Callable[[], Sent]
) -> None:
    async def query(prompt: Any = None) -> Any:
        yield INIT
        yield {"type": "assistant", "message": {"content": [USES]}}
        yield {"type": "user", "message": {"content": [GIVES]}}
        # By then the client knows the session by its id.
        await asyncio.to_thread(collector.wait_for, 1, path="/api/sdk/events")
        # A tool of the agent that costs something of its own.
        client.track_tool_call(SESSION, "search", {}, {}, estimated_cost=0.25)
        yield {**RESULT, "total_cost_usd": 0.5}

    in_loop(collected(wrap_claude_agent(query, client=client, user_id="u")(prompt="p")))
    assert sent().completion()["estimatedCost"] == 0.75


def test_bad_messages_pass_and_are_recorded_as_far_as_possible(
    client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    class Odd:
        pass

    messages: list[Any] = [
        None,
        Odd(),
        "text",
        {"type": "system", "subtype": "init"},
        {"type": "assistant", "message": None},
        {"type": "assistant", "message": {"content": [None, Odd(), {"type": "tool_use"}]}},
        {"type": "user", "message": {"content": [{"type": "tool_result", "content": None}]}},
        {"type": "result"},
    ]

    async def odd_query(prompt: Any = None) -> Any:
        for message in messages:
            yield message

    async def run() -> list[Any]:
        tracked = wrap_claude_agent(odd_query, client=client)
        return [message async for message in tracked(prompt=3)]

    assert in_loop(run()) == messages
    assert sent().bodies[0]["name"] == "claude-agent session"
    assert sent().completion()["success"] is True
