"""Telemetry for AI agents: sessions, tool calls, LLM calls, errors and costs.

    import sentrial

    sentrial.configure(api_key="sentrial_live_...")
    with sentrial.begin(user_id="user_123", event="chat", input="hello") as interaction:
        interaction.track_tool_call("search", {"q": "hello"}, {"hits": 3})
        interaction.set_output("hi")

Calls return at once; delivery happens in the background and is bounded in memory and time. Names
that need more than the core are loaded when they are first used, so that importing stays cheap.
"""

from __future__ import annotations

import sys

from sentrial import _lifecycle as _lifecycle
from sentrial._core import (
    Interaction,
    SentrialClient,
    __version__,
    clear_session_context,
    get_session_context,
    set_session_context,
    stats,
)
from sentrial.client import begin, close, configure, flush, shutdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sentrial.async_client import (
        AsyncInteraction,
        AsyncSentrialClient,
        begin_async,
        configure_async,
    )
    from sentrial.autogen import SentrialAutogenHandler
    from sentrial.batcher import BatcherConfig, EventBatcher
    from sentrial.claude_code import TrackedClaudeClient, wrap_claude_agent, wrap_claude_client
    from sentrial.context import (
        ExperimentContext,
        get_experiment_context,
        get_system_prompt,
        get_variant_name,
        is_experiment_mode,
    )
    from sentrial.crewai import SentrialCrewHandler, track_crew
    from sentrial.decorators import (
        SessionContext,
        get_current_interaction,
        get_current_session_id,
        get_session_entry_points,
        session,
        tool,
    )
    from sentrial.exceptions import (
        APIConnectionError,
        APIError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        ConfigurationError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        SentrialError,
        ServerError,
    )
    from sentrial.experiment import (
        Experiment,
        ExperimentRunResult,
        ExperimentRunTracker,
        ExperimentTestCase,
        ExperimentVariant,
    )
    from sentrial.langchain import (
        LANGCHAIN_MAJOR_VERSION,
        LANGCHAIN_VERSION,
        AsyncSentrialCallbackHandler,
        SentrialCallbackHandler,
        create_agent_with_sentrial,
        get_agent_executor,
        get_openai_tools_agent_creator,
        get_react_agent,
    )
    from sentrial.langfuse_integration import LangfuseIntegration, LangfuseTraceContext
    from sentrial.otel import SentrialSpanProcessor, setup_otel_tracing
    from sentrial.propagation import (
        PropagatingExecutor,
        context_env,
        extract_headers,
        inject_headers,
        propagate,
    )
    from sentrial.redact import PiiBuiltinPatterns, PiiConfig, PiiCustomPattern
    from sentrial.types import EventType
    from sentrial.wrappers import (
        instrument,
        llm_call,
        unwrap,
        wrap_anthropic,
        wrap_google,
        wrap_llm,
        wrap_openai,
    )

__all__ = [  # noqa: RUF022  in plain order, as dir() has it
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "AsyncInteraction",
    "AsyncSentrialCallbackHandler",
    "AsyncSentrialClient",
    "AuthenticationError",
    "BadRequestError",
    "BatcherConfig",
    "ConfigurationError",
    "EventBatcher",
    "EventType",
    "Experiment",
    "ExperimentContext",
    "ExperimentRunResult",
    "ExperimentRunTracker",
    "ExperimentTestCase",
    "ExperimentVariant",
    "Interaction",
    "LANGCHAIN_MAJOR_VERSION",
    "LANGCHAIN_VERSION",
    "LangfuseIntegration",
    "LangfuseTraceContext",
    "NotFoundError",
    "PermissionDeniedError",
    "PiiBuiltinPatterns",
    "PiiConfig",
    "PiiCustomPattern",
    "PropagatingExecutor",
    "RateLimitError",
    "SentrialAutogenHandler",
    "SentrialCallbackHandler",
    "SentrialClient",
    "SentrialCrewHandler",
    "SentrialError",
    "SentrialSpanProcessor",
    "ServerError",
    "SessionContext",
    "TrackedClaudeClient",
    "__version__",
    "begin",
    "begin_async",
    "clear_session_context",
    "close",
    "configure",
    "configure_async",
    "context_env",
    "create_agent_with_sentrial",
    "extract_headers",
    "flush",
    "get_agent_executor",
    "get_current_interaction",
    "get_current_session_id",
    "get_experiment_context",
    "get_openai_tools_agent_creator",
    "get_react_agent",
    "get_session_context",
    "get_session_entry_points",
    "get_system_prompt",
    "get_variant_name",
    "inject_headers",
    "instrument",
    "is_experiment_mode",
    "llm_call",
    "propagate",
    "session",
    "set_session_context",
    "setup_otel_tracing",
    "shutdown",
    "stats",
    "tool",
    "track_crew",
    "unwrap",
    "wrap_anthropic",
    "wrap_claude_agent",
    "wrap_claude_client",
    "wrap_google",
    "wrap_llm",
    "wrap_openai",
]

