"""LangChain and LangGraph: callback handlers, and agents whose runs are sessions.

Importable without LangChain; using a name then is an `ImportError` that says what to install.
"""

from sentrial.client import SentrialClient
from sentrial.integrations.langchain import BaseCallbackHandler, SentrialCallbackHandler
from sentrial.integrations.langchain_agents import (
    LANGCHAIN_MAJOR_VERSION,
    LANGCHAIN_VERSION,
    create_agent_with_sentrial,
    get_agent_executor,
    get_openai_tools_agent_creator,
    get_react_agent,
)
from sentrial.integrations.langchain_async import AsyncSentrialCallbackHandler
from sentrial.pricing import MODEL_PRICING, calculate_cost, get_model_pricing

__all__ = [
    "LANGCHAIN_MAJOR_VERSION",
    "LANGCHAIN_VERSION",
    "MODEL_PRICING",
    "AsyncSentrialCallbackHandler",
    "BaseCallbackHandler",
    "SentrialCallbackHandler",
    "SentrialClient",
    "calculate_cost",
    "create_agent_with_sentrial",
    "get_agent_executor",
    "get_model_pricing",
    "get_openai_tools_agent_creator",
    "get_react_agent",
]
