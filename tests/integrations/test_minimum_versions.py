"""A framework that is older than what an integration is made for: one warning, no error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial.integrations import langchain_agents, versions
from sentrial.integrations.versions import REQUIREMENTS

from tests.support.sdk import messages

if TYPE_CHECKING:
    from collections.abc import Callable


OTHER_KEY = "sk"


def agent_of_langchain(client: sentrial.SentrialClient) -> object:
    from langchain_core.language_models.fake_chat_models import FakeListChatModel

    class Model(FakeListChatModel):
        def bind_tools(self, *_: object, **__: object) -> Any:
            return self

    return sentrial.create_agent_with_sentrial(Model(responses=["x"]), [], client, "agent")


def makes_executors() -> bool:
    old = langchain_agents.LANGCHAIN_MAJOR_VERSION < 1
    return old and versions.attribute("langchain.agents", "AgentExecutor") is not None


def span_processor(client: sentrial.SentrialClient) -> object:
    return sentrial.SentrialSpanProcessor(client=client)


def langfuse_client(_: sentrial.SentrialClient) -> object:
    integration = sentrial.LangfuseIntegration(
        public_key="pk-old", secret_key=OTHER_KEY, host="http://127.0.0.1:9"
    )
    client = integration.client
    integration.shutdown()
    return client


USES: dict[str, Callable[[Any], object]] = {
    "langchain": lambda c: sentrial.SentrialCallbackHandler(c, "s"),
    "langgraph": agent_of_langchain,
    "langchain-agents": agent_of_langchain,
    "crewai": lambda c: sentrial.SentrialCrewHandler(c, "s"),
    "autogen": lambda c: sentrial.SentrialAutogenHandler(c, "s"),
    "autogen-legacy": lambda c: sentrial.SentrialAutogenHandler(c, "s"),
    "claude-agent-sdk": lambda c: sentrial.wrap_claude_agent(lambda **_: None, client=c),
    "opentelemetry": span_processor,
    "langfuse": langfuse_client,
}


def test_every_requirement_is_here() -> None:
    assert set(USES) == set(REQUIREMENTS)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
# LangGraph's function for agents, where LangChain's newer one is not installed.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("identifier", USES)
def test_an_older_version_gives_one_warning_and_works(
    client: sentrial.SentrialClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    identifier: str,
) -> None:
    use, needed = USES[identifier], REQUIREMENTS[identifier]
    if versions.installed(identifier) is None:
        pytest.skip(f"needs {needed.distribution}")
    if use is agent_of_langchain and makes_executors() != (identifier == "langchain-agents"):
        pytest.skip("the installed LangChain makes agents in the other way")
    monkeypatch.setitem(REQUIREMENTS, identifier, needed._replace(minimum=(9999,)))
    monkeypatch.setattr(versions, "_checked", set(REQUIREMENTS) - {identifier})
    assert use(client) is not None
    assert use(client) is not None
    (line,) = [text for text in messages(caplog) if "is older than" in text]
    assert line.startswith(f"{needed.distribution} ")
    assert line.endswith(f"pip install -U 'sentrial[{needed.extra}]'")
