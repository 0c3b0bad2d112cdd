"""Streams that are recorded while the program reads them, and stay what they are.

A provider's stream keeps its identity: its class is exchanged for a subclass of it that looks at
what passes, so that `isinstance`, `with`, `close`, `response` and every helper work, and what the
package does inside itself is not touched. Only public protocol methods are overridden. Generators
become generators. What allows neither (slots, classes written in C) is handed out behind an object
that stands for it.
"""

from __future__ import annotations

import inspect
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from typing_extensions import Self

    from sentrial.wrappers._record import Answer, Call

__all__ = ["Accumulator", "Tracker", "adopt", "tracked_manager", "tracked_stream"]

_TRACKER = "_sentrial_tracker"

#: The trackers of the streams that a helper of the package opens inside itself.
_opened: ContextVar[list[Tracker] | None] = ContextVar("sentrial_opened_streams", default=None)


class Accumulator(Protocol):
    """Puts the answer together from the pieces of one provider's stream."""

    has_content: bool
    """Whether a piece of the answer itself has been seen."""

    def add(self, piece: Any) -> bool:
        """Take one piece; True if the program must not see it, because we alone asked for it."""

    def answer(self) -> Answer:
        """Give what has been seen so far."""


class Tracker:
    """Sees what passes through one stream, and records the call once."""

    __slots__ = ("_accumulator", "_call", "_done", "_waiting", "guarded")

    def __init__(self, call: Call, accumulator: Accumulator) -> None:
        self._call = call
        self._accumulator = accumulator
        self._done = False
        self._waiting = True
        #: Somebody will close the stream for certain: a `with` block.
        self.guarded = False

    def restart(self) -> None:
        """Count the time from now."""
        self._call.restart()

    def hides(self, piece: Any) -> bool:
        """Look at a piece; True if the program must not see it."""
        if self._done:
            return False
        try:
            hidden = self._accumulator.add(piece)
        except Exception as problem:  # noqa: BLE001  a piece of an unknown shape must reach the program
            self._warn(problem)
            return False
        if self._waiting and self._accumulator.has_content:
            self._waiting = False
            self._call.first_token()
        return hidden

    def ended(self, error: BaseException | None = None, *, partial: bool = False) -> None:
        """Record the call, if that has not been done: the stream ended, broke off or was left."""
        if self._done:
            return
        self._done = True
        try:
            answer = self._accumulator.answer()
        except Exception as problem:  # noqa: BLE001
            self._warn(problem)
            return
        self._call.succeeded(answer, error, partial=partial)

    def left(self) -> None:
        """Record what was seen: the program goes away from the stream before its end."""
        self.ended(partial=True)

    def broken_off(self) -> None:
        """Record what was seen, unless a `with` block will still close the stream."""
        if not self.guarded:
            self.left()

    async def ended_in_loop(
        self, error: BaseException | None = None, *, partial: bool = False
    ) -> None:
        """Record as `ended` does, without holding up the loop where recording waits."""
        if self._done:
            return
        if not self._call.waits:
            self.ended(error, partial=partial)
            return
        from sentrial.wrappers._calls import off_the_loop

        await off_the_loop(lambda: self.ended(error, partial=partial), error)

    def _warn(self, problem: Exception) -> None:
        from sentrial.wrappers._record import warn

        warn(problem)


