"""Putting the span processor where spans are made."""

# The annotations are part of the documented signatures, so they keep the spelling of `typing`.
# ruff: noqa: UP045

from __future__ import annotations

import logging
import weakref

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from sentrial.integrations.base import documented_in
from sentrial.integrations.otel_processor import SentrialSpanProcessor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Optional

    from sentrial._core import SentrialClient

__all__ = ["setup_otel_tracing"]

_logger = logging.getLogger("sentrial.otel")
_equipped: weakref.WeakSet[Any] = weakref.WeakSet()


@documented_in("sentrial.otel")
def setup_otel_tracing(
    project: Optional[str] = None,
    api_key: Optional[str] = None,
    filter_ai_spans: bool = True,
    *,
    api_url: Optional[str] = None,
    custom_filter: Optional[Callable[[Any], Optional[bool]]] = None,
    set_global: bool = True,
    client: SentrialClient | None = None,
) -> TracerProvider:
    """Record the spans of this process as sessions and events.

    A global tracer provider that is set is never replaced: the processor is added to it. If there
    is none, one is made. Calling it again changes nothing.

    Args:
        project: The agent's name of all sessions; default ``SENTRIAL_PROJECT``, then
            ``"otel-traces"``.
        api_key: The key; default ``SENTRIAL_API_KEY``.
        filter_ai_spans: Record only spans about AI; default True.
        api_url: The API's address; default ``SENTRIAL_API_URL``.
        custom_filter: See `SentrialSpanProcessor`.
        set_global: Make the new provider the global one, if none is set; default True. With False
            the global one is neither set nor touched: use the returned provider.
        client: The client to record with, instead of one made from `api_key` and `api_url`.

    Returns:
        The provider whose spans are recorded.

    Raises:
        ConfigurationError: The key or the address cannot be used.
    """
    provider = _existing() if set_global else None
    if provider is not None and provider in _equipped:
        _logger.warning("tracing is set up already; this call changes nothing")
        return provider
    processor = SentrialSpanProcessor(
        api_key, api_url, project, filter_ai_spans, custom_filter, client=client
    )
    if provider is None:
        provider = TracerProvider()
        if set_global:
            _offer(provider)
    provider.add_span_processor(processor)
    _equipped.add(provider)
    return provider


def _existing() -> TracerProvider | None:
    """Return the global provider, if it is one that takes processors."""
    provider = trace.get_tracer_provider()
    takes = callable(getattr(provider, "add_span_processor", None))
    return provider if takes else None  # type: ignore[return-value]


def _offer(provider: TracerProvider) -> None:
    """Make a provider the global one, unless there is one."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)
        return
    _logger.warning(
        "the global tracer provider takes no span processors and stays as it is: only spans of "
        "the returned provider are recorded"
    )
