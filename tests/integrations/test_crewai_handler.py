"""The CrewAI handler with objects of the shapes that it reads; `track_crew`."""

from __future__ import annotations

from types import SimpleNamespace as Step
from typing import TYPE_CHECKING, Any

import pytest
from sentrial.crewai import SentrialCrewHandler, track_crew

from tests.integrations.events import Sent
from tests.support.sdk import in_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    import sentrial

    from tests.support.collector import Collector


@pytest.fixture
def handler(client: sentrial.SentrialClient) -> SentrialCrewHandler:
    return SentrialCrewHandler(client, "s")


@pytest.fixture
def sent(client: sentrial.SentrialClient, collector: Collector) -> Callable[[], Sent]:
    return lambda: Sent(client, collector)


@pytest.mark.parametrize(
    ("step", "tool_input", "output"),
    [
        (Step(tool="t", tool_input='{"q": "x"}', result="found"), {"q": "x"}, {"output": "found"}),
        (
            Step(tool="t", tool_input="no json", output="o" * 600),
            {"input": "no json"},
            {"output": "o" * 500},
        ),
        (Step(tool="t", tool_input={"a": 1}), {"a": 1}, {"status": "executed"}),
        # R2: JSON that is no object is wrapped, and results that are false are results.
        (Step(tool="t", tool_input="[1]", result=""), {"input": [1]}, {"output": ""}),
        (Step(tool="t", tool_input="3", result=0), {"input": 3}, {"output": "0"}),
        (Step(tool="t", tool_input=None), {"input": "None"}, {"status": "executed"}),
        (Step(tool="t", thought="first the tool"), {"input": "None"}, {"status": "executed"}),
    ],
)
def test_r2_steps_with_a_tool(
    handler: SentrialCrewHandler, sent: Callable[[], Sent], step: Any, tool_input: Any, output: Any
) -> None:
    handler.on_step(step)
    (call,) = sent().tools()
    assert (call["toolName"], call["toolInput"], call["toolOutput"]) == ("t", tool_input, output)
    assert handler.tool_calls == 1


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Step(thought="I think " + "x" * 400), "Agent thought: " + ("I think " + "x" * 400)[:300]),
        (Step(text="some text", output="ignored"), "Agent output: some text"),
        (Step(thought="", output="y" * 600), "Agent output: " + "y" * 200),
        ("plain string", "Step: plain string"),
        (None, "Step: None"),
    ],
)
def test_steps_without_a_tool(
    handler: SentrialCrewHandler, sent: Callable[[], Sent], step: Any, said: str
) -> None:
    handler.on_step(step)
    assert sent().decisions() == [said]
    assert sent().events()[0]["confidence"] == 1.0


def test_tasks(handler: SentrialCrewHandler, sent: Callable[[], Sent]) -> None:
    handler.on_task_complete(Step(description="d" * 300, raw="r" * 600, agent="Researcher"))
    handler.on_task_complete(
        Step(task=Step(description="via task"), output="out", agent=Step(role="Writer"))
    )
    handler.on_task_complete("just a string")
    assert [(t["toolName"], t["toolInput"], t["toolOutput"]) for t in sent().tools()] == [
        ("task_1", {"description": "d" * 200, "agent": "Researcher"}, {"result": "r" * 500}),
        ("task_2", {"description": "via task", "agent": "Writer"}, {"result": "out"}),
        ("task_3", {"description": "Task 3", "agent": "unknown"}, {"result": "just a string"}),
    ]
    assert handler.get_usage_summary()["task_outputs"][1] == {
        "task": "via task",
        "agent": "Writer",
        "output": "out",
    }


def test_h1_totals(handler: SentrialCrewHandler, sent: Callable[[], Sent]) -> None:
    handler.add_token_usage(100, 50, "gpt-4o")
    handler.add_token_usage(10, 5)
    handler.add_token_usage(prompt_tokens=1, completion_tokens=1, model="mystery")
    handler.add_token_usage(None, "many")  # type: ignore[arg-type]  # bad by purpose
    handler._client.track_tool_call("s", "search", {}, {}, estimated_cost=0.25)
    handler.finish()
    done = sent().completion()
    assert (done["promptTokens"], done["completionTokens"], done["totalTokens"]) == (111, 56, 167)
    assert done["estimatedCost"] == pytest.approx(0.25 + 0.00075)
    assert handler.total_cost == 0.00075


def test_r4_the_callers_metrics_stay_his(
    handler: SentrialCrewHandler, sent: Callable[[], Sent]
) -> None:
    mine = {"mine": 1.0}
    handler.finish(custom_metrics=mine)
    assert mine == {"mine": 1.0}
    metrics = sent().completion()["customMetrics"]
    assert metrics == {"mine": 1, "crewai_steps": 0, "crewai_tasks": 0, "crewai_tool_calls": 0}


def test_r3_track_crew_without_a_user(
    client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    @track_crew(client)
    def run(topic: str, *, depth: int = 1) -> str:
        return f"{topic} {depth}"

    assert run("AI", depth=2) == "AI 2"
    session = sent().bodies[0]
    assert (session["name"], session["userId"]) == ("crewai: run", "anonymous")
    done = sent().completion()
    assert done["userInput"] == """{"args": "('AI',)", "kwargs": "{'depth': 2}"}"""
    assert done["assistantOutput"] == "AI 2"


def test_track_crew_raises_what_the_function_raises(
    client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    @track_crew(client, "agent", user_id="u")
    def run() -> None:
        raise LookupError("crew boom")

    with pytest.raises(LookupError, match="crew boom"):
        run()
    done = sent().completion()
    assert (done["status"], done["failureReason"]) == ("failed", "crew boom")


def test_track_crew_on_a_coroutine_function(
    client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    @track_crew(client)
    async def run() -> str:
        return "r"

    assert in_loop(run()) == "r"
    assert sent().completion()["assistantOutput"] == "r"


def test_c12_a_session_that_could_not_be_made(
    client: sentrial.SentrialClient, collector: Collector, sent: Callable[[], Sent]
) -> None:
    collector.script("POST", "/api/sdk/sessions", 400)

    @track_crew(client)
    def run() -> str:
        return "r"

    assert run() == "r"
    handler = SentrialCrewHandler(client, None)
    handler.on_step("x")
    handler.on_task_complete("y")
    assert handler.finish() == {}
    assert len(sent().bodies) == 1


@pytest.mark.swallows
def test_objects_that_raise_do_not_break_the_crew(
    handler: SentrialCrewHandler, sent: Callable[[], Sent]
) -> None:
    class Hostile:
        @property
        def tool(self) -> str:
            raise RuntimeError("no")

        def __str__(self) -> str:
            raise RuntimeError("no")

    handler.on_step(Hostile())
    handler.on_task_complete(Hostile())
    handler.on_step("still here")
    assert sent().decisions() == ["Step: still here"]
