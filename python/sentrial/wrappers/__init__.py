"""Clients of language models whose calls are recorded, and which session calls belong to.

    client = sentrial.wrap_openai(OpenAI())
    with sentrial.begin(user_id="user_123", event="chat"):
        client.chat.completions.create(model="gpt-4o", messages=[...])

An interaction makes itself current; the context functions are for sessions made by
`create_session`, or in another process.
"""

from sentrial._core import clear_session_context, get_session_context, set_session_context
from sentrial.wrappers._install import (
    instrument,
    unwrap,
    wrap_anthropic,
    wrap_google,
    wrap_llm,
    wrap_openai,
)
from sentrial.wrappers._manual import LLMCall, llm_call
from sentrial.wrappers._usage import Usage

__all__ = [
    "LLMCall",
    "Usage",
    "clear_session_context",
    "get_session_context",
    "instrument",
    "llm_call",
    "set_session_context",
    "unwrap",
    "wrap_anthropic",
    "wrap_google",
    "wrap_llm",
    "wrap_openai",
]
