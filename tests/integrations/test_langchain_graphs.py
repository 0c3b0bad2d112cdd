"""Real graphs of LangGraph with scripted chat models."""

from __future__ import annotations

import contextlib
import operator
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest

from tests.integrations.events import Sent
from tests.support.sdk import client_for, in_loop

pytest.importorskip("langgraph.graph", reason="needs langgraph")

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from sentrial.langchain import (
    AsyncSentrialCallbackHandler,
    SentrialCallbackHandler,
    create_agent_with_sentrial,
    get_react_agent,
)
from sentrial.wrappers import (
    _innermost,
    clear_session_context,
    set_session_context,
    wrap_openai,
)

from tests.support.llm_upstream import LLMUpstream, chat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sentrial

    from tests.support.collector import Collector

# LangGraph announces what moves in its next version.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

USAGE = {"input_tokens": 50, "output_tokens": 10, "total_tokens": 60}
CALL = {"name": "weather", "args": {"city": "Oslo"}, "id": "c1"}


class Scripted(BaseChatModel):
    """A chat model that answers what it is told, or raises it."""

    steps: list[Any]
    calls: int = 0
    before: Any = None

    @property
    def _llm_type(self) -> str:
        return "openai-chat"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Scripted:
        """Take any tools: what to call is scripted."""
        return self

    def _next(self) -> AIMessage:
        step = self.steps[min(self.calls, len(self.steps) - 1)]
        self.calls += 1
        if self.before is not None:
            self.before()
        if isinstance(step, Exception):
            raise step
        assert isinstance(step, AIMessage)
        return step

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next())])

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        step = self._next()
        words = str(step.content).split(" ")
        for nth, word in enumerate(words):
            chunk = AIMessageChunk(
                content=word if nth == 0 else f" {word}",
                tool_calls=step.tool_calls if nth == 0 else [],
                usage_metadata=step.usage_metadata if nth == len(words) - 1 else None,
                response_metadata=step.response_metadata if nth == 0 else {},
            )
            if run_manager is not None:
                run_manager.on_llm_new_token(word, chunk=ChatGenerationChunk(message=chunk))
            yield ChatGenerationChunk(message=chunk)


def says(text: str, *calls: dict[str, Any], model: str = "gpt-4o") -> AIMessage:
    return AIMessage(
        content=text,
        tool_calls=list(calls),
        usage_metadata=USAGE,
        response_metadata={"model_name": model, "model_provider": "openai"},
    )


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


@tool
def broken(city: str) -> str:
    """Fail."""
    raise ValueError(f"no weather in {city}")


def asked(agent: Any, handler: Any, question: str = "weather?") -> Any:
    return agent.invoke({"messages": [("user", question)]}, config={"callbacks": [handler]})


@pytest.fixture
def handler(client: sentrial.SentrialClient) -> SentrialCallbackHandler:
    return SentrialCallbackHandler(client, "s")


@pytest.fixture
def sent(client: sentrial.SentrialClient, collector: Collector) -> Callable[[], Sent]:
    return lambda: Sent(client, collector)


def react(*steps: Any, tools: Any = (weather,)) -> Any:
    return get_react_agent()(Scripted(steps=list(steps)), list(tools))


