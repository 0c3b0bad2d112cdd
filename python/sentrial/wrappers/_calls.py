"""The wrapper that takes the place of a provider's method."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from sentrial import _core
from sentrial.client import _get_client
from sentrial.wrappers._managers import tracked_manager
from sentrial.wrappers._raw import is_raw_class
from sentrial.wrappers._raw import tracked as track_raw
from sentrial.wrappers._record import Call, Options, Request, off_the_loop, warn
from sentrial.wrappers._streams import is_stream_class, may_be_awaited, tracked_stream
from sentrial.wrappers._tracker import Tracker
from sentrial.wrappers._values import Passing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sentrial._core import CurrentSession
    from sentrial.wrappers._record import Answer
    from sentrial.wrappers._tracker import Accumulator

__all__ = ["Method", "Running", "is_answer_class", "wrapped", "wrapped_helper"]


# Remembered for each class: one look in the place of three.
@functools.lru_cache(maxsize=256)
def is_answer_class(cls: type) -> bool:
    """Tell whether objects of this class can be neither awaited nor iterated nor parsed first."""
    return not (may_be_awaited(cls) or is_raw_class(cls) or is_stream_class(cls))


class Method:
    """What there is to know about one method of a provider's client; the defaults are the usual."""

    def request(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        """Read what is asked for. May exchange one-shot iterators in `kwargs`."""
        raise NotImplementedError

    def answer(self, response: Any, options: Options) -> Answer | None:
        """Read an answer; None for one that is no call of its own."""
        raise NotImplementedError

    def accumulator(self, options: Options, *, injected: bool) -> Accumulator:
        """Make what puts a streamed answer together.

        Args:
            options: What is recorded.
            injected: Whether the usage was asked for by `prepare`, not by the program.
        """
        raise NotImplementedError

    #: Tells of a class whether its objects are answers, which are recorded and handed out at once.
    is_answer = staticmethod(is_answer_class)

    def stream(self, result: Any, tracker: Callable[[], Tracker]) -> Any:
        """Return the stream to hand out in the place of a result; None if it is no stream."""
        return tracked_stream(result, tracker()) if is_stream_class(type(result)) else None  # type: ignore[arg-type]  # a class is hashable

    def prepare(self, owner: Any, kwargs: dict[str, Any]) -> dict[str, Any] | None:  # noqa: ARG002
        """Return other arguments to call with, so that a stream tells its usage; None: as given.

        Asked where the program asks for a stream by `stream=True`.
        """
        return None

    def refused(self, owner: Any, error: BaseException) -> bool:  # noqa: ARG002
        """Whether the server may have refused because of what `prepare` changed."""
        return False

    def accepted_without(self, owner: Any) -> None:
        """Remember that the server takes the call only without what `prepare` changed."""


def wrapped(
    original: Callable[..., Any],
    method: Method,
    options: Options,
    *,
    bound: bool,
    owner: object = None,
) -> Callable[..., Any]:
    """Make the wrapper of a method that returns an answer or a stream.

    Args:
        original: What it stands for.
        method: What there is to know about it.
        options: What is recorded.
        bound: Whether `original` is bound to its instance, which is then `owner`; else that is the
            first argument.
        owner: The instance.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        session = _core.current_session(_get_client)
        if session is None and not options.without_session:
            return original(*args, **kwargs)
        instance = owner if bound else _SELF
        try:
            running = Running(original, method, options, args, kwargs, instance, session)
        except Exception as problem:  # noqa: BLE001  the call goes its own way
            running = None
            if not isinstance(problem, _NoSessionError):
                warn(problem)
        return original(*args, **kwargs) if running is None else running.run()

    if inspect.iscoroutinefunction(original):

        async def call_async(*args: Any, **kwargs: Any) -> Any:
            return await call(*args, **kwargs)

        return call_async
    return call


def wrapped_helper(
    original: Callable[..., Any],
    method: Method,
    options: Options,
    *,
    bound: bool,
    inner: bool,
    owner: object = None,
) -> Callable[..., Any]:
    """Make the wrapper of a method that returns a manager of a stream.

    Args:
        original: What it stands for.
        method: What there is to know about it.
        options: What is recorded.
        bound: As in `wrapped`.
        inner: Whether the helper asks through a method that is wrapped itself.
        owner: The instance.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        request = None if inner else _read(method, args, kwargs, owner if bound else _SELF)
        manager = original(*args, **kwargs)

        def begin() -> tuple[Call, Accumulator] | None:
            session = _core.current_session(_get_client)
            if request is None or (session is None and not options.without_session):
                return None
            try:
                running = Call(session, request) if session is not None else Call.apart(request)
                if running is None:
                    return None
                return running, method.accumulator(options, injected=False)
            except Exception as problem:  # noqa: BLE001  the program must get its stream
                warn(problem)
                return None

        return tracked_manager(manager, begin)

    return call


#: In place of an instance: it is the first argument.
_SELF = object()


def _split(args: tuple[Any, ...], owner: object) -> tuple[Any, tuple[Any, ...]]:
    """The instance, and the arguments behind it."""
    if owner is _SELF:
        return (args[0] if args else None), args[1:]
    return owner, args


def _read(
    method: Method, args: tuple[Any, ...], kwargs: dict[str, Any], owner: object
) -> Request | None:
    """Read what a helper is asked for, before it takes an iterator away; None if that fails."""
    try:
        instance, rest = _split(args, owner)
        return method.request(instance, rest, kwargs)
    except Exception as problem:  # noqa: BLE001
        warn(problem)
        return None


class _NoSessionError(Exception):
    """There is no session that the call could be recorded in."""


class Running:
    """One call of a wrapped method, from its arguments to its answer or stream.

    Raises:
        Exception: Whatever goes wrong while the arguments are read: nothing can be recorded.
    """

    __slots__ = ("args", "call", "injected", "kwargs", "method", "options", "original", "owner")

    def __init__(
        self,
        original: Callable[..., Any],
        method: Method,
        options: Options,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        owner: object,
        session: CurrentSession | None,
    ) -> None:
        instance, rest = (owner, args) if owner is not _SELF else _split(args, owner)
        request = method.request(instance, rest, kwargs)
        call = Call(session, request) if session is not None else Call.apart(request)
        if call is None:
            raise _NoSessionError
        self.original = original
        self.method = method
        self.options = options
        self.owner = instance
        self.args = args
        self.kwargs = kwargs
        self.call = call
        self.injected: dict[str, Any] | None = None
        if kwargs.get("stream") is True:
            self.injected = method.prepare(instance, kwargs)

    def run(self) -> Any:
        """Call the provider."""
        try:
            result = self.original(*self.args, **(self.injected or self.kwargs))
        except BaseException as error:
            if not self._again(error):
                self.call.failed(error)
                raise
            return self._run_without()
        cls: Any = type(result)
        if self.method.is_answer(cls):
            self.answered(result)
            return result
        if may_be_awaited(cls) and inspect.isawaitable(result):
            return self._run_async(result)
        return self._returned(result)

    def _again(self, error: BaseException) -> bool:
        return self.injected is not None and self.method.refused(self.owner, error)

    def _take_back(self) -> None:
        self.injected = None
        # What the client has taken from an iterator is gone from it.
        given = self.kwargs.items()
        self.kwargs = {k: v.passed if isinstance(v, Passing) else v for k, v in given}

    def _run_without(self) -> Any:
        """Call as the program did: what comes of it is what would have come without us."""
        self._take_back()
        try:
            result = self.original(*self.args, **self.kwargs)
        except BaseException as error:
            self.call.failed(error)
            raise
        self.method.accepted_without(self.owner)
        return self._returned(result)

    async def _run_async(self, waiting: Awaitable[Any]) -> Any:
        try:
            try:
                result = await waiting
            except Exception as error:
                if not self._again(error):
                    raise
                self._take_back()
                result = await self.original(*self.args, **self.kwargs)
                self.method.accepted_without(self.owner)
        except BaseException as error:
            problem = error
            await self.record_in_loop(lambda: self.call.failed(problem), problem)
            raise
        handed_out, record = self._taken(result)
        if record is not None:
            await self.record_in_loop(record)
        return handed_out

    async def record_in_loop(
        self, record: Callable[[], None], error: BaseException | None = None
    ) -> None:
        """Record without holding up the loop where recording waits for the network."""
        if self.call.waits:
            await off_the_loop(record, error)
        else:
            record()

    def _returned(self, result: Any) -> Any:
        handed_out, record = self._taken(result)
        if record is not None:
            record()
        return handed_out

    def _taken(self, result: Any) -> tuple[Any, Callable[[], None] | None]:
        """What the program gets, and what records the call now if that can be done now."""
        try:
            if is_raw_class(type(result)):  # type: ignore[arg-type]
                return result, track_raw(result, self)
            stream = self.method.stream(result, self._tracker)
        except Exception as problem:  # noqa: BLE001  the program must get its result
            warn(problem)
            return result, None
        if stream is not None:
            return stream, None
        return result, functools.partial(self.answered, result)

    def tracked(self, result: Any) -> Any:
        """Return the stream to hand out; None if the result is no stream."""
        return self.method.stream(result, self._tracker)

    def _tracker(self) -> Tracker:
        accumulator = self.method.accumulator(self.options, injected=self.injected is not None)
        return Tracker(self.call, accumulator)

    def answered(self, result: Any, metadata: dict[str, Any] | None = None) -> None:
        """Record an answer."""
        try:
            answer = self.method.answer(result, self.options)
        except Exception as problem:  # noqa: BLE001
            warn(problem)
            return
        if answer is None:
            return
        if metadata:
            answer = answer._replace(metadata={**(answer.metadata or {}), **metadata})
        self.call.succeeded(answer)
