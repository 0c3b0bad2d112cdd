"""The Langfuse client behind the mirror, in the words of Langfuse 2: traces, spans, generations.

Clients of Langfuse 3 and newer speak of observations instead; `langfuse_observations` translates.
"""

# The annotations are part of the documented signatures, so they keep the spelling of `typing`.
# ruff: noqa: UP006, UP035, UP045

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Dict, Optional, TypeVar

from sentrial import _lifecycle
from sentrial.integrations import versions
from sentrial.integrations.base import documented_in, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentrial._mirror import Target

__all__ = ["LangfuseIntegration"]

T = TypeVar("T")

_logger = logging.getLogger("sentrial.langfuse")
# What Python says when a thread is started too late; Langfuse's clients have several.
_NO_THREAD = "interpreter shutdown"


@documented_in("sentrial.langfuse_integration")
class LangfuseIntegration:
    """Mirrors what a client records to Langfuse, version 2 or newer.

    Give it to `SentrialClient(langfuse=...)`. Everything that the client records is then mirrored
    on a thread of its own: the program does not wait for Langfuse. The methods can be called by
    hand, too; those do their work in the calling thread.

    Args:
        langfuse_client: Your own Langfuse client. Default: one is made when it is first needed,
            which leaves the global OpenTelemetry provider alone.
        public_key: The public key; default ``LANGFUSE_PUBLIC_KEY``.
        secret_key: The secret key; default ``LANGFUSE_SECRET_KEY``.
        host: The address of Langfuse; default ``LANGFUSE_HOST``, then Langfuse's cloud.
        enabled: Whether anything is mirrored; default True.
        fail_silently: Log errors of calls by hand instead of raising them; default True. What is
            mirrored never raises.
    """

    def __init__(
        self,
        langfuse_client: Any = None,
        public_key: Optional[str] = None,
        secret_key: Optional[str] = None,
        host: Optional[str] = None,
        enabled: bool = True,
        fail_silently: bool = True,
    ) -> None:
        self.enabled = enabled
        self.fail_silently = fail_silently
        self._given = langfuse_client
        self._options = {"public_key": public_key, "secret_key": secret_key, "host": host}
        # By process: the threads of a client do not survive a fork.
        self._made: dict[int, _Made] = {}
        self._complained = False
        if enabled and langfuse_client is None and not versions.is_importable("langfuse"):
            self.enabled = False
            _logger.warning("%s", versions.missing("langfuse", "LangfuseIntegration"))

    @property
    def client(self) -> Any:
        """The Langfuse client: yours, or one made now; None if nothing is mirrored."""
        if self._given is not None or not self.enabled:
            return self._given
        pid = os.getpid()
        made = self._made.get(pid)
        if made is None:
            versions.check("langfuse")
            for inherited in list(self._made.values()):
                inherited.forget()
            made = self._made.setdefault(pid, _make(self._options))
        return made.client

    def _api(self) -> Any:
        """Return the client, or what makes a newer one speak like version 2."""
        from sentrial.integrations.langfuse_observations import Observations

        client = self.client
        return client if callable(getattr(client, "trace", None)) else Observations(client)

    def _call(self, what: str, work: Callable[[], T]) -> T | None:
        if not self.enabled:
            return None
        try:
            return work()
        except Exception as error:
            if not self.fail_silently:
                raise
            # By change of state: a Langfuse that fails fails for each call.
            level = logging.DEBUG if self._complained else logging.WARNING
            self._complained = True
            _logger.log(
                level, "Langfuse: %s failed: %s: %s", what, type(error).__name__, text_of(error)
            )
            return None

    def create_trace(
        self,
        session_id: str,
        name: str,
        user_id: str,
        input_data: Optional[str] = None,
        metadata: Optional[Dict[str, Any]] = None,
    ) -> Any:
        """Make the trace of a session.

        Args:
            session_id: The session; its id names the trace and stands in its metadata.
            name: What the trace is called.
            user_id: The end user.
            input_data: What the user asked.
            metadata: A dict of anything.

        Returns:
            The trace; None if it could not be made.
        """
        full = dict(metadata or {})
        if session_id is not None:
            full["sentrial_session_id"] = session_id
        return self._call(
            "trace",
            lambda: self._api().trace(
                id=session_id, name=name, user_id=user_id, input=input_data, metadata=full
            ),
        )

    def create_span(
        self,
        trace: Any,
        name: str,
        input_data: Optional[Dict[str, Any]] = None,
        metadata: Optional[Dict[str, Any]] = None,
    ) -> Any:
        """Begin a span of a trace; end it with `end_span`."""
        return self._call(
            "span", lambda: trace.span(name=name, input=input_data, metadata=metadata)
        )

    def end_span(
        self, span: Any, output_data: Optional[Dict[str, Any]] = None, error: Optional[str] = None
    ) -> None:
        """End a span; with an `error`, as failed."""
        self._call(
            "span",
            lambda: span.end(
                output=output_data, level="ERROR" if error else "DEFAULT", status_message=error
            ),
        )

    def create_generation(
        self,
        trace: Any,
        name: str,
        model: Optional[str] = None,
        input_data: Optional[Any] = None,
        output_data: Optional[Any] = None,
        usage: Optional[Dict[str, int]] = None,
        metadata: Optional[Dict[str, Any]] = None,
        *,
        error: Optional[str] = None,
    ) -> Any:
        """Record the call of a model, which is over; with an `error`, as failed."""
        failed = {"level": "ERROR", "status_message": error} if error else {}
        return self._call(
            "generation",
            lambda: trace.generation(
                name=name,
                model=model,
                input=input_data,
                output=output_data,
                usage=usage,
                metadata=metadata,
                **failed,
            ),
        )

    def create_event(
        self,
        trace: Any,
        name: str,
        input_data: Optional[Any] = None,
        metadata: Optional[Dict[str, Any]] = None,
        *,
        error: Optional[str] = None,
    ) -> Any:
        """Record something that happened at one moment; with an `error`, that it failed."""
        failed = {"level": "ERROR", "status_message": error} if error else {}
        return self._call(
            "event",
            lambda: trace.event(name=name, input=input_data, metadata=metadata, **failed),
        )

    def update_trace(
        self, trace: Any, output: Optional[str] = None, metadata: Optional[Dict[str, Any]] = None
    ) -> None:
        """Add to a trace what is known at its end."""
        self._call("update", lambda: trace.update(output=output, metadata=metadata))

    def score_trace(
        self, trace: Any, name: str, value: float, comment: Optional[str] = None
    ) -> None:
        """Give a trace a score."""
        self._call("score", lambda: trace.score(name=name, value=value, comment=comment))

    def end_trace(self, trace: Any) -> None:
        """End a trace. With Langfuse 2 there is nothing to do."""
        from sentrial.integrations.langfuse_observations import ObservedTrace

        if isinstance(trace, ObservedTrace):
            self._call("end", trace.end)

    def flush(self) -> None:
        """Deliver to Langfuse; waits."""
        # The client may be made only here, where its errors are caught.
        self._call("flush", self._flush)

    def _flush(self) -> None:
        self.client.flush()
        made = self._made.get(os.getpid())
        if made is not None:
            made.flush_spans()

    def shutdown(self) -> None:
        """Deliver to Langfuse and end the client, unless it is yours; waits."""
        made = self._made.pop(os.getpid(), None)
        if made is not None:
            self._call("shutdown", made.shut_down)

    def mirror_target(self) -> Target | None:
        """Return where a client's requests are recorded; None if that is switched off."""
        from sentrial.integrations.langfuse_mirror import LangfuseTarget

        return LangfuseTarget(self) if self.enabled else None


