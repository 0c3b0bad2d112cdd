"""Streams that are recorded while the program reads them, and stay what they are.

A provider's stream keeps its identity: its class is exchanged for a subclass of it that looks at
what passes, so that `isinstance`, `with`, `close`, `response` and every helper work, and what the
package does inside itself is not touched. Only public protocol methods are overridden. Generators
become generators. What allows neither (slots, classes written in C) is handed out behind an object
that stands for it.
"""

from __future__ import annotations

import functools
import inspect
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from typing_extensions import Self

    from sentrial.wrappers._record import Answer, Call

__all__ = [
    "Accumulator",
    "Tracker",
    "adopt",
    "is_stream_class",
    "tracked_manager",
    "tracked_stream",
]

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

    __slots__ = ("_accumulator", "_call", "_done", "_waiting", "advancing", "guarded")

    def __init__(self, call: Call, accumulator: Accumulator) -> None:
        self._call = call
        self._accumulator = accumulator
        self._done = False
        self._waiting = True
        #: The stream is at work: when it closes itself now, that is not the program's doing.
        self.advancing = False
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
        if not self.advancing:
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

    async def left_in_loop(self) -> None:
        """Record as `left` does, without holding up the loop."""
        if not self.advancing:
            await self.ended_in_loop(partial=True)

    def _warn(self, problem: Exception) -> None:
        from sentrial.wrappers._record import warn

        warn(problem)


def _collected(stream: Any) -> None:
    tracker = vars(stream).get(_TRACKER)
    if tracker is not None:
        tracker.left()


def sync_members(base: Any) -> dict[str, Any]:
    """Make the methods of a tracked synchronous stream of this class."""
    advance = base.__next__

    def iterate(self: Any) -> _Iteration:
        return _Iteration(self)

    def following(self: Any) -> Any:
        tracker: Tracker = self._sentrial_tracker
        while True:
            tracker.advancing = True
            try:
                piece = advance(self)
            except StopIteration:
                tracker.ended()
                raise
            except BaseException as error:
                tracker.ended(error)
                raise
            finally:
                tracker.advancing = False
            if not tracker.hides(piece):
                return piece

    def enter(self: Any) -> Any:
        self._sentrial_tracker.guarded = True
        return base.__enter__(self)

    def leave(self: Any, *exc: Any) -> Any:
        try:
            return base.__exit__(self, *exc)
        finally:
            self._sentrial_tracker.left()

    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return base.close(self, *args, **kwargs)
        finally:
            self._sentrial_tracker.left()

    return _those_of(
        base,
        {
            "__iter__": iterate,
            "__next__": following,
            "__enter__": enter,
            "__exit__": leave,
            "close": close,
        },
    )


def async_members(base: Any) -> dict[str, Any]:
    """Make the methods of a tracked asynchronous stream of this class."""
    advance = base.__anext__

    def iterate(self: Any) -> _AsyncIteration:
        return _AsyncIteration(self)

    async def following(self: Any) -> Any:
        tracker: Tracker = self._sentrial_tracker
        while True:
            tracker.advancing = True
            try:
                piece = await advance(self)
            except StopAsyncIteration:
                await tracker.ended_in_loop()
                raise
            except BaseException as error:
                await tracker.ended_in_loop(error)
                raise
            finally:
                tracker.advancing = False
            if not tracker.hides(piece):
                return piece

    async def enter(self: Any) -> Any:
        self._sentrial_tracker.guarded = True
        return await base.__aenter__(self)

    async def leave(self: Any, *exc: Any) -> Any:
        try:
            return await base.__aexit__(self, *exc)
        finally:
            await self._sentrial_tracker.left_in_loop()

    async def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await base.close(self, *args, **kwargs)
        finally:
            await self._sentrial_tracker.left_in_loop()

    return _those_of(
        base,
        {
            "__aiter__": iterate,
            "__anext__": following,
            "__aenter__": enter,
            "__aexit__": leave,
            "close": close,
        },
    )


def _those_of(base: type, members: dict[str, Any]) -> dict[str, Any]:
    """Only what the class has itself: what it cannot do, the tracked one cannot do either."""
    members = {name: member for name, member in members.items() if hasattr(base, name)}
    inherited = getattr(base, "__del__", None)

    def collected(self: Any) -> None:
        _collected(self)
        if inherited is not None:
            inherited(self)

    return {**members, "__del__": collected}


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

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _SyncDelegate(_Delegate):
    def __iter__(self) -> Any:
        return iter(self._stream)

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
    def __aiter__(self) -> Any:
        return self._stream.__aiter__()

    async def __anext__(self) -> Any:
        return await self._stream.__anext__()

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> Any:
        return await self._stream.__aexit__(*exc)

    async def close(self) -> Any:
        return await self._stream.close()