_LAZY = {
    **dict.fromkeys(
        ("AsyncInteraction", "AsyncSentrialClient", "begin_async", "configure_async"),
        "sentrial.async_client",
    ),
    **dict.fromkeys(("BatcherConfig", "EventBatcher"), "sentrial.batcher"),
    **dict.fromkeys(
        (
            "ExperimentContext",
            "get_experiment_context",
            "get_system_prompt",
            "get_variant_name",
            "is_experiment_mode",
        ),
        "sentrial.context",
    ),
    **dict.fromkeys(
        (
            "Experiment",
            "ExperimentRunResult",
            "ExperimentRunTracker",
            "ExperimentTestCase",
            "ExperimentVariant",
        ),
        "sentrial.experiment",
    ),
    **dict.fromkeys(
        (
            "SessionContext",
            "get_current_interaction",
            "get_current_session_id",
            "get_session_entry_points",
            "session",
            "tool",
        ),
        "sentrial.decorators",
    ),
    **dict.fromkeys(
        (
            "PropagatingExecutor",
            "context_env",
            "extract_headers",
            "inject_headers",
            "propagate",
        ),
        "sentrial.propagation",
    ),
    **dict.fromkeys(("PiiBuiltinPatterns", "PiiConfig", "PiiCustomPattern"), "sentrial.redact"),
    **dict.fromkeys(
        ("LangfuseIntegration", "LangfuseTraceContext"), "sentrial.langfuse_integration"
    ),
    **dict.fromkeys(("SentrialSpanProcessor", "setup_otel_tracing"), "sentrial.otel"),
    **dict.fromkeys(
        (
            "instrument",
            "llm_call",
            "unwrap",
            "wrap_anthropic",
            "wrap_google",
            "wrap_llm",
            "wrap_openai",
        ),
        "sentrial.wrappers",
    ),
    "EventType": "sentrial.types",
    "SentrialAutogenHandler": "sentrial.autogen",
    **dict.fromkeys(("SentrialCrewHandler", "track_crew"), "sentrial.crewai"),
    **dict.fromkeys(
        ("TrackedClaudeClient", "wrap_claude_agent", "wrap_claude_client"), "sentrial.claude_code"
    ),
    **dict.fromkeys(
        (
            "LANGCHAIN_MAJOR_VERSION",
            "LANGCHAIN_VERSION",
            "AsyncSentrialCallbackHandler",
            "SentrialCallbackHandler",
            "create_agent_with_sentrial",
            "get_agent_executor",
            "get_openai_tools_agent_creator",
            "get_react_agent",
        ),
        "sentrial.langchain",
    ),
}


if not TYPE_CHECKING:
    # Type checkers would take it to mean that every name exists.

    def __getattr__(name: str) -> object:
        module = _LAZY.get(name)
        if module is None:
            if name not in __all__:
                message = f"module 'sentrial' has no attribute {name!r}"
                raise AttributeError(message)
            module = "sentrial.exceptions"
        import importlib

        value: object = getattr(importlib.import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(type(sys)):  # type: ignore[misc]  # types.ModuleType, without importing types
    """Lets whoever lists the module (`vars`, pydoc, IDEs) see the names that are loaded on use."""

    @property
    def __dict__(self) -> dict[str, object]:  # type: ignore[override]
        for name in __all__:
            getattr(self, name)
        listed: dict[str, object] = super().__dict__
        return listed


sys.modules[__name__].__class__ = _Package