class _Made:
    """A client that is ours alone."""

    def __init__(self, client: Any, provider: Any) -> None:
        self.client = client
        self._provider = provider

    def flush_spans(self) -> None:
        """Deliver spans: `flush` of early versions 3 does so for the global provider only."""
        if self._provider is not None:
            self._provider.force_flush()

    def forget(self) -> None:
        """Let a forked child have its own: Langfuse keeps one by key, without threads there."""
        resources = getattr(self.client, "_resources", None)
        instances = getattr(type(resources), "_instances", {})
        for key in [key for key, known in instances.items() if known is resources]:
            instances.pop(key, None)

    def shut_down(self) -> None:
        self.flush_spans()
        self.client.shutdown()
        # Version 2 leaves its connections open.
        connections = getattr(self.client, "httpx_client", None)
        if connections is not None:
            connections.close()


def _make(options: dict[str, str | None]) -> _Made:
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    try:
        # Not even loaded when it is of no use: that takes a second, at the end of a program.
        made = None if _lifecycle.refuses_threads else _make_of_langfuse(given)
    except RuntimeError as error:
        if _NO_THREAD not in str(error):
            raise
        made = None
    if made is None:
        from sentrial.integrations.langfuse_ingestion import Ingestion

        return _Made(Ingestion(**given), None)
    return made


def _make_of_langfuse(given: dict[str, Any]) -> _Made | None:
    """Return a client of Langfuse's own; None if it cannot be had without a side effect."""
    import inspect

    from langfuse import Langfuse

    provider = None
    if "tracer_provider" in inspect.signature(Langfuse.__init__).parameters:
        # Otherwise it would become, or use, the global provider of the program.
        from opentelemetry.sdk.trace import TracerProvider

        provider = TracerProvider(shutdown_on_exit=False)
        given = {**given, "tracer_provider": provider}
    elif not hasattr(Langfuse, "trace"):
        # Versions 3.0 and 3.1 know only the global one.
        return None
    if _lifecycle.refuses_threads:
        return None
    client = Langfuse(**given)
    _take_exit_hook(client)
    return _Made(client, provider)


def _take_exit_hook(client: Any) -> None:
    """Keep a client of ours from waiting at the end of the process without a bound.

    The mirror delivers then, within the deadline of the SDK.
    """
    import atexit

    for owner in ("task_manager", "_resources"):
        waits = getattr(getattr(client, owner, None), "shutdown", None)
        if waits is not None:
            atexit.unregister(waits)