#: The subclasses made so far, by class and by what makes their methods.
_classes: dict[tuple[type, object], type] = {}


def adopt(thing: Any, members: Callable[[Any], dict[str, Any]], **state: Any) -> bool:
    """Exchange the class of an object for a subclass of it with other methods.

    The subclass has that one base: with a mixin in front, Python takes the mixin's layout and
    refuses the exchange.

    Args:
        thing: An object just made by a provider's package, for this one call.
        members: Makes the methods from the class they are put in front of.
        state: What the methods need, set on the object.

    Returns:
        False if the object does not allow it; it is then as it was.
    """
    cls = type(thing)
    try:
        made = _classes.get((cls, members)) or _subclass(cls, members)
        for name, value in state.items():
            object.__setattr__(thing, name, value)
        thing.__class__ = made
    except (AttributeError, TypeError):
        return False
    return True


def _subclass(cls: Any, members: Callable[[Any], dict[str, Any]]) -> type:
    # To the program it is the class it knows, also by name.
    looks = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    made: type = type(cls)(cls.__name__, (cls,), {"__slots__": (), **looks, **members(cls)})
    _classes[cls, members] = made
    return made


# Remembered, because to ask a class of pydantic's for a name it has not takes microseconds.
@functools.lru_cache(maxsize=256)
def is_stream_class(cls: type) -> bool:
    """Tell whether objects of this class are advanced step by step. Mocks only look like it."""
    if any(base.__module__ == "unittest.mock" for base in cls.__mro__):
        return False
    return hasattr(cls, "__next__") or hasattr(cls, "__anext__")


def tracked_stream(stream: Any, tracker: Tracker) -> Any:
    """Return the stream to hand out in place of `stream`; None if it is no stream."""
    opened = _opened.get()
    if opened is not None:
        opened.append(tracker)
    if inspect.isgenerator(stream):
        return _generator(cast("Any", stream), tracker)
    if inspect.isasyncgen(stream):
        return _async_generator(cast("Any", stream), tracker)
    is_async = hasattr(type(stream), "__anext__")
    if not is_async and not hasattr(type(stream), "__next__"):
        return None
    members = async_members if is_async else sync_members
    if not adopt(stream, members, _sentrial_tracker=tracker):
        stream = _AsyncDelegate(stream) if is_async else _SyncDelegate(stream)
        adopt(stream, members, _sentrial_tracker=tracker)
    return stream


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
            await tracker.left_in_loop()


def _manager_members(base: Any) -> dict[str, Any]:
    def enter(self: Any) -> Any:
        opening: Opening = self._sentrial_opening
        before = opening.enter()
        try:
            stream = base.__enter__(self)
        except BaseException as error:
            opening.failed(before, error)
            raise
        return opening.opened(before, stream)

    def leave(self: Any, *exc: Any) -> Any:
        try:
            return base.__exit__(self, *exc)
        finally:
            self._sentrial_opening.closed()

    return {"__enter__": enter, "__exit__": leave}


def _async_manager_members(base: Any) -> dict[str, Any]:
    async def enter(self: Any) -> Any:
        opening: Opening = self._sentrial_opening
        before = opening.enter()
        try:
            stream = await base.__aenter__(self)
        except BaseException as error:
            opening.failed(before, error)
            raise
        return opening.opened(before, stream)

    async def leave(self: Any, *exc: Any) -> Any:
        try:
            return await base.__aexit__(self, *exc)
        finally:
            await self._sentrial_opening.closed_in_loop()

    return {"__aenter__": enter, "__aexit__": leave}


def tracked_manager(manager: Any, begin: Callable[[], tuple[Call, Accumulator] | None]) -> Any:
    """Record the stream that a manager opens when its `with` block is entered.

    Args:
        manager: What the helper returned.
        begin: Begins the call; None if the helper makes its request through a method that is
            recorded itself, or nothing shall be recorded.
    """
    is_async = hasattr(type(manager), "__aenter__")
    members = _async_manager_members if is_async else _manager_members
    if is_async or hasattr(type(manager), "__enter__"):
        adopt(manager, members, _sentrial_opening=Opening(begin))
    return manager
