"""The real Claude Agent SDK with a program that speaks the protocol of `claude`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.integrations.events import Sent
from tests.support.sdk import KEY, client_for, in_loop

pytest.importorskip("claude_agent_sdk", reason="needs claude-agent-sdk")

from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, ResultMessage, query
from sentrial.claude_code import TrackedClaudeClient, wrap_claude_agent, wrap_claude_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.collector import Collector

# The SDK, left early, leaves streams and processes of its own unclosed, wrapped or not.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def leftovers() -> Iterator[None]:
    """Collect what the SDK leaves here, and not in the test that comes next."""
    yield
    gc.collect()


INIT = {
    "type": "system",
    "subtype": "init",
    "session_id": "sdk1",
    "model": "claude-sonnet-4-5",
    "tools": ["Bash"],
    "cwd": "/w",
    "mcp_servers": [],
    "claude_code_version": "99.0.0",
}
RESULT = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "duration_ms": 1234567,
    "duration_api_ms": 900,
    "num_turns": 2,
    "session_id": "sdk1",
    "total_cost_usd": 0.0123,
    "usage": {"input_tokens": 100, "output_tokens": 40},
    "result": "all done",
}


def assistant(*content: dict[str, Any], parent: str | None = None) -> dict[str, Any]:
    return {
        "type": "assistant",
        "message": {"model": "claude-sonnet-4-5", "content": list(content)},
        "parent_tool_use_id": parent,
        "session_id": "sdk1",
    }


def user(*content: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "user",
        "message": {"role": "user", "content": list(content)},
        "parent_tool_use_id": None,
        "session_id": "sdk1",
    }


def use(key: str, name: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": key, "name": name, "input": given}


def got(key: str, content: Any, is_error: bool | None = None) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": key, "content": content}
    return block if is_error is None else {**block, "is_error": is_error}


@pytest.fixture
def scripted(tmp_path: Path) -> Callable[..., ClaudeAgentOptions]:
    """Give options under which `claude` says the given turns."""

    def make(*turns: list[dict[str, Any]]) -> ClaudeAgentOptions:
        script = tmp_path / "script.json"
        script.write_text(json.dumps(turns))
        program = tmp_path / "claude"
        source = Path(__file__).with_name("claude_cli.py").read_text()
        program.write_text(f"#!{sys.executable}\n{source}")
        program.chmod(0o755)
        return ClaudeAgentOptions(
            cli_path=str(program), env={"CLAUDE_SCRIPT": str(script)}, cwd=str(tmp_path)
        )

    return make


@pytest.fixture(params=["sync", "async"])
def either(request: pytest.FixtureRequest, collector: Collector) -> Any:
    """Give a sync and an async client."""
    if request.param == "sync":
        return client_for(collector)
    return sentrial.AsyncSentrialClient(collector.url, KEY)


def sent_by(client: Any, collector: Collector) -> Sent:
    return Sent(getattr(client, "_client", client), collector)


async def collected(stream: Any, stop: int | None = None) -> list[str]:
    kinds = []
    async for message in stream:
        kinds.append(type(message).__name__)
        if len(kinds) == stop:
            break
    if stop is not None:
        await stream.aclose()
    return kinds


Scripted = "Callable[..., ClaudeAgentOptions]"


def test_k4_a_run_is_a_session_with_either_client(
    either: Any, collector: Collector, scripted: Scripted
) -> None:
    options = scripted(
        [
            INIT,
            assistant(
                {"type": "text", "text": "let me"},
                use("t1", "Bash", command="ls"),
                use("t2", "Read", path="x"),
            ),
            user(got("t1", "file.txt")),
            user(got("t2", [{"type": "text", "text": "content of x"}])),
            RESULT,
        ]
    )
    tracked = wrap_claude_agent(
        query,
        client=either,
        default_agent="coder",
        user_id="u1",
        convo_id="cv",
        extra_metadata={"env": "test"},
    )
    kinds = in_loop(collected(tracked(prompt="fix the tests", options=options)))
    assert kinds == [
        "SystemMessage",
        "AssistantMessage",
        "UserMessage",
        "UserMessage",
        "ResultMessage",
    ]
    sent = sent_by(either, collector)
    session = sent.bodies[0]
    assert session["name"] == "coder: fix the tests"
    assert (session["agentName"], session["userId"], session["convoId"]) == ("coder", "u1", "cv")
    assert session["metadata"] == {
        "model": "claude-sonnet-4-5",
        "tools": ["Bash"],
        "cwd": "/w",
        "mcp_servers": [],
        "sdk_session_id": "sdk1",
        "env": "test",
    }
    assert [(c["toolName"], c["toolInput"], c["toolOutput"]) for c in sent.tools()] == [
        ("Bash", {"command": "ls"}, {"response": "file.txt"}),
        ("Read", {"path": "x"}, {"response": "content of x"}),
    ]
    done = sent.completion()
    assert done["success"] is True
    assert done["durationMs"] == 1234567
    assert done["estimatedCost"] == pytest.approx(0.0123)
    assert (done["promptTokens"], done["completionTokens"]) == (100, 40)
    assert (done["userInput"], done["assistantOutput"]) == ("fix the tests", "all done")
    assert done["customMetrics"] == {"num_turns": 2, "duration_api_ms": 900}
    assert collector.bodies()[-1] == done  # the end comes last


def test_k3_uses_without_result_and_results_without_use_are_kept(
    client: sentrial.SentrialClient, collector: Collector, scripted: Scripted
) -> None:
    options = scripted(
        [
            INIT,
            assistant(use("t1", "Bash", command="ls"), use("t2", "Read", path="x")),
            user(got("t1", "out"), got("lost", "whose?")),
            RESULT,
        ]
    )
    in_loop(collected(wrap_claude_agent(query, client=client)(prompt="p", options=options)))
    tools = {c["metadata"]["tool_use_id"]: c for c in sent_by(client, collector).tools()}
    assert tools["t1"]["toolOutput"] == {"response": "out"}
    assert tools["lost"]["toolName"] == "unknown_tool"
    assert tools["lost"]["toolOutput"] == {"response": "whose?"}
    assert tools["t2"]["toolName"] == "Read"
    assert tools["t2"]["toolOutput"] == {}


def test_k5_tool_errors_are_errors(
    client: sentrial.SentrialClient, collector: Collector, scripted: Scripted
) -> None:
    options = scripted(
        [
            INIT,
            assistant(use("t1", "Bash", command="false"), parent="task1"),
            user(got("t1", "exit code 1", is_error=True)),
            RESULT,
        ]
    )
    in_loop(collected(wrap_claude_agent(query, client=client)(prompt="p", options=options)))
    (call,) = sent_by(client, collector).tools()
    assert call["toolError"] == {"message": "exit code 1"}
    assert call["toolOutput"] == {"response": "exit code 1"}
    assert call["metadata"]["parent_tool_use_id"] == "task1"


def test_k6_cached_tokens_count(
    client: sentrial.SentrialClient, collector: Collector, scripted: Scripted
) -> None:
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 200,
        "output_tokens": 5,
    }
    options = scripted([INIT, {**RESULT, "usage": usage}])
    in_loop(collected(wrap_claude_agent(query, client=client)(prompt="p", options=options)))
    done = sent_by(client, collector).completion()
    assert (done["promptTokens"], done["completionTokens"]) == (1210, 5)
    assert done["customMetrics"]["cache_read_input_tokens"] == 1000


def test_k7_blocks_that_are_no_text_stay_what_they_are(
    client: sentrial.SentrialClient, collector: Collector, scripted: Scripted
) -> None:
    blocks = [{"type": "text", "text": "see"}, {"type": "image", "source": {"type": "url"}}]
    options = scripted([INIT, assistant(use("t1", "Shot")), user(got("t1", blocks)), RESULT])
    in_loop(collected(wrap_claude_agent(query, client=client)(prompt="p", options=options)))
    (call,) = sent_by(client, collector).tools()
    assert call["toolOutput"] == {"content": blocks}


def test_a_failed_result(
    client: sentrial.SentrialClient, collector: Collector, scripted: Scripted
) -> None:
    failed = {
        **RESULT,
        "subtype": "error_during_execution",
        "is_error": True,
        "errors": ["e1", "e2"],
        "usage": None,
        "total_cost_usd": None,
        "result": None,
    }

    stream = wrap_claude_agent(query, client=client)(prompt="p", options=scripted([INIT, failed]))
    # Some versions raise what the program reports, after they have shown it.
    with contextlib.suppress(Exception):
        in_loop(collected(stream))
    done = sent_by(client, collector).completion()
    assert done["status"] == "failed"
    assert done["failureReason"] == "e1; e2"
    assert {"promptTokens", "estimatedCost"}.isdisjoint(done)


def test_a_program_that_dies(
    client: sentrial.SentrialClient, collector: Collector, scripted: Scripted
) -> None:
    options = scripted([INIT, assistant(use("t1", "Bash", command="x")), {"exit": 3}])
    with pytest.raises(Exception, match="3"):
        in_loop(collected(wrap_claude_agent(query, client=client)(prompt="p", options=options)))
    sent = sent_by(client, collector)
    assert [call["toolName"] for call in sent.tools()] == ["Bash"]
    done = sent.completion()
    assert done["status"] == "failed"
    assert done["failureReason"]


def test_k8_a_run_that_is_left_early(
    client: sentrial.SentrialClient, collector: Collector, scripted: Scripted
) -> None:
    options = scripted([INIT, assistant({"type": "text", "text": "hm"}), {"wait": True}, RESULT])
    stream = wrap_claude_agent(query, client=client)(prompt="p", options=options)
    assert in_loop(collected(stream, stop=2)) == ["SystemMessage", "AssistantMessage"]
    done = sent_by(client, collector).completion()
    assert done["failureReason"] == "Session interrupted (generator closed early)"


def test_a_run_that_is_cancelled(
    client: sentrial.SentrialClient, collector: Collector, scripted: Scripted
) -> None:
    options = scripted([INIT, {"wait": True}, RESULT])

    async def run() -> None:
        seen = asyncio.Event()

        async def consume() -> None:
            async for _ in wrap_claude_agent(query, client=client)(prompt="p", options=options):
                seen.set()

        task = asyncio.create_task(consume())
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_loop(run())
    assert sent_by(client, collector).completion()["status"] == "failed"


def test_messages_do_not_wait_for_the_server(
    client: sentrial.SentrialClient, collector: Collector, scripted: Scripted
) -> None:
    options = scripted([INIT, assistant(use("t1", "Bash")), user(got("t1", "x")), RESULT])

    async def run() -> list[str]:
        kinds = []
        stream = wrap_claude_agent(query, client=client)(prompt="p", options=options)
        collector.hold()
        async for message in stream:
            kinds.append(type(message).__name__)
            if kinds[-1] == "UserMessage":
                # Nothing has been answered, and three messages are here already.
                collector.release()
        return kinds

    assert in_loop(run())[-1] == "ResultMessage"
    assert len(sent_by(client, collector).tools()) == 1


def test_a_server_that_is_down_is_not_noticed(collector: Collector, scripted: Scripted) -> None:
    client = client_for(collector, wait_timeout=0.2)
    collector.refuse()
    options = scripted([INIT, RESULT])
    stream = wrap_claude_agent(query, client=client)(prompt="p", options=options)
    assert in_loop(collected(stream)) == ["SystemMessage", "ResultMessage"]


def test_wrapping_twice_records_once(
    client: sentrial.SentrialClient, collector: Collector, scripted: Scripted
) -> None:
    once = wrap_claude_agent(query, client=client, default_agent="first")
    twice = wrap_claude_agent(once, client=client, default_agent="second")
    in_loop(collected(twice(prompt="p", options=scripted([INIT, RESULT]))))
    sent = sent_by(client, collector)
    assert len(sent.completions()) == 1
    assert sent.bodies[0]["agentName"] == "second"


@pytest.mark.parametrize("receive", ["receive_response", "receive_messages"])
def test_a_client_is_a_session_per_turn(
    either: Any, collector: Collector, scripted: Scripted, receive: str
) -> None:
    options = scripted(
        [INIT, assistant(use("t1", "Bash")), user(got("t1", "x")), RESULT],
        [INIT, {**RESULT, "result": "second"}],
    )

    async def run() -> None:
        wrapped = ClaudeSDKClient(options=options)
        async with wrap_claude_client(wrapped, sentrial_client=either, default_agent="c") as agent:
            for prompt in ("one", "two"):
                await agent.query(prompt)
                stream = getattr(agent, receive)()
                async for message in stream:
                    if isinstance(message, ResultMessage):
                        break
                await stream.aclose()

    in_loop(run())
    sent = sent_by(either, collector)
    sessions = [body for body in sent.bodies if "agentName" in body]
    assert [session["name"] for session in sessions] == ["c: one", "c: two"]
    assert [session["metadata"]["turn"] for session in sessions] == [1, 2]
    assert {session["metadata"]["client_mode"] for session in sessions} == {"ClaudeSDKClient"}
    assert [done["assistantOutput"] for done in sent.completions()] == ["all done", "second"]


def test_one_stream_of_all_turns(
    client: sentrial.SentrialClient, collector: Collector, scripted: Scripted
) -> None:
    options = scripted([INIT, RESULT], [INIT, {**RESULT, "result": "second"}])

    async def run() -> None:
        async with wrap_claude_client(
            ClaudeSDKClient(options=options), sentrial_client=client
        ) as agent:
            await agent.query("one")
            stream = agent.receive_messages()
            results = 0
            async for message in stream:
                if isinstance(message, ResultMessage):
                    results += 1
                    if results == 2:
                        break
                    await agent.query("two")
            await stream.aclose()

    in_loop(run())
    sent = sent_by(client, collector)
    assert [done["userInput"] for done in sent.completions()] == ["one", "two"]


def test_k2_what_the_wrapper_does_not_know_is_the_client(client: sentrial.SentrialClient) -> None:
    wrapped = ClaudeSDKClient()
    agent = wrap_claude_client(wrapped, sentrial_client=client)
    assert isinstance(agent, TrackedClaudeClient)
    assert agent.options is wrapped.options
    assert agent.get_context_usage == wrapped.get_context_usage
    with pytest.raises(AttributeError):
        agent.no_such_method  # noqa: B018  looking it up is the point
