"""Streams that are recorded while the program reads them, and stay what they are.

The class of a stream is exchanged for a subclass of it; a generator becomes a generator; a stream
that must keep its class is watched at what it reads from; what allows none of this (slots, classes
written in C) is handed out behind an object that stands for it.
"""

from __future__ import annotations

import functools
import inspect
import types
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from sentrial.wrappers._adopt import adopt, async_members, sync_members

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from typing_extensions import Self

    from sentrial.wrappers._tracker import Tracker

__all__ = ["is_stream_class", "may_be_awaited", "opened_streams", "tracked_stream"]

#: The trackers of the streams that a helper of the package opens inside itself.
opened_streams: ContextVar[list[Tracker] | None] = ContextVar(
    "sentrial_opened_streams", default=None
)


# Remembered, because to ask a class of pydantic's for a name it has not takes microseconds.
@functools.lru_cache(maxsize=256)
def is_stream_class(cls: type) -> bool:
    """Tell whether objects of this class are advanced step by step. Mocks only look like it."""
    if any(base.__module__ == "unittest.mock" for base in cls.__mro__):
        return False
    return hasattr(cls, "__next__") or hasattr(cls, "__anext__")


@functools.lru_cache(maxsize=256)
def may_be_awaited(cls: type) -> bool:
    """Tell whether to ask `inspect.isawaitable` about objects of this class."""
    return hasattr(cls, "__await__") or cls is types.GeneratorType


def tracked_stream(stream: Any, tracker: Tracker) -> Any:
    """Return the stream to hand out in place of `stream`; None if it is no stream."""
    opened = opened_streams.get()
    if opened is not None:
        opened.append(tracker)
    if inspect.isgenerator(stream):
        return _generator(cast("Any", stream), tracker, lazy=True)
    if inspect.isasyncgen(stream):
        return _async_generator(cast("Any", stream), tracker, lazy=True)
    is_async = hasattr(type(stream), "__anext__")
    if not is_async and not hasattr(type(stream), "__next__"):
        return None
    members = async_members if is_async else sync_members
    if adopt(stream, members, _sentrial_tracker=tracker) or _watched(stream, tracker):
        return stream
    stands = _AsyncDelegate(stream) if is_async else _SyncDelegate(stream)
    adopt(stands, members, _sentrial_tracker=tracker)
    return stands


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


def _watched(stream: Any, tracker: Tracker) -> bool:
    """Watch a stream at the generator it reads from, as all clients of this make have one."""
    source = getattr(stream, "_iterator", None)
    try:
        if inspect.isgenerator(source):
            watching: Any = _generator(cast("Any", source), tracker)
            close: Any = _closing(stream.close, tracker)
        elif inspect.isasyncgen(source):
            watching = _async_generator(cast("Any", source), tracker)
            close = _closing_in_loop(stream.close, tracker)
        else:
            return False
        stream._iterator = watching  # noqa: SLF001
        stream.close = close
    except (AttributeError, TypeError):
        return False
    weakref.finalize(stream, tracker.left).atexit = False
    return True


def _closing(close: Callable[[], Any], tracker: Tracker) -> Callable[[], Any]:
    def closing() -> Any:
        try:
            return close()
        finally:
            tracker.left()

    return closing


def _closing_in_loop(close: Callable[[], Any], tracker: Tracker) -> Callable[[], Any]:
    async def closing() -> Any:
        try:
            return await close()
        finally:
            await tracker.left_in_loop()

    return closing


def _generator(
    source: Generator[Any, None, Any], tracker: Tracker, *, lazy: bool = False
) -> Generator[Any, None, None]:
    if lazy:
        # A provider's generator asks only when it is first advanced.
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
    source: AsyncGenerator[Any, None], tracker: Tracker, *, lazy: bool = False
) -> AsyncGenerator[Any, None]:
    if lazy:
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