def test_h2_model_calls_are_events_with_usage(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    asked(react(says("", CALL), says("It is sunny.")), handler)
    handler.finish()
    first, second = sent().models()
    assert first["toolName"] == second["toolName"] == "llm:openai:gpt-4o"
    assert first["toolInput"]["messages"] == [{"role": "user", "content": "weather?"}]
    assert first["toolOutput"]["tokens"] == {"prompt": 50, "completion": 10, "total": 60}
    assert first["toolOutput"]["tool_calls"][0]["args"] == {"city": "Oslo"}
    assert first["estimatedCost"] == pytest.approx(50 * 2.5e-6 + 10 * 10e-6)
    roles = [message["role"] for message in second["toolInput"]["messages"]]
    assert roles == ["user", "assistant", "tool"]
    assert second["toolOutput"]["content"] == "It is sunny."
    done = sent().completion()
    assert done["promptTokens"] == 100
    assert done["completionTokens"] == 20
    assert done["totalTokens"] == 120
    assert done["estimatedCost"] == pytest.approx(handler.total_cost)
    assert done["assistantOutput"] == "It is sunny."
    assert handler.total_tokens == 120
    assert handler.llm_calls == 2


def test_h2_tool_inputs_are_objects(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    asked(react(says("", CALL), says("ok")), handler)
    (call,) = sent().tools()
    assert call["toolName"] == "weather"
    assert call["toolInput"] == {"city": "Oslo"}
    assert call["toolOutput"] == {"output": "sunny in Oslo"}
    assert call["metadata"]["duration_ms"] >= 0


def test_h2_tool_errors_are_errors(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    agent = react(says("", {**CALL, "name": "broken"}), says("sorry"), tools=[broken])
    # Older versions of LangGraph give the error to the model instead of raising it.
    with contextlib.suppress(ValueError):
        asked(agent, handler)
    (call,) = sent().tools()
    assert call["toolOutput"] == {"error": "no weather in Oslo", "error_type": "ValueError"}
    assert call["toolError"]["type"] == "ValueError"
    assert sent().errors() == []  # said once


def test_h2_model_errors_are_recorded_once(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    with pytest.raises(RuntimeError, match="model down"):
        asked(react(RuntimeError("model down")), handler)
    (error,) = sent().errors()
    assert error["toolError"]["message"] == "model down"
    assert error["toolName"].startswith("llm:")


def test_runs_form_a_tree(handler: SentrialCallbackHandler, sent: Callable[[], Sent]) -> None:
    asked(react(says("", CALL), says("ok")), handler)
    events = sent().events()
    assert len({event["traceId"] for event in events}) == 1
    assert len({event["spanId"] for event in events}) == len(events)
    for event in events:
        assert event["metadata"]["path"][0] == "LangGraph"
        assert event["metadata"]["parent_span_id"]
        assert event["spanId"] not in (event["traceId"], event["metadata"]["parent_span_id"])


def test_what_a_tool_runs_stands_below_it(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    inner = Scripted(steps=[says("inner answer")])

    @tool
    def research(topic: str) -> str:
        """Ask another model."""
        return str(inner.invoke(topic).content)

    agent = react(
        says("", {"name": "research", "args": {"topic": "x"}, "id": "c"}),
        says("ok"),
        tools=[research],
    )
    asked(agent, handler)
    (call,) = sent().tools()
    below = [model for model in sent().models() if "research" in model["metadata"]["path"]]
    assert [model["metadata"]["parent_span_id"] for model in below] == [call["spanId"]]


def test_an_error_of_a_node_is_recorded_where_it_comes_from(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    class State(TypedDict):
        log: Annotated[list[str], operator.add]

    def fine(state: State) -> dict[str, Any]:
        return {"log": ["fine"]}

    def failing(state: State) -> dict[str, Any]:
        raise KeyError("missing")

    graph = StateGraph(State)
    graph.add_node("fine", fine)
    graph.add_node("failing", failing)
    graph.add_edge(START, "fine")
    graph.add_edge("fine", "failing")
    graph.add_edge("failing", END)
    with pytest.raises(KeyError):
        graph.compile().invoke({"log": []}, config={"callbacks": [handler]})
    (error,) = sent().errors()
    assert error["toolError"]["type"] == "KeyError"
    assert error["metadata"]["path"] == ["LangGraph"]


def test_streams_carry_their_usage(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    model = Scripted(steps=[says("one two three")])
    text = "".join(
        str(chunk.content) for chunk in model.stream("count", config={"callbacks": [handler]})
    )
    assert text == "one two three"
    (call,) = sent().models()
    assert call["toolOutput"]["content"] == "one two three"
    assert call["toolOutput"]["tokens"]["total"] == 60
    assert call["metadata"]["time_to_first_token_ms"] >= 0


def test_h1_totals_do_not_overwrite_what_others_recorded(
    handler: SentrialCallbackHandler,
    client: sentrial.SentrialClient,
    sent: Callable[[], Sent],
) -> None:
    client.track_llm_call(
        "s", "gpt-4o", prompt_tokens=1000, completion_tokens=100, estimated_cost=0.5
    )
    client.track_tool_call("s", "search", {}, {}, estimated_cost=0.25)
    Scripted(steps=[says("hi")]).invoke("x", config={"callbacks": [handler]})
    handler.finish()
    done = sent().completion()
    assert done["promptTokens"] == 1050
    assert done["estimatedCost"] == pytest.approx(0.75 + handler.total_cost)


def test_h1_no_zeros_where_nothing_was_measured(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    handler.finish()
    done = sent().completion()
    assert {"estimatedCost", "promptTokens", "completionTokens", "totalTokens"}.isdisjoint(done)


def test_only_the_innermost_call_carries_usage(
    handler: SentrialCallbackHandler,
    client: sentrial.SentrialClient,
    sent: Callable[[], Sent],
) -> None:
    def inner_call() -> None:
        carries = _innermost.claim(_innermost.enclosing())
        assert carries
        client.track_llm_call("s", "gpt-4o", prompt_tokens=50, completion_tokens=10)

    model = Scripted(steps=[says("hi")], before=inner_call)
    model.invoke("x", config={"callbacks": [handler]})
    handler.finish()
    inner, outer = sent().models()
    assert inner["tokenCount"] == 60
    assert "tokenCount" not in outer
    assert "tokens" not in outer["toolOutput"]
    assert sent().completion()["totalTokens"] == 60
    assert handler.total_tokens == 60


def test_a_wrapped_client_inside_a_model_is_counted_once(
    handler: SentrialCallbackHandler,
    client: sentrial.SentrialClient,
    sent: Callable[[], Sent],
) -> None:
    openai = pytest.importorskip("openai", reason="needs openai")
    with (
        LLMUpstream() as upstream,
        openai.OpenAI(api_key="k", base_url=f"{upstream.url}/v1") as plain,
    ):
        upstream.reply("/chat/completions", chat("hi", usage=(50, 10)))
        wrapped = wrap_openai(plain)

        def inner_call() -> None:
            set_session_context("s", client)
            try:
                wrapped.chat.completions.create(model="gpt-4o", messages=[])
            finally:
                clear_session_context()

        model = Scripted(steps=[says("hi")], before=inner_call)
        model.invoke("x", config={"callbacks": [handler]})
    handler.finish()
    inner, outer = sent().models()
    assert inner["toolName"] == "llm:openai:gpt-4o"
    assert inner["tokenCount"] == 60
    assert "tokenCount" not in outer
    assert sent().completion()["totalTokens"] == handler.total_tokens == 60


def test_the_innermost_call_is_known_in_async_code(
    client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    handler = AsyncSentrialCallbackHandler(client, "s")

    class AsyncModel(Scripted):
        async def _agenerate(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> ChatResult:
            assert _innermost.claim(_innermost.enclosing())
            client.track_llm_call("s", "gpt-4o", prompt_tokens=50, completion_tokens=10)
            return ChatResult(generations=[ChatGeneration(message=self._next())])

    async def work() -> None:
        await AsyncModel(steps=[says("hi")]).ainvoke("x", config={"callbacks": [handler]})
        await handler.finish()

    in_loop(work())
    assert sent().completion()["totalTokens"] == 60


@pytest.mark.parametrize("delivery", ["background", "immediate"])
def test_h3_the_async_handler_records_a_graph(collector: Collector, delivery: str) -> None:
    client = client_for(collector, batching=False if delivery == "immediate" else None)
    handler = AsyncSentrialCallbackHandler(client, "s")
    handler.set_input("weather?")
    agent = react(says("", CALL), says("It is sunny."))

    async def work() -> None:
        await agent.ainvoke({"messages": [("user", "weather?")]}, config={"callbacks": [handler]})
        await handler.finish()

    in_loop(work())
    sent = Sent(client, collector)
    assert [event["toolName"] for event in sent.events()] == [
        "llm:openai:gpt-4o",
        "weather",
        "llm:openai:gpt-4o",
    ]
    done = sent.completion()
    assert done["totalTokens"] == 120
    assert done["userInput"] == "weather?"
    assert handler.total_tokens == 120


def test_the_sync_handler_works_in_async_code(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    agent = react(says("", CALL), says("It is sunny."))
    in_loop(agent.ainvoke({"messages": [("user", "weather?")]}, config={"callbacks": [handler]}))
    assert len(sent().models()) == 2
    assert len(sent().tools()) == 1


def test_parallel_branches_count_everything(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    model = Scripted(steps=[says("x")])
    RunnableLambda(lambda text: model.invoke(text).content).batch(
        [str(n) for n in range(40)], config={"callbacks": [handler], "max_concurrency": 8}
    )
    handler.finish()
    assert len(sent().models()) == 40
    assert sent().completion()["totalTokens"] == 40 * 60
    assert handler.total_tokens == 40 * 60
    assert handler.llm_calls == 40


def test_track_llm_calls_false_counts_without_events(
    client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    handler = SentrialCallbackHandler(client, "s", track_llm_calls=False)
    asked(react(says("", CALL), says("ok")), handler)
    handler.finish()
    assert sent().models() == []
    assert sent().completion()["totalTokens"] == 120
    assert sent().completion()["estimatedCost"] == pytest.approx(handler.total_cost)


def test_an_unknown_model_has_no_made_up_price(
    handler: SentrialCallbackHandler, sent: Callable[[], Sent]
) -> None:
    Scripted(steps=[says("hi", model="my-own-model")]).invoke("x", config={"callbacks": [handler]})
    handler.finish()
    (call,) = sent().models()
    assert call["estimatedCost"] == 0
    assert call["metadata"]["cost_unknown"] is True
    assert "estimatedCost" not in sent().completion()
    assert handler.total_cost == 0.0


def test_content_parts_are_text(handler: SentrialCallbackHandler, sent: Callable[[], Sent]) -> None:
    parts = AIMessage(content=[{"type": "text", "text": "in "}, {"type": "text", "text": "parts"}])
    Scripted(steps=[parts]).invoke([HumanMessage("x")], config={"callbacks": [handler]})
    handler.finish()
    assert sent().completion()["assistantOutput"] == "in parts"


def test_create_agent_with_sentrial(
    client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    model = Scripted(steps=[says("", CALL), says("It is sunny.")])
    ask = create_agent_with_sentrial(model, [weather], client, "my-agent", user_id="u9")
    question = "What is the weather in Oslo today, and what should I wear when going out?"
    assert ask(question) == "It is sunny."
    session = sent().bodies[0]
    assert session["name"] == f"my-agent: {question[:50]}"
    assert session["userId"] == "u9"
    assert [event["toolName"] for event in sent().tools()] == ["weather"]
    done = sent().completion()
    assert done["userInput"] == question
    assert done["assistantOutput"] == "It is sunny."


def test_create_agent_with_sentrial_fails_with_the_agent(
    client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    model = Scripted(steps=[ValueError("model down")])
    ask = create_agent_with_sentrial(model, [weather], client, "my-agent")
    with pytest.raises(ValueError, match="model down"):
        ask("q")
    assert sent().bodies[0]["userId"] == "anonymous"
    done = sent().completion()
    assert done["status"] == "failed"
    assert done["failureReason"] == "model down"


def test_the_agent_works_while_the_server_is_down(
    handler: SentrialCallbackHandler, collector: Collector
) -> None:
    collector.refuse()
    answer = asked(react(says("", CALL), says("It is sunny.")), handler)
    assert answer["messages"][-1].content == "It is sunny."
