"""AgentExecutor of langchain before 1.0, with a scripted chat model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integrations.events import Sent

pytest.importorskip("langchain.agents", reason="needs langchain")

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.tools import tool
from sentrial.langchain import (
    LANGCHAIN_MAJOR_VERSION,
    LANGCHAIN_VERSION,
    SentrialCallbackHandler,
    create_agent_with_sentrial,
    get_agent_executor,
    get_openai_tools_agent_creator,
)

if TYPE_CHECKING:
    import sentrial

    from tests.support.collector import Collector

old = pytest.mark.skipif(LANGCHAIN_MAJOR_VERSION >= 1, reason="langchain 1 has no AgentExecutor")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Scripted(BaseChatModel):
    """A chat model that answers what it is told."""

    steps: list[AIMessage]
    calls: int = 0

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Scripted:
        """Take any tools: what to call is scripted."""
        return self

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        step = self.steps[min(self.calls, len(self.steps) - 1)]
        self.calls += 1
        usage = {"prompt_tokens": 50, "completion_tokens": 10}
        return ChatResult(
            generations=[ChatGeneration(message=step)],
            llm_output={"token_usage": usage, "model_name": "gpt-4o"},
        )


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


def model() -> Scripted:
    call = {"name": "weather", "args": {"city": "Oslo"}, "id": "c1"}
    return Scripted(
        steps=[AIMessage(content="", tool_calls=[call]), AIMessage(content="It is sunny.")]
    )


@old
def test_an_agent_executor(client: sentrial.SentrialClient, collector: Collector) -> None:
    assert LANGCHAIN_VERSION == "core"
    prompt = ChatPromptTemplate.from_messages(
        [("human", "{input}"), MessagesPlaceholder("agent_scratchpad")]
    )
    agent = get_openai_tools_agent_creator()(model(), [weather], prompt)
    executor = get_agent_executor()(agent=agent, tools=[weather])
    handler = SentrialCallbackHandler(client, "s")
    answer = executor.invoke({"input": "weather?"}, config={"callbacks": [handler]})
    assert answer["output"] == "It is sunny."
    handler.finish()
    sent = Sent(client, collector)
    (call,) = sent.tools()
    assert call["toolInput"] == {"city": "Oslo"}
    assert call["toolOutput"] == {"output": "sunny in Oslo"}
    assert "weather" in call["reasoning"]
    assert call["metadata"]["path"][0] == "AgentExecutor"
    assert len(sent.models()) == 2
    assert sent.decisions() == ["Agent completed: It is sunny."]
    assert sent.completion()["totalTokens"] == 120


@old
def test_create_agent_with_sentrial_on_it(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    ask = create_agent_with_sentrial(model(), [weather], client, "my-agent")
    assert ask("weather?") == "It is sunny."
    sent = Sent(client, collector)
    assert [call["toolName"] for call in sent.tools()] == ["weather"]
    assert sent.completion()["assistantOutput"] == "It is sunny."


@pytest.mark.skipif(LANGCHAIN_MAJOR_VERSION < 1, reason="langchain 0 has it")
@pytest.mark.parametrize("getter", [get_agent_executor, get_openai_tools_agent_creator])
def test_langchain_1_says_where_it_went(getter: Any) -> None:
    with pytest.raises(ImportError, match="pip install -U langchain-classic"):
        getter()
