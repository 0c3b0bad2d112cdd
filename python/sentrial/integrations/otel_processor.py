"""The span processor: what it records, and to which session."""

# The annotations are part of the documented signatures, so they keep the spelling of `typing`.
# ruff: noqa: UP045

from __future__ import annotations

import logging
import os
import threading
import weakref

from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import SpanProcessor

from sentrial import _core
from sentrial._core import SentrialClient
from sentrial.integrations import otel_attributes as attribute
from sentrial.integrations import otel_content, otel_events, versions
from sentrial.integrations.base import documented_in
from sentrial.integrations.otel_traces import Trace, Traces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Optional

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from sentrial._core import Interaction

__all__ = ["SentrialSpanProcessor", "untraced"]

DEFAULT_PROJECT = "otel-traces"

_logger = logging.getLogger("sentrial.otel")
_untraced = otel_context.create_key("sentrial-untraced")
# Under this key instrumentations look for a reason to make no spans.
_suppressed = getattr(otel_context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")
_processors: weakref.WeakSet[SentrialSpanProcessor] = weakref.WeakSet()
_hooked: list[bool] = []


class untraced:  # noqa: N801  reads like a statement: `with untraced():`
    """A block whose spans are not recorded: what the SDK itself does, or has others do."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        here = otel_context.set_value(_untraced, value=True)
        self._token = otel_context.attach(otel_context.set_value(_suppressed, True, here))

    def __exit__(self, *_: object) -> None:
        otel_context.detach(self._token)


def _is_untraced() -> bool:
    return otel_context.get_value(_untraced) is not None


def _is_root(span: Any) -> bool:
    """Tell whether a span has no parent in this process."""
    return span.parent is None or span.parent.is_remote


@documented_in("sentrial.otel")
class SentrialSpanProcessor(SpanProcessor):
    """Records the spans of other instrumentations as sessions and events.

    One trace is one session, created with the first span about AI that ends and completed when the
    root span ends: as failed if that one failed. Nothing waits for the network except
    `force_flush` and `shutdown`; nothing is raised.

    Args:
        api_key: The key; default ``SENTRIAL_API_KEY``.
        api_url: The API's address; default ``SENTRIAL_API_URL``.
        project: The agent's name of all sessions; default ``SENTRIAL_PROJECT``, then
            ``"otel-traces"``.
        filter_ai_spans: Record only spans about AI; default True. They are told by their
            attributes, or by a word like ``chat`` in their name.
        custom_filter: Called with each ended span: True records it, False does not, None leaves it
            to `filter_ai_spans`.
        user_id_attribute: The attribute with the end user; default ``"user.id"``.
        client: The client to record with, instead of one made from `api_key` and `api_url`.

    Raises:
        ConfigurationError: The key or the address cannot be used.
    """

    GENAI_PREFIXES = attribute.PREFIXES

    def __init__(
        self,
        api_key: Optional[str] = None,
        api_url: Optional[str] = None,
        project: Optional[str] = None,
        filter_ai_spans: bool = True,
        custom_filter: Optional[Callable[[Any], Optional[bool]]] = None,
        user_id_attribute: str = "user.id",
        *,
        client: SentrialClient | None = None,
    ) -> None:
        versions.check("opentelemetry")
        self.client = client or SentrialClient(api_url, api_key)
        self.project = project or os.environ.get("SENTRIAL_PROJECT") or DEFAULT_PROJECT
        self.filter_ai_spans = filter_ai_spans
        self.custom_filter = custom_filter
        self.user_id_attribute = user_id_attribute
        self._traces = Traces(self._give_up)
        self._complained = False
        _watch(self)

    @property
    def api_key(self) -> str | None:
        """The key of the client."""
        return self.client.api_key

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return self.client.api_url

    def on_start(
        self,
        span: Span,
        parent_context: Context | None = None,  # noqa: ARG002  part of the interface
    ) -> None:
        """Note that a trace has begun."""
        if _is_root(span) and not _is_untraced():
            self._traces.root_started(span.context.trace_id, span)

    def on_end(self, span: ReadableSpan) -> None:
        """Record a span, and complete the session with the root."""
        if _is_untraced() or span.context is None:
            return
        with untraced():
            try:
                self._ended(span)
            except Exception as error:  # noqa: BLE001  an instrumented program never fails for us
                self._complain(f"a span was not recorded: {error!r}")

    def _ended(self, span: ReadableSpan) -> None:
        trace_id = span.context.trace_id
        failure = otel_events.failure_of(span)
        wanted = self._is_wanted(span)
        trace = self._traces.of(trace_id) if wanted else self._traces.known(trace_id)
        if trace is not None:
            self._in_trace(trace, span, failure, wanted=wanted)
        if _is_root(span):
            ended = self._traces.root_ended(trace_id)
            if ended is not None:
                self._complete(ended, ended.failure, span)

    def _in_trace(
        self,
        trace: Trace,
        span: ReadableSpan,
        failure: otel_events.Failure | None,
        *,
        wanted: bool,
    ) -> None:
        if failure is not None and _is_root(span):
            trace.failure = failure
        counted = span.context.span_id in trace.counted
        trace.counted.discard(span.context.span_id)
        if wanted:
            trace.child_failure = failure or trace.child_failure
            carried = otel_events.record(
                self.client,
                self._session(trace, span),
                span,
                failure,
                counted_inside=counted,
            )
            counted = counted or carried
        if counted and span.parent is not None and not span.parent.is_remote:
            trace.counted.add(span.parent.span_id)

    def _is_wanted(self, span: ReadableSpan) -> bool:
        decided = None
        if self.custom_filter is not None:
            try:
                decided = self.custom_filter(span)
            except Exception as error:  # noqa: BLE001  a failing filter decides nothing
                self._complain(f"custom_filter failed: {error!r}")
        if decided is not None:
            return bool(decided)
        return not self.filter_ai_spans or attribute.is_ai(span.name, span.attributes or {})

    def _session(self, trace: Trace, span: ReadableSpan) -> Interaction:
        with trace.lock:
            if trace.session is None:
                trace.session = self._opened(trace, span)
            return trace.session

    def _opened(self, trace: Trace, span: ReadableSpan) -> Interaction:
        trace_id = otel_events.trace_id(span)
        here = span.attributes or {}
        above = (trace.root.attributes if trace.root is not None else None) or {}
        user = attribute.user(here, self.user_id_attribute)
        if user is None:
            user = attribute.user(above, self.user_id_attribute)
        return _core.open_session(
            self.client,
            f"OTel Trace: {trace_id[:8]}",
            agent_name=self.project,
            user_id=user,
            convo_id=attribute.conversation(here) or attribute.conversation(above),
            metadata={"trace_id": trace_id, "source": "opentelemetry"},
        )

    def _complete(
        self, trace: Trace, failure: otel_events.Failure | None, root: ReadableSpan | None
    ) -> None:
        if trace.session is None or not trace.is_ours:
            return
        asked = answered = duration_ms = None
        if root is not None:
            asked, answered = otel_content.whole_text(root.attributes or {})
            if root.start_time and root.end_time:
                duration_ms = max(0, (root.end_time - root.start_time) // 1_000_000)
        self.client.complete_session(
            trace.session,
            success=failure is None,
            failure_reason=failure.reason if failure else None,
            duration_ms=duration_ms,
            user_input=asked,
            assistant_output=answered,
        )

    def _give_up(self, trace: Trace) -> None:
        """Complete a session whose root is not going to be seen."""
        self._complete(trace, trace.failure or trace.child_failure, None)

    def _complain(self, text: str) -> None:
        # One line of its kind is enough to look into it; the others are for who asks for them.
        level = logging.DEBUG if self._complained else logging.WARNING
        self._complained = True
        _logger.log(level, "%s", text)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until everything recorded so far is delivered.

        Args:
            timeout_millis: Milliseconds to wait at most; default 30 000.

        Returns:
            Whether nothing is left to deliver.
        """
        try:
            self.client.flush(timeout_millis / 1000)
        except Exception as error:  # noqa: BLE001  the answer says it
            self._complain(f"flush failed: {error!r}")
            return False
        return bool(self.client.stats()["pending"] == 0)

    def shutdown(self) -> None:
        """Complete all open sessions and deliver, as long as closing the client would wait."""
        try:
            for trace in self._traces.drain():
                self._give_up(trace)
            # At the end of the process the SDK delivers everything itself, within one deadline.
            if threading.main_thread().is_alive():
                self.client.shutdown()
        except Exception as error:  # noqa: BLE001  see on_end
            self._complain(f"shutdown failed: {error!r}")


def _watch(processor: SentrialSpanProcessor) -> None:
    _processors.add(processor)
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked.append(True)
        os.register_at_fork(after_in_child=_after_fork_in_child)


def _after_fork_in_child() -> None:
    for processor in list(_processors):
        processor._traces.after_fork_in_child()  # noqa: SLF001  one concept, one module
