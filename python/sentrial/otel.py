"""Recording OpenTelemetry spans: the documented module.

It can be imported without OpenTelemetry, which is loaded when one of the names is first used.
"""

from __future__ import annotations

import logging

from sentrial.integrations import versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sentrial.integrations.otel_processor import SentrialSpanProcessor
    from sentrial.integrations.otel_setup import setup_otel_tracing

__all__ = ["OTEL_AVAILABLE", "SentrialSpanProcessor", "logger", "setup_otel_tracing"]

OTEL_AVAILABLE = versions.is_importable("opentelemetry.sdk")
"""Whether the OpenTelemetry SDK is installed."""
logger = logging.getLogger("sentrial.otel")

_MODULES = {
    "SentrialSpanProcessor": "sentrial.integrations.otel_processor",
    "setup_otel_tracing": "sentrial.integrations.otel_setup",
}

if not TYPE_CHECKING:
    # Type checkers would take it to mean that every name exists.

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        import importlib

        value = (
            getattr(importlib.import_module(_MODULES[name]), name)
            if OTEL_AVAILABLE
            else _stand_in(name)
        )
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _stand_in(name: str) -> type:
    """Make what stands for a name without the package: it exists, and using it says what to do."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise versions.missing("opentelemetry", name)

    return type(name, (), {"__module__": __name__, "__new__": refuse})
