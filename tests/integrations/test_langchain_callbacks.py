"""The handler callback by callback: recorded shapes, agents of AgentExecutor, bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sentrial.exceptions import BadRequestError

from tests.integrations.events import Sent
from tests.support.sdk import client_for, loud

pytest.importorskip("langchain_core.callbacks", reason="needs langchain-core")

from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from sentrial.langchain import SentrialCallbackHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    import sentrial

    from tests.support.collector import Collector

USAGE = {"token_usage": {"prompt_tokens": 100, "completion_tokens": 20}, "model_name": "gpt-4o"}
THOUGHT = "Thought: I should search\nAction: search\n"


def run(number: int) -> UUID:
    return UUID(int=number)


def result(text: str = "t", **output: Any) -> LLMResult:
    return LLMResult(generations=[[Generation(text=text)]], llm_output=output or None)


@pytest.fixture
def handler(client: sentrial.SentrialClient) -> SentrialCallbackHandler:
    return SentrialCallbackHandler(client, "s")


@pytest.fixture
def sent(client: sentrial.SentrialClient, collector: Collector) -> Callable[[], Sent]:
    return lambda: Sent(client, collector)


def test_the_steps_of_an_agent(handler: SentrialCallbackHandler, sent: Callable[[], Sent]) -> None:
    handler.on_llm_start({}, ["p"], run_id=run(1))
    handler.on_llm_end(result(THOUGHT, **USAGE), run_id=run(1))
    handler.on_agent_action(AgentAction("search", {"q": "x"}, "Thought: use search"), run_id=run(2))
    handler.on_tool_start({"name": "search"}, "{'q': 'x'}", run_id=run(3), parent_run_id=run(2))
    handler.on_tool_end("result text", run_id=run(3), parent_run_id=run(2))
    handler.on_agent_action(AgentAction("calc", "1+1", ""), run_id=run(4))
    handler.on_tool_start({"name": "calc"}, "1+1", run_id=run(5), parent_run_id=run(4))
    message = ToolMessage(content="2", tool_call_id="c1")
    handler.on_tool_end(message, run_id=run(5), parent_run_id=run(4))
    handler.on_tool_start({"name": "solo"}, "in", run_id=run(6))
    handler.on_tool_end({"obj": 1}, run_id=run(6))
    handler.on_tool_start({"name": "solo2"}, "in2", run_id=run(8))
    handler.on_tool_end("o", run_id=run(8))
    handler.on_agent_finish(AgentFinish({"output": "the answer"}, ""), run_id=run(2))
    assert [
        (call["toolName"], call["toolInput"], call["toolOutput"], call["reasoning"])
        for call in sent().tools()
    ] == [
        ("search", {"q": "x"}, {"output": "result text"}, "Thought: use search"),
        ("calc", {"input": "1+1"}, {"output": "2"}, "Action: calc"),
        ("solo", {"input": "in"}, {"output": "{'obj': 1}"}, "I should search"),
        ("solo2", {"input": "in2"}, {"output": "o"}, None),
    ]
    assert sent().decisions() == ["Agent completed: the answer"]
    handler.finish(custom_metrics={"q": 4.5})
    done = sent().completion()
    assert done["assistantOutput"] == "the answer"
    assert done["customMetrics"] == {"q": 4.5}
    assert done["estimatedCost"] == pytest.approx(0.00045)


@pytest.mark.parametrize(
    ("response", "totals"),
    [
        (result(**USAGE), (100, 20, 0.00045, "gpt-4o")),
        (
            result(usage={"input_tokens": 7, "output_tokens": 3}, model="claude-3-opus"),
            (7, 3, 0.00033, "claude-3-opus"),
        ),
        (result(token_usage={}), (0, 0, 0.0, None)),
        (
            LLMResult(
                generations=[
                    [
                        ChatGeneration(
                            message=AIMessage(
                                content="hey",
                                usage_metadata={
                                    "input_tokens": 4,
                                    "output_tokens": 2,
                                    "total_tokens": 6,
                                },
                            ),
                            generation_info={"model_name": "gemini-2.0-flash"},
                        )
                    ]
                ]
            ),
            (4, 2, 0.000001, "gemini-2.0-flash"),
        ),
    ],
)
def test_usage_in_its_shapes(
    handler: SentrialCallbackHandler, response: LLMResult, totals: tuple[Any, ...]
) -> None:
    handler.on_llm_end(response, run_id=run(1))
    assert (
        handler.total_prompt_tokens,
        handler.total_completion_tokens,
        handler.total_cost,
        handler.model_name,
    ) == totals


def test_a_tool_that_answers_with_an_error(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    handler.on_tool_start({"name": "t"}, "", run_id=run(1), inputs={"a": 1})
    message = ToolMessage(content="not found", tool_call_id="c1", status="error")
    handler.on_tool_end(message, run_id=run(1))
    (call,) = sent().tools()
    assert call["toolInput"] == {"a": 1}
    assert call["toolError"] == {"message": "not found"}


def test_parallel_actions_keep_their_own_inputs(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    for name in ("first", "second"):
        handler.on_agent_action(AgentAction(name, {"of": name}, ""), run_id=run(1))
    for number, name in enumerate(("first", "second"), start=2):
        handler.on_tool_start(
            {"name": name}, "", run_id=run(number), parent_run_id=run(1), inputs={"of": name}
        )
        handler.on_tool_end("o", run_id=run(number), parent_run_id=run(1))
    assert [(call["toolName"], call["toolInput"]) for call in sent().tools()] == [
        ("first", {"of": "first"}),
        ("second", {"of": "second"}),
    ]


def test_runs_nobody_started_are_passed_over(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    handler.on_tool_end("orphan", run_id=run(99))
    handler.on_tool_error(ValueError("orphan"), run_id=run(98))
    handler.on_chain_end({}, run_id=run(97))
    assert sent().events() == []


def test_bad_input_is_recorded_as_far_as_possible(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    handler.on_chat_model_start(None, [[object(), None, "text"]], run_id=run(1))  # type: ignore[arg-type]  # bad by purpose
    handler.on_llm_end("not a result", run_id=run(1))
    handler.on_chat_model_start({}, [], run_id=run(2))
    handler.on_llm_end(LLMResult(generations=[[]], llm_output={"token_usage": None}), run_id=run(2))
    handler.on_tool_start(None, None, run_id=run(3))  # type: ignore[arg-type]
    handler.on_tool_end(None, run_id=run(3))
    handler.on_agent_action(object(), run_id=run(4))
    handler.on_agent_finish(object(), run_id=run(4))
    handler.on_chain_start(None, None, run_id=run(5))
    handler.on_chain_error(ValueError("chain"), run_id=run(5))
    assert len(sent().models()) == 2
    (call,) = sent().tools()
    assert call["toolName"] == "unknown_tool"
    assert sent().decisions() == ["Agent completed: No output"]
    (error,) = sent().errors()
    assert error["toolError"]["message"] == "chain"


def test_without_a_session_nothing_is_sent(
    client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    handler = SentrialCallbackHandler(client, None)
    handler.on_tool_start({"name": "x"}, "i", run_id=run(1))
    handler.on_tool_end("o", run_id=run(1))
    handler.on_llm_end(result(**USAGE), run_id=run(2))
    handler.on_llm_error(ValueError("x"), run_id=run(2))
    handler.on_agent_finish(AgentFinish({"output": "o"}, ""), run_id=run(1))
    assert handler.finish() == {}
    assert sent().bodies == []
    assert handler.total_tokens == 120


def test_handler_attributes_that_are_documented(handler: SentrialCallbackHandler) -> None:
    assert handler.raise_error is False
    assert handler.run_inline is False
    assert handler.duration_ms == 0
    handler.on_llm_start({}, ["p"], run_id=run(1))
    handler.on_llm_end(result(**USAGE), run_id=run(1))
    summary = handler.get_usage_summary()
    assert summary.pop("duration_ms") >= 0
    assert summary == {
        "llm_calls": 1,
        "total_prompt_tokens": 100,
        "total_completion_tokens": 20,
        "total_tokens": 120,
        "total_cost": 0.00045,
        "model": "gpt-4o",
    }


@pytest.mark.swallows
def test_a_loud_client_is_heard_at_finish_only(collector: Collector) -> None:
    collector.always("POST", "/api/sdk/events", 400)
    collector.always("PATCH", "/api/sdk/sessions/.*", 400)
    handler = SentrialCallbackHandler(loud(collector), "sid")
    handler.on_tool_start({"name": "x"}, "i", run_id=run(1))
    handler.on_tool_end("o", run_id=run(1))
    with pytest.raises(BadRequestError):
        handler.finish()


def test_the_documented_variable_goes_before_a_prompt(
    handler: SentrialCallbackHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTRIAL_EXPERIMENT_SYSTEM_PROMPT", "EXP")
    prompts = ["one", "two"]
    handler.on_llm_start({}, prompts, run_id=run(1))
    assert prompts == ["EXP\n\none", "two"]
    handler.on_llm_error(RuntimeError("over"), run_id=run(1))


def test_verbose_prints(collector: Collector, capsys: pytest.CaptureFixture[str]) -> None:
    handler = SentrialCallbackHandler(client_for(collector), "s", verbose=True)
    handler.set_input("i" * 60)
    handler.on_tool_start({"name": "x"}, "i", run_id=run(1))
    handler.on_tool_end("o", run_id=run(1))
    assert capsys.readouterr().out.splitlines() == [
        f"[Sentrial] User input set: {'i' * 50}...",
        "[Sentrial] Tool started: x",
        "[Sentrial] Tool completed (no agent_action): x",
    ]
