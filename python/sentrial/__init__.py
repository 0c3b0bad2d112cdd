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
    from sentrial.batcher import BatcherConfig, EventBatcher
    from sentrial.context import (
        ExperimentContext,
        get_experiment_context,
        get_system_prompt,
        get_variant_name,
        is_experiment_mode,
    )
    from sentrial.decorators import get_current_session_id, tool
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
    from sentrial.redact import PiiBuiltinPatterns, PiiConfig, PiiCustomPattern
    from sentrial.types import EventType

__all__ = [
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "AsyncInteraction",
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
    "NotFoundError",
    "PermissionDeniedError",
    "PiiBuiltinPatterns",
    "PiiConfig",
    "PiiCustomPattern",
    "RateLimitError",
    "SentrialClient",
    "SentrialError",
    "ServerError",
    "__version__",
    "begin",
    "begin_async",
    "clear_session_context",
    "close",
    "configure",
    "configure_async",
    "flush",
    "get_current_session_id",
    "get_experiment_context",
    "get_session_context",
    "get_system_prompt",
    "get_variant_name",
    "is_experiment_mode",
    "set_session_context",
    "shutdown",
    "stats",
    "tool",
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
    **dict.fromkeys(("get_current_session_id", "tool"), "sentrial.decorators"),
    **dict.fromkeys(("PiiBuiltinPatterns", "PiiConfig", "PiiCustomPattern"), "sentrial.redact"),
    "EventType": "sentrial.types",
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
