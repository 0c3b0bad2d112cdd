"""Real teams of autogen-agentchat with scripted model clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integrations.events import Sent
from tests.support.sdk import client_for, in_loop

pytest.importorskip("autogen_agentchat.agents", reason="needs autogen-agentchat")

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import HandoffMessage, StopMessage, TextMessage, ThoughtEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import FunctionCall
from autogen_core.models import ChatCompletionClient, CreateResult, ModelInfo, RequestUsage
from sentrial.autogen import AUTOGEN_VERSION, SentrialAutogenHandler
from sentrial.wrappers import _innermost

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    import sentrial

    from tests.support.collector import Collector

USAGE = RequestUsage(prompt_tokens=50, completion_tokens=10)


class ScriptedClient(ChatCompletionClient):
    """A model client that answers what it is told, or raises it."""

    def __init__(self, *steps: Any, before: Any = None) -> None:
        self.steps = list(steps)
        self.before = before

    async def create(self, messages: Any, **kwargs: Any) -> CreateResult:
        """Give the next answer."""
        if self.before is not None:
            self.before()
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return CreateResult(
            content=step,
            finish_reason="stop" if isinstance(step, str) else "function_calls",
            usage=USAGE,
            cached=False,
        )

    def create_stream(self, messages: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """Give the next answer as a stream."""

        async def stream() -> AsyncGenerator[Any, None]:
            result = await self.create(messages)
            for word in str(result.content).split():
                yield word
            yield result

        return stream()

    async def close(self) -> None:
        """Hold nothing open."""

    def actual_usage(self) -> RequestUsage:
        """Count nothing."""
        return USAGE

    def total_usage(self) -> RequestUsage:
        """Count nothing."""
        return USAGE

    def count_tokens(self, messages: Any, **kwargs: Any) -> int:
        """Count nothing."""
        return 0

    def remaining_tokens(self, messages: Any, **kwargs: Any) -> int:
        """Limit nothing."""
        return 1000

    @property
    def capabilities(self) -> Any:
        """Say what it can, as older versions ask."""
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        """Say what it can."""
        return ModelInfo(
            vision=False,
            function_calling=True,
            json_output=False,
            family="unknown",
            structured_output=False,
        )


def call(key: str, name: str, arguments: str) -> FunctionCall:
    return FunctionCall(id=key, name=name, arguments=arguments)


async def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


async def broken(city: str) -> str:
    """Fail."""
    raise ValueError(f"no weather in {city}")


def agent(model: ScriptedClient, name: str = "helper", **options: Any) -> AssistantAgent:
    return AssistantAgent(name, model_client=model, tools=[weather, broken], **options)


def team(*agents: AssistantAgent, messages: int = 3) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(list(agents), termination_condition=MaxMessageTermination(messages))


@pytest.fixture
def handler(client: sentrial.SentrialClient) -> SentrialAutogenHandler:
    return SentrialAutogenHandler(client, "s")


@pytest.fixture
def sent(client: sentrial.SentrialClient, collector: Collector) -> Callable[[], Sent]:
    return lambda: Sent(client, collector)


def test_d14_a_team_of_today(handler: SentrialAutogenHandler, sent: Callable[[], Sent]) -> None:
    asks = ScriptedClient([call("c1", "weather", '{"city": "Oslo"}')], "unused")
    tells = ScriptedClient("It is sunny.")
    result = in_loop(
        handler.run_team(team(agent(asks, "asker"), agent(tells, "teller")), "weather?")
    )
    assert isinstance(result, TaskResult)
    handler.finish()
    assert AUTOGEN_VERSION == "agentchat"
    assert sent().decisions() == ["[user] weather?", "[teller] It is sunny."]
    (tool,) = sent().tools()
    assert tool["toolName"] == "weather"
    assert tool["toolInput"] == {"city": "Oslo"}
    assert tool["toolOutput"] == {"result": "sunny in Oslo"}
    assert tool["metadata"] == {"call_id": "c1"}
    done = sent().completion()
    assert done["userInput"] == "weather?"
    assert done["assistantOutput"] == "It is sunny."
    assert done["customMetrics"] == {"autogen_messages": 2, "autogen_tool_calls": 1}


def test_g2_each_call_is_one_event_and_is_counted(
    handler: SentrialAutogenHandler, sent: Callable[[], Sent]
) -> None:
    calls = [
        call("c1", "weather", '{"city": "Oslo"}'),
        call("c2", "broken", '{"city": "Bergen"}'),
        call("c3", "weather", "not json"),
    ]
    in_loop(handler.run_team(agent(ScriptedClient(calls)), "weather?"))
    tools = {tool["metadata"]["call_id"]: tool for tool in sent().tools()}
    assert handler.tool_calls == len(tools) == 3
    assert "toolError" not in tools["c1"]
    assert "no weather in Bergen" in tools["c2"]["toolError"]["message"]
    assert tools["c3"]["toolInput"] == {"raw": "not json"}


@pytest.mark.parametrize("stream", [False, True])
def test_g3_usage_of_messages_counts(
    handler: SentrialAutogenHandler, sent: Callable[[], Sent], stream: bool
) -> None:
    handler.model_name = "gpt-4o"
    model = ScriptedClient([call("c1", "weather", '{"city": "Oslo"}')], "It is sunny.")
    helper = agent(model, reflect_on_tool_use=True, model_client_stream=stream)
    in_loop(handler.run_team(team(helper, messages=2), "weather?"))
    handler.finish()
    assert (handler.total_prompt_tokens, handler.total_completion_tokens) == (100, 20)
    assert handler.total_cost == pytest.approx(100 * 2.5e-6 + 20 * 10e-6)
    done = sent().completion()
    assert (done["promptTokens"], done["completionTokens"], done["totalTokens"]) == (100, 20, 120)
    assert done["estimatedCost"] == pytest.approx(handler.total_cost)


def test_usage_without_a_model_has_no_made_up_cost(
    handler: SentrialAutogenHandler, sent: Callable[[], Sent]
) -> None:
    in_loop(handler.run_team(agent(ScriptedClient("hi")), "say hi"))
    handler.finish()
    assert sent().completion()["totalTokens"] == 60
    assert "estimatedCost" not in sent().completion()


def test_h1_totals_do_not_overwrite_what_others_recorded(
    handler: SentrialAutogenHandler, client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    client.track_tool_call("s", "search", {}, {}, estimated_cost=0.25, token_count=7)
    handler.finish()
    done = sent().completion()
    assert done["estimatedCost"] == 0.25
    assert done["totalTokens"] == 7


def test_usage_that_a_wrapped_client_recorded_is_not_added_again(
    handler: SentrialAutogenHandler, client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    def inner_call() -> None:
        assert _innermost.claim(_innermost.enclosing())
        client.track_llm_call("s", "gpt-4o", prompt_tokens=50, completion_tokens=10)

    in_loop(handler.run_team(team(agent(ScriptedClient("hi", before=inner_call)), messages=2), "x"))
    handler.finish()
    assert sent().completion()["totalTokens"] == 60
    assert handler.total_tokens == 60


def test_a_team_that_fails(handler: SentrialAutogenHandler, sent: Callable[[], Sent]) -> None:
    failing = team(agent(ScriptedClient(RuntimeError("model down"))))
    with pytest.raises(RuntimeError, match="model down"):
        in_loop(handler.run_team(failing, "x"))
    handler.finish(False, "model down")
    assert sent().decisions() == ["[user] x"]
    assert sent().completion()["failureReason"] == "model down"


def test_requests_without_result_are_kept(
    handler: SentrialAutogenHandler, sent: Callable[[], Sent]
) -> None:
    class Cut:
        async def run_stream(self, task: Any, **kwargs: Any) -> Any:
            from autogen_agentchat.messages import ToolCallRequestEvent

            calls = [call("c1", "weather", "[1]")]
            yield ToolCallRequestEvent(content=calls, source="a")
            yield TaskResult(messages=[])

    in_loop(handler.run_team(Cut(), "x"))
    (tool,) = sent().tools()
    assert tool["toolOutput"] == {"status": "requested"}
    assert tool["toolInput"] == {"raw": "[1]"}


def test_other_messages_and_bad_ones(
    handler: SentrialAutogenHandler, sent: Callable[[], Sent]
) -> None:
    class OddMessage:
        source = None
        content = None

    class Odd:
        pass

    items = [
        HandoffMessage(content="over to you", target="b", source="a"),
        ThoughtEvent(content="let me see", source="a"),
        StopMessage(content="stop", source="a"),
        OddMessage(),
        Odd(),
        None,
        TextMessage(content="bye", source="b"),
    ]

    class Team:
        async def run_stream(self, task: Any, **kwargs: Any) -> Any:
            for item in items:
                yield item

    assert in_loop(handler.run_team(Team(), "x")) is None
    assert sent().decisions() == [
        "[a] over to you",
        "[a] thinks: let me see",
        "[unknown] ",
        "[b] bye",
    ]


def test_an_async_client_will_do(collector: Collector) -> None:
    from sentrial import AsyncSentrialClient

    from tests.support.sdk import KEY

    client = AsyncSentrialClient(collector.url, KEY)
    handler = SentrialAutogenHandler(client, "s")
    in_loop(handler.run_team(agent(ScriptedClient("hi")), "say hi"))
    handler.finish()
    assert Sent(client._client, collector).completion()["totalTokens"] == 60


def test_r4_the_callers_metrics_stay_his(
    handler: SentrialAutogenHandler, sent: Callable[[], Sent]
) -> None:
    mine = {"q": 1.0}
    handler.finish(custom_metrics=mine)
    assert mine == {"q": 1.0}
    metrics = sent().completion()["customMetrics"]
    assert metrics == {"q": 1.0, "autogen_messages": 0, "autogen_tool_calls": 0}


def test_c12_without_a_session_nothing_is_sent(collector: Collector) -> None:
    client = client_for(collector)
    handler = SentrialAutogenHandler(client, None)
    in_loop(handler.run_team(agent(ScriptedClient("hi")), "x"))
    assert handler.finish() == {}
    assert Sent(client, collector).bodies == []
    assert handler.total_tokens == 60