class _Sync:
    """Mixed into the class of a synchronous stream."""

    __slots__ = ()

    def __iter__(self) -> _Iteration:
        return _Iteration(self)

    def __next__(self) -> Any:
        tracker: Tracker = self._sentrial_tracker  # type: ignore[attr-defined]
        while True:
            try:
                piece = super().__next__()  # type: ignore[misc]
            except StopIteration:
                tracker.ended()
                raise
            except BaseException as error:
                tracker.ended(error)
                raise
            if not tracker.hides(piece):
                return piece

    def __enter__(self) -> Any:
        self._sentrial_tracker.guarded = True  # type: ignore[attr-defined]
        return super().__enter__()  # type: ignore[misc]

    def __exit__(self, *exc: object) -> Any:
        try:
            return super().__exit__(*exc)  # type: ignore[misc]
        finally:
            self._sentrial_tracker.left()  # type: ignore[attr-defined]

    def close(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().close(*args, **kwargs)  # type: ignore[misc]
        finally:
            self._sentrial_tracker.left()  # type: ignore[attr-defined]

    def __del__(self) -> None:
        _collected(self, super())


class _Async:
    """Mixed into the class of an asynchronous stream."""

    __slots__ = ()

    def __aiter__(self) -> _AsyncIteration:
        return _AsyncIteration(self)

    async def __anext__(self) -> Any:
        tracker: Tracker = self._sentrial_tracker  # type: ignore[attr-defined]
        while True:
            try:
                piece = await super().__anext__()  # type: ignore[misc]
            except StopAsyncIteration:
                await tracker.ended_in_loop()
                raise
            except BaseException as error:
                await tracker.ended_in_loop(error)
                raise
            if not tracker.hides(piece):
                return piece

    async def __aenter__(self) -> Any:
        self._sentrial_tracker.guarded = True  # type: ignore[attr-defined]
        return await super().__aenter__()  # type: ignore[misc]

    async def __aexit__(self, *exc: object) -> Any:
        try:
            return await super().__aexit__(*exc)  # type: ignore[misc]
        finally:
            await self._sentrial_tracker.ended_in_loop(partial=True)  # type: ignore[attr-defined]

    async def close(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().close(*args, **kwargs)  # type: ignore[misc]
        finally:
            await self._sentrial_tracker.ended_in_loop(partial=True)  # type: ignore[attr-defined]

    def __del__(self) -> None:
        _collected(self, super())


def _collected(stream: object, base: Any) -> None:
    tracker = getattr(stream, _TRACKER, None)
    if tracker is not None:
        tracker.left()
    inherited = getattr(base, "__del__", None)
    if inherited is not None:
        inherited()


class _Iteration:
    """A `for` loop over a stream. Leaving the loop lets go of it, which records what was seen."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self._stream.__next__()

    def __del__(self) -> None:
        self._stream._sentrial_tracker.broken_off()  # noqa: SLF001  ours


class _AsyncIteration:
    """An `async for` loop over a stream."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Any:
        return self._stream.__anext__()

    def __del__(self) -> None:
        self._stream._sentrial_tracker.broken_off()  # noqa: SLF001


class _Delegate:
    """Stands for a stream whose class cannot be exchanged."""

    def __init__(self, stream: Any, tracker: Tracker) -> None:
        self._stream = stream
        self._sentrial_tracker = tracker

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return type(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _SyncDelegate(_Delegate):
    def __next__(self) -> Any:
        return self._stream.__next__()

    def __enter__(self) -> Self:
        self._stream.__enter__()
        return self

    def __exit__(self, *exc: object) -> Any:
        return self._stream.__exit__(*exc)

    def close(self) -> Any:
        return self._stream.close()


class _AsyncDelegate(_Delegate):
    async def __anext__(self) -> Any:
        return await self._stream.__anext__()

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> Any:
        return await self._stream.__aexit__(*exc)

    async def close(self) -> Any:
        return await self._stream.close()


class _TrackedSync(_Sync, _SyncDelegate):
    pass


class _TrackedAsync(_Async, _AsyncDelegate):
    pass


_classes: dict[tuple[type, type], type] = {}


def adopt(thing: Any, mixin: type, **members: Any) -> bool:
    """Exchange the class of an object for a subclass with `mixin` in front of it.

    Args:
        thing: An object just made by a provider's package, for this one call.
        mixin: A class without slots of its own.
        members: What the mixin needs, set on the object.

    Returns:
        False if the object does not allow it; it is then as it was.
    """
    cls = type(thing)
    made = _classes.get((cls, mixin))
    try:
        if made is None:
            names = {
                "__slots__": (),
                "__module__": cls.__module__,
                "__qualname__": cls.__qualname__,
                "__doc__": cls.__doc__,
            }
            made = type(cls)(cls.__name__, (mixin, cls), names)
            _classes[cls, mixin] = made
        for name, value in members.items():
            object.__setattr__(thing, name, value)
        thing.__class__ = made
    except (AttributeError, TypeError):
        return False
    return True


def tracked_stream(stream: Any, tracker: Tracker) -> Any:
    """Return the stream to hand out in place of `stream`; None if it is no stream."""
    opened = _opened.get()
    if opened is not None:
        opened.append(tracker)
    if inspect.isgenerator(stream):
        return _generator(stream, tracker)
    if inspect.isasyncgen(stream):
        return _async_generator(stream, tracker)
    if hasattr(type(stream), "__anext__"):
        adopted = adopt(stream, _Async, _sentrial_tracker=tracker)
        return stream if adopted else _TrackedAsync(stream, tracker)
    if hasattr(type(stream), "__next__"):
        adopted = adopt(stream, _Sync, _sentrial_tracker=tracker)
        return stream if adopted else _TrackedSync(stream, tracker)
    return None


def _generator(source: Generator[Any, None, Any], tracker: Tracker) -> Generator[Any, None, None]:
    # A generator asks the provider only when it is first advanced.
    tracker.restart()
    try:
        for piece in source:
            if not tracker.hides(piece):
                yield piece
    except GeneratorExit:
        tracker.left()
        source.close()
        raise
    except BaseException as error:
        tracker.ended(error)
        raise
    tracker.ended()


async def _async_generator(
    source: AsyncGenerator[Any, None], tracker: Tracker
) -> AsyncGenerator[Any, None]:
    tracker.restart()
    try:
        async for piece in source:
            if not tracker.hides(piece):
                yield piece
    except GeneratorExit:
        tracker.left()
        await source.aclose()
        raise
    except BaseException as error:
        await tracker.ended_in_loop(error)
        raise
    await tracker.ended_in_loop()


class Opening:
    """What a manager's `with` block opens: `client.messages.stream(...)` and its like."""

    def __init__(self, begin: Callable[[], tuple[Call, Accumulator] | None]) -> None:
        self._begin = begin
        self._begun: tuple[Call, Accumulator] | None = None
        self._trackers: list[Tracker] = []

    def enter(self) -> object:
        """Note which call begins, and which streams are opened until `leave`."""
        self._begun = self._begin()
        before = _opened.get()
        _opened.set(self._trackers)
        return before

    def opened(self, before: Any, stream: Any) -> Any:
        """Take the stream that the block is given; return what to hand out."""
        _opened.set(before)
        if not self._trackers and self._begun is not None:
            tracker = Tracker(*self._begun)
            self._trackers.append(tracker)
            tracked = tracked_stream(stream, tracker)
            if tracked is not None:
                stream = tracked
        for tracker in self._trackers:
            tracker.guarded = True
        return stream

    def failed(self, before: Any, error: BaseException) -> None:
        """No stream came."""
        _opened.set(before)
        if self._begun is not None:
            self._begun[0].failed(error)

    def closed(self) -> None:
        """The block is over."""
        for tracker in self._trackers:
            tracker.left()

    async def closed_in_loop(self) -> None:
        """The block is over, and recording must not hold up the loop."""
        for tracker in self._trackers:
            await tracker.ended_in_loop(partial=True)


class _Manager:
    __slots__ = ()

    def __enter__(self) -> Any:
        opening: Opening = self._sentrial_opening  # type: ignore[attr-defined]
        before = opening.enter()
        try:
            stream = super().__enter__()  # type: ignore[misc]
        except BaseException as error:
            opening.failed(before, error)
            raise
        return opening.opened(before, stream)

    def __exit__(self, *exc: object) -> Any:
        try:
            return super().__exit__(*exc)  # type: ignore[misc]
        finally:
            self._sentrial_opening.closed()  # type: ignore[attr-defined]


class _AsyncManager:
    __slots__ = ()

    async def __aenter__(self) -> Any:
        opening: Opening = self._sentrial_opening  # type: ignore[attr-defined]
        before = opening.enter()
        try:
            stream = await super().__aenter__()  # type: ignore[misc]
        except BaseException as error:
            opening.failed(before, error)
            raise
        return opening.opened(before, stream)

    async def __aexit__(self, *exc: object) -> Any:
        try:
            return await super().__aexit__(*exc)  # type: ignore[misc]
        finally:
            await self._sentrial_opening.closed_in_loop()  # type: ignore[attr-defined]


def tracked_manager(manager: Any, begin: Callable[[], tuple[Call, Accumulator] | None]) -> Any:
    """Record the stream that a manager opens when its `with` block is entered.

    Args:
        manager: What the helper returned.
        begin: Begins the call; None if the helper makes its request through a method that is
            recorded itself, or nothing shall be recorded.
    """
    mixin = _AsyncManager if hasattr(type(manager), "__aenter__") else _Manager
    adopt(manager, mixin, _sentrial_opening=Opening(begin))
    return manager
