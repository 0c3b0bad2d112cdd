"""Real crews of CrewAI with scripted models."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.integrations.events import Sent
from tests.support.sdk import in_loop

# CrewAI reads these when it is imported: it would report to its makers.
os.environ.update(
    CREWAI_DISABLE_TELEMETRY="true", CREWAI_TRACING_ENABLED="false", OTEL_SDK_DISABLED="true"
)
pytest.importorskip("crewai.llms.base_llm", reason="needs crewai")

from crewai import Agent, BaseLLM, Crew, Task
from crewai.tools import tool
from sentrial.crewai import CREWAI_VERSION, SentrialCrewHandler, track_crew
from sentrial.wrappers import _innermost

if TYPE_CHECKING:
    from collections.abc import Callable

    import sentrial

    from tests.support.collector import Collector

# CrewAI and what it imports announce what moves in their next versions.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

FINAL = "Thought: I know\nFinal Answer: canned result"
ACTION = 'Thought: I look\nAction: weather\nAction Input: {"city": "Oslo"}'


class Scripted(BaseLLM):
    """A model that answers what it is told, or raises it."""

    steps: list[Any] = []  # noqa: RUF012  a field of pydantic
    native: bool = False
    before: Any = None

    def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        """Give the next answer."""
        if self.before is not None:
            self.before()
        step = self.steps[0] if len(self.steps) == 1 else self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        self._track_token_usage_internal({"prompt_tokens": 50, "completion_tokens": 10})
        return step

    def supports_function_calling(self) -> bool:
        """Say whether it calls tools itself."""
        return self.native

    def supports_stop_words(self) -> bool:
        """Stop where it is told."""
        return True

    def get_context_window_size(self) -> int:
        """Remember this much."""
        return 4096


@tool("weather")
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


def native_call(key: str, city: str) -> dict[str, Any]:
    function = {"name": "weather", "arguments": f'{{"city": "{city}"}}'}
    return {"id": key, "type": "function", "function": function}


def crew(*steps: Any, native: bool = False, before: Any = None, **options: Any) -> Crew:
    model = Scripted(model="gpt-4o", steps=list(steps), native=native, before=before)
    agent = Agent(
        role="Researcher",
        goal="find",
        backstory="b",
        llm=model,
        tools=[weather],
        allow_delegation=False,
        verbose=False,
    )
    task = Task(description="Research {topic}", expected_output="text", agent=agent)
    return Crew(agents=[agent], tasks=[task], verbose=False, **options)


@pytest.fixture
def handler(client: sentrial.SentrialClient) -> SentrialCrewHandler:
    return SentrialCrewHandler(client, "s")


@pytest.fixture
def sent(client: sentrial.SentrialClient, collector: Collector) -> Callable[[], Sent]:
    return lambda: Sent(client, collector)


def test_r1_a_real_crew_is_wrapped(handler: SentrialCrewHandler, sent: Callable[[], Sent]) -> None:
    assert CREWAI_VERSION == "modern"
    research = crew(FINAL)
    assert handler.wrap_crew(research) is research
    result = research.kickoff(inputs={"topic": "AI"})
    assert result.raw == "canned result"
    handler.finish()
    task = sent().tools()[-1]
    assert task["toolName"] == "task_1"
    assert task["toolInput"] == {"description": "Research AI", "agent": "Researcher"}
    assert task["toolOutput"] == {"result": "canned result"}
    done = sent().completion()
    assert done["userInput"] == '{"topic": "AI"}'
    assert done["assistantOutput"] == "canned result"
    assert done["customMetrics"]["crewai_tasks"] == 1


def test_steps_of_an_agent_that_thinks_aloud(
    handler: SentrialCrewHandler, sent: Callable[[], Sent]
) -> None:
    handler.wrap_crew(crew(ACTION, FINAL)).kickoff(inputs={"topic": "AI"})
    (call,) = [tool for tool in sent().tools() if tool["toolName"] == "weather"]
    assert call["toolInput"] == {"city": "Oslo"}
    assert call["toolOutput"] == {"output": "sunny in Oslo"}
    assert handler.tool_calls == 1


def test_tools_that_a_model_calls_natively(
    handler: SentrialCrewHandler, sent: Callable[[], Sent]
) -> None:
    calls = [native_call("c1", "Oslo"), native_call("c2", "Bergen")]
    research = handler.wrap_crew(crew(calls, "done", native=True))
    research.kickoff(inputs={"topic": "AI"})
    tools = [tool for tool in sent().tools() if tool["toolName"] == "weather"]
    assert sorted(tool["toolInput"]["city"] for tool in tools) == ["Bergen", "Oslo"]
    assert handler.tool_calls == 2
    from crewai.hooks import get_after_tool_call_hooks

    assert get_after_tool_call_hooks() == []


def test_usage_of_a_run_counts_once(handler: SentrialCrewHandler, sent: Callable[[], Sent]) -> None:
    research = handler.wrap_crew(crew(FINAL))
    research.kickoff(inputs={"topic": "one"})
    once = handler.total_tokens
    assert once > 0
    assert once % 60 == 0
    research.kickoff(inputs={"topic": "two"})
    # CrewAI's own figures grow over the life of the model: 60, then 120.
    assert handler.total_tokens == 2 * once
    handler.finish()
    assert sent().completion()["totalTokens"] == 2 * once
    assert sent().completion()["estimatedCost"] == pytest.approx(handler.total_cost)
    assert handler.model_name == "gpt-4o"


def test_usage_that_a_wrapped_client_recorded_is_not_added_again(
    handler: SentrialCrewHandler, client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    def inner_call() -> None:
        assert _innermost.claim(_innermost.enclosing())
        client.track_llm_call("s", "gpt-4o", prompt_tokens=50, completion_tokens=10)

    handler.wrap_crew(crew(FINAL, before=inner_call)).kickoff(inputs={"topic": "AI"})
    handler.finish()
    assert sent().completion()["totalTokens"] == handler.total_tokens


@pytest.mark.parametrize("method", ["kickoff_async", "akickoff"])
def test_a_crew_in_a_loop(
    handler: SentrialCrewHandler, sent: Callable[[], Sent], method: str
) -> None:
    research = crew(FINAL)
    if not hasattr(research, method):
        pytest.skip(f"this version has no {method}")
    handler.wrap_crew(research)
    in_loop(getattr(research, method)(inputs={"topic": "AI"}))
    handler.finish()
    done = sent().completion()
    assert done["userInput"] == '{"topic": "AI"}'
    assert done["assistantOutput"] == "canned result"
    assert done["totalTokens"] == handler.total_tokens


def test_a_later_handler_takes_the_crew_over(
    handler: SentrialCrewHandler, client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    research = handler.wrap_crew(crew(FINAL))
    research.kickoff(inputs={"topic": "one"})
    before = len(sent().events())
    later = SentrialCrewHandler(client, "later")
    later.wrap_crew(research)
    research.kickoff(inputs={"topic": "two"})
    assert {event["sessionId"] for event in sent().events()[before:]} == {"later"}
    assert later.user_input == '{"topic": "two"}'
    assert later.task_count == 1


def test_callbacks_of_the_crew_stay(handler: SentrialCrewHandler, sent: Callable[[], Sent]) -> None:
    seen: list[Any] = []
    handler.wrap_crew(crew(FINAL, task_callback=seen.append)).kickoff(inputs={"topic": "AI"})
    assert len(seen) == 1
    assert handler.task_count == 0


def test_unwrapping_puts_everything_back(
    handler: SentrialCrewHandler, sent: Callable[[], Sent]
) -> None:
    research = handler.wrap_crew(crew(FINAL))
    research.kickoff(inputs={"topic": "one"})
    before = len(sent().events())
    handler.unwrap_crew(research)
    research.kickoff(inputs={"topic": "two"})
    assert "kickoff" not in vars(research)
    assert research.step_callback is None
    assert len(sent().events()) == before


def test_a_wrapped_crew_can_be_copied(handler: SentrialCrewHandler) -> None:
    research = handler.wrap_crew(crew(FINAL))
    results = research.kickoff_for_each(inputs=[{"topic": "one"}, {"topic": "two"}])
    assert [result.raw for result in results] == ["canned result", "canned result"]
    assert research.model_dump(exclude={"agents", "tasks"})["name"] == research.name


def test_a_crew_that_fails(handler: SentrialCrewHandler, sent: Callable[[], Sent]) -> None:
    research = handler.wrap_crew(crew(RuntimeError("model down")))
    with pytest.raises(RuntimeError, match="model down"):
        research.kickoff(inputs={"topic": "AI"})
    handler.finish(False, "model down")
    done = sent().completion()
    assert done["status"] == "failed"
    assert done["userInput"] == '{"topic": "AI"}'


def test_d14_track_crew_around_a_real_crew(
    client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    @track_crew(client, agent_name="research")
    def run(topic: str) -> Any:
        return crew(FINAL).kickoff(inputs={"topic": topic})

    assert run("AI").raw == "canned result"
    assert sent().bodies[0]["name"] == "research: run"
    assert sent().completion()["assistantOutput"] == "canned result"
