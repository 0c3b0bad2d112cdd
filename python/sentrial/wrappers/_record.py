"""One call of a language model while it runs, and how it is recorded.

Everything here may fail without the program noticing: what goes wrong is one warning, and the
program gets its result or its exception as it is.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sentrial import _core
from sentrial.client import _get_client
from sentrial.wrappers import _innermost
from sentrial.wrappers._values import written

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentrial._core import CurrentSession, Interaction
    from sentrial.wrappers._usage import Usage

__all__ = ["Answer", "Call", "Options", "Request", "off_the_loop", "retries_in", "warn"]

_WARNING = 30


class Options(NamedTuple):
    """What a wrapped client records.

    Attributes:
        without_session: Record calls outside of a session in a session of their own.
        thinking: Record what the model thought before it answered.
    """

    without_session: bool = False
    thinking: bool = True


class Request(NamedTuple):
    """What a call asks for.

    Attributes:
        provider: The provider's name in the event.
        model: The model's name.
        messages: What the model is given; written down when the call is recorded.
        metadata: Parameters such as the temperature.
    """

    provider: str
    model: str
    messages: Any
    metadata: dict[str, Any]


class Answer(NamedTuple):
    """What a call gave.

    Attributes:
        content: The text, "" if there is none.
        usage: None if the provider reports none.
        fields: What else belongs to the answer: tool calls, refusal, thinking.
        metadata: Finish reason, ids, the model that answered.
    """

    content: Any = ""
    usage: Usage | None = None
    fields: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class Call:
    """A call that runs. It belongs to the session that was current when it began."""

    __slots__ = (
        "_enclosing",
        "_first",
        "_interaction",
        "_scope",
        "_session",
        "_started",
        "request",
    )

    def __init__(
        self,
        session: CurrentSession,
        request: Request,
        interaction: Interaction | None = None,
        scope: _innermost.Scope | None = None,
    ) -> None:
        self.request = request
        self._session = session
        self._interaction = interaction
        #: Its own, if other calls may happen inside.
        self._scope = scope
        self._enclosing = scope.parent if scope else _innermost.enclosing()
        self._first: float | None = None
        self._started = time.perf_counter()

    @classmethod
    def apart(cls, request: Request) -> Call | None:
        """Begin a call in a session of its own, which is current for nothing else."""
        import contextvars

        context = contextvars.copy_context()
        event = f"llm:{request.provider}:{request.model}"
        interaction = context.run(_get_client().begin, "anonymous", event)
        session = context.run(_core.current_session, _get_client)
        return None if session is None else cls(session, request, interaction)

    @property
    def waits(self) -> bool:
        """Whether recording waits for the network, so that a loop must not do it itself."""
        return _core.is_immediate(self._session.client)

    def restart(self) -> None:
        """Count the time from now: the provider had not been asked before."""
        self._started = time.perf_counter()

    def first_token(self) -> None:
        """Note the time of the first piece of the answer; later calls change nothing."""
        if self._first is None:
            self._first = time.perf_counter()

    def succeeded(self, answer: Answer, error: object = None, *, partial: bool = False) -> None:
        """Record what the provider answered, all of it or what was seen of it.

        Args:
            answer: The answer.
            error: What broke a stream off, if something did.
            partial: Whether there would have been more.
        """
        try:
            self._record(answer, error, partial)
            if self._interaction is not None:
                self._finish(self._interaction, answer.content, error)
        except Exception as problem:  # noqa: BLE001  the program must not notice
            warn(problem)

    def failed(self, error: BaseException) -> None:
        """Record that the call failed before anything was answered."""
        try:
            self._record_error(error)
            if self._interaction is not None:
                self._finish(self._interaction, "", error)
        except Exception as problem:  # noqa: BLE001
            warn(problem)

    def _record(self, answer: Answer, error: object, partial: bool) -> None:
        request = self.request
        content, usage, fields, told = answer
        metadata = {**request.metadata, **told} if told else {**request.metadata}
        if metadata.get("response_model") == request.model:
            del metadata["response_model"]
        if self._first is not None:
            metadata["time_to_first_token_ms"] = _milliseconds(self._started, self._first)
        if partial or error is not None:
            metadata["partial"] = True
        # Most calls are inside of no other that was opened as one.
        alone = self._scope is None and self._enclosing is None
        with_usage = alone or self._carries_usage(usage)
        if usage is None and with_usage:
            metadata["usage_unknown"] = True
        # By position: names are looked up at every call.
        self._session.track_llm_call(
            request.model,
            written(request.messages),
            written(content),
            request.provider,
            usage,
            None,
            int((time.perf_counter() - self._started) * 1000),
            error,  # type: ignore[arg-type]  # an exception, a dict or a text
            metadata,
            fields,
            with_usage,
        )

    def _carries_usage(self, usage: Usage | None) -> bool:
        if usage is None:
            # Unknown is not zero: a call around this one may know better.
            return self._scope is None or not self._scope.covered
        return self._scope.claim() if self._scope else _innermost.claim(self._enclosing)

    def _record_error(self, error: BaseException) -> None:
        request = self.request
        headers = getattr(getattr(error, "response", None), "headers", None)
        request_id = getattr(error, "request_id", None)
        retries = getattr(getattr(error, "request", None), "headers", headers)
        self._session.track_error(
            _text(error),
            type(error).__name__,
            f"llm:{request.provider}:{request.model}",
            metadata={
                **request.metadata,
                **retries_in(retries),
                **({"request_id": request_id} if isinstance(request_id, str) else {}),
                "provider": request.provider,
                "model": request.model,
                "duration_ms": _milliseconds(self._started, time.perf_counter()),
            },
            tool_input={
                "messages": written(request.messages),
                "model": request.model,
                "provider": request.provider,
            },
        )

    @staticmethod
    def _finish(interaction: Interaction, content: object, error: object) -> None:
        """End the session that a call apart has of its own."""
        if error is None:
            interaction.finish(output=content if isinstance(content, str) else None)
        else:
            reason = f"{type(error).__name__}: {_text(error)}"
            interaction.finish(success=False, failure_reason=reason)


def retries_in(headers: object) -> dict[str, int]:
    """Return how often a request was repeated, by the header the clients put into it."""
    get = getattr(headers, "get", None)
    count = get("x-stainless-retry-count") if callable(get) else None
    return {"retries": int(count)} if isinstance(count, str) and count.isdecimal() else {}


async def off_the_loop(record: Callable[[], None], error: BaseException | None = None) -> None:
    """Record in a thread. A cancelled task does not wait for it."""
    import asyncio

    if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
        asyncio.get_running_loop().run_in_executor(None, record)
    else:
        await asyncio.to_thread(record)


def warn(problem: BaseException) -> None:
    """Log that a call could not be recorded."""
    from sentrial import _log

    _log.emit([(_WARNING, f"an LLM call was not recorded: {type(problem).__name__}: {problem}")])


def _milliseconds(start: float, end: float) -> int:
    return int((end - start) * 1000)


def _text(value: object) -> str:
    return _core.described(value)
