"""Providers whose spans go to a collector, and what arrived there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator

from tests.support.sdk import KEY

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from tests.support.collector import Collector


class CountingIds(IdGenerator):
    """Ids that are the same in every run."""

    def __init__(self) -> None:
        self.traces = 0
        self.spans = 0

    def generate_span_id(self) -> int:
        """Return the next one."""
        self.spans += 1
        return self.spans

    def generate_trace_id(self) -> int:
        """Return the next one."""
        self.traces += 1
        return (self.traces << 96) + 7


class Traced:
    """A provider with our processor; spans are made in a line."""

    def __init__(self, collector: Collector, **options: Any) -> None:
        from sentrial.otel import SentrialSpanProcessor

        self.collector = collector
        self.processor = SentrialSpanProcessor(
            api_key=KEY, api_url=collector.url, project="proj", **options
        )
        self.provider = TracerProvider(id_generator=CountingIds(), shutdown_on_exit=False)
        self.provider.add_span_processor(self.processor)
        self.tracer: Tracer = self.provider.get_tracer("tests")

    def fail(self, name: str, error: Exception, attributes: dict[str, Any]) -> None:
        """Make a span out of which an exception goes."""
        with self.tracer.start_as_current_span(name) as span:
            span.set_attributes(attributes)
            raise error

    def span(self, name: str, attributes: dict[str, Any] | None = None, **options: Any) -> None:
        """Make a span that ends at once."""
        with self.tracer.start_as_current_span(name, **options) as span:
            span.set_attributes(attributes or {})

    def sent(self) -> list[tuple[str, Any]]:
        """Return path below /api/sdk and body of each request, in order of arrival."""
        assert self.processor.force_flush()
        return [
            (request.path.removeprefix("/api/sdk"), request.json)
            for request in self.collector.requests()
        ]

    def sessions(self) -> dict[str, list[Any]]:
        """Return the bodies of each session in order: its creation, its events, its end."""
        assert self.processor.force_flush()
        by_session = self.collector.by_session()
        return {
            session: [request.json for request in requests]
            for session, requests in by_session.items()
        }

    def events(self) -> list[Any]:
        """Return the bodies of all events, in order of arrival."""
        return [body for path, body in self.sent() if path == "/events"]

    def completions(self) -> list[Any]:
        """Return the bodies of all completions, in order of arrival."""
        return [body for path, body in self.sent() if path.startswith("/sessions/")]

    def close(self) -> None:
        """Shut the provider down."""
        self.provider.shutdown()
