"""Agents of LangChain and LangGraph, whichever generation of them is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial.integrations import versions
from sentrial.integrations.base import client_of, documented_in, text_of
from sentrial.integrations.langchain import BaseCallbackHandler, SentrialCallbackHandler
from sentrial.integrations.langchain_messages import content_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentrial._core import SentrialClient
    from sentrial.async_client import AsyncSentrialClient

__all__ = [
    "LANGCHAIN_MAJOR_VERSION",
    "LANGCHAIN_VERSION",
    "create_agent_with_sentrial",
    "get_agent_executor",
    "get_openai_tools_agent_creator",
    "get_react_agent",
]

_QUERY = 50
_SYSTEM_PROMPT = "You are a helpful assistant. Use the tools where they help."

_installed = versions.installed("langchain-agents") or versions.installed("langchain")

LANGCHAIN_MAJOR_VERSION = _installed[0] if _installed else 0
"""The major version of langchain, else of langchain-core; 0 without either."""


def _flavour() -> str:
    if BaseCallbackHandler is None:
        return "unknown"
    if not versions.is_importable("langchain_core"):
        return "legacy"
    return "core-1.x" if LANGCHAIN_MAJOR_VERSION >= 1 else "core"


LANGCHAIN_VERSION = _flavour()
"""``"core-1.x"``, ``"core"`` (0.x), ``"legacy"`` (before langchain-core) or ``"unknown"``."""


@documented_in("sentrial.langchain")
def get_agent_executor() -> Any:
    """Return the class `AgentExecutor`.

    Raises:
        ImportError: It is not installed. LangChain 1 has it in the package langchain-classic.
    """
    return _find("AgentExecutor", "langchain.agents", "langchain_classic.agents")


@documented_in("sentrial.langchain")
def get_openai_tools_agent_creator() -> Any:
    """Return the function `create_openai_tools_agent`.

    Raises:
        ImportError: It is not installed. LangChain 1 has it in the package langchain-classic.
    """
    return _find("create_openai_tools_agent", "langchain.agents", "langchain_classic.agents")


@documented_in("sentrial.langchain")
def get_react_agent() -> Any:
    """Return the function that makes a ReAct agent of a model and tools.

    Returns:
        `langgraph.prebuilt.create_react_agent`, or `langchain.agents.create_agent` where LangGraph
        no longer has it.

    Raises:
        ImportError: Neither is installed.
    """
    for module, name in (
        ("langgraph.prebuilt", "create_react_agent"),
        ("langchain.agents", "create_agent"),
    ):
        found = versions.attribute(module, name)
        if found is not None:
            return found
    raise ImportError(
        "a ReAct agent needs langgraph, which is not installed: pip install -U langgraph",
        name="langgraph",
    )


@documented_in("sentrial.langchain")
def create_agent_with_sentrial(
    llm: Any,
    tools: list[Any],
    client: SentrialClient | AsyncSentrialClient,
    agent_name: str,
    user_id: str = "anonymous",
    verbose: bool = False,
) -> Callable[[str], str]:
    """Make an agent each of whose runs is a session.

    Args:
        llm: A chat model of LangChain.
        tools: Its tools.
        client: The client.
        agent_name: The name of the agent.
        user_id: The end user. Default ``"anonymous"``.
        verbose: Whether what happens is printed. Default False.

    Returns:
        A function that takes a question and returns the answer. What the agent raises makes the
        session a failed one, and is raised again as it is.

    Raises:
        ImportError: LangChain is not installed.
    """
    if BaseCallbackHandler is None:
        raise versions.missing("langchain", "create_agent_with_sentrial")
    run = _graph(llm, tools) or _executor(llm, tools, verbose)

    def ask(query: str) -> str:
        text = text_of(query)
        session_id = client_of(client).create_session(
            f"{agent_name}: {text[:_QUERY]}", agent_name, user_id
        )
        handler = SentrialCallbackHandler(client, session_id, verbose=verbose)
        handler.set_input(text)
        try:
            answer = run(query, {"callbacks": [handler]})
        except Exception as error:
            handler.finish(False, text_of(error))
            raise
        handler.finish(True)
        return answer

    return ask


def _graph(llm: Any, tools: list[Any]) -> Callable[[str, Any], str] | None:
    """Return how to run an agent of LangGraph; None where AgentExecutor is the way."""
    if LANGCHAIN_MAJOR_VERSION < 1 and versions.attribute("langchain.agents", "AgentExecutor"):
        return None
    versions.check("langgraph")
    # The newer function first: LangGraph's own warns that it is about to go.
    create = versions.attribute("langchain.agents", "create_agent") or get_react_agent()
    agent = create(llm, tools)

    def run(query: str, config: Any) -> str:
        result = agent.invoke({"messages": [("user", query)]}, config=config)
        return content_text(getattr(result["messages"][-1], "content", None))

    return run


def _executor(llm: Any, tools: list[Any], verbose: bool) -> Callable[[str, Any], str]:
    from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

    versions.check("langchain-agents")
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", _SYSTEM_PROMPT),
            ("human", "{input}"),
            MessagesPlaceholder("agent_scratchpad"),
        ]
    )
    create = (
        versions.attribute("langchain.agents", "create_tool_calling_agent")
        or get_openai_tools_agent_creator()
    )
    executor = get_agent_executor()(agent=create(llm, tools, prompt), tools=tools, verbose=verbose)

    def run(query: str, config: Any) -> str:
        return content_text(executor.invoke({"input": query}, config=config).get("output"))

    return run


def _find(name: str, *modules: str) -> Any:
    for module in modules:
        found = versions.attribute(module, name)
        if found is not None:
            return found
    raise ImportError(
        f"{name} is not installed: pip install -U langchain-classic", name="langchain_classic"
    )
