"""Generators that are watched: everything passes through, and one event tells how it ended.

A wrapper is itself a generator function, so that it looks like one to frameworks, and so that
closing, throwing and collecting work as ever: Python raises GeneratorExit in it.
"""

from __future__ import annotations

import functools
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
    from contextlib import AbstractContextManager


class Watch(Protocol):
    """Who is told what a generator does."""

    def inside(self) -> AbstractContextManager[None]:
        """Return the surroundings in which the body of the generator runs."""

    def yielded(self, item: Any) -> None:
        """Take note of an item."""

    def ended(self, returned: Any, *, partial: bool) -> None:
        """Take note of the end; partial if the consumer wanted no more."""

    def failed(self, error: BaseException) -> None:
        """Take note of an exception that leaves the generator."""

    async def off_the_loop(self, call: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Take note, with one of the methods above, from a coroutine."""


class _Nobody:
    """Watches a generator outside of a session."""

    def __init__(self) -> None:
        self._inside = nullcontext()

    def inside(self) -> AbstractContextManager[None]:
        return self._inside

    def yielded(self, item: Any) -> None:
        pass

    def ended(self, returned: Any, *, partial: bool) -> None:
        pass

    def failed(self, error: BaseException) -> None:
        pass

    async def off_the_loop(self, call: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        pass


_NOBODY = _Nobody()


def watched(
    function: Callable[..., Generator[Any, Any, Any]],
    begin: Callable[[tuple[Any, ...], dict[str, Any]], Watch | None],
) -> Callable[..., Generator[Any, Any, Any]]:
    """Wrap a generator function; `begin` gives who watches a call, None for nobody."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        watch = begin(args, kwargs)
        if watch is None:
            return (yield from function(*args, **kwargs))
        try:
            returned = yield from _passed_on(function, args, kwargs, watch)
        except GeneratorExit:
            watch.ended(None, partial=True)
            raise
        except BaseException as error:
            watch.failed(error)
            raise
        watch.ended(returned, partial=False)
        return returned

    return run


def _passed_on(
    function: Callable[..., Generator[Any, Any, Any]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    watch: Watch,
) -> Generator[Any, Any, Any]:
    """Do what ``yield from`` does, each step of the body in its own surroundings."""
    with watch.inside():
        inner = function(*args, **kwargs)
    step: Callable[[], Any] = functools.partial(next, inner)
    while True:
        try:
            with watch.inside():
                item = step()
        except StopIteration as stop:
            return stop.value
        watch.yielded(item)
        try:
            sent = yield item
        except GeneratorExit:
            with watch.inside():
                inner.close()
            raise
        except BaseException as error:  # noqa: BLE001  whatever the consumer throws in
            step = functools.partial(inner.throw, error)
        else:
            step = functools.partial(inner.send, sent)


def async_watched(
    function: Callable[..., AsyncGenerator[Any, Any]],
    begin: Callable[[tuple[Any, ...], dict[str, Any]], Awaitable[Watch | None]],
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Wrap an async generator function; `begin` gives who watches a call, None for nobody."""

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        watch = await begin(args, kwargs) or _NOBODY
        try:
            with watch.inside():
                inner = function(*args, **kwargs)
            step: Callable[[], Any] = inner.__anext__
            while True:
                try:
                    with watch.inside():
                        item = await step()
                except StopAsyncIteration:
                    break
                watch.yielded(item)
                try:
                    sent = yield item
                except GeneratorExit:
                    with watch.inside():
                        await inner.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001  whatever the consumer throws in
                    step = functools.partial(inner.athrow, error)
                else:
                    step = functools.partial(inner.asend, sent)
        except GeneratorExit:
            await watch.off_the_loop(watch.ended, None, partial=True)
            raise
        except BaseException as error:
            await watch.off_the_loop(watch.failed, error)
            raise
        await watch.off_the_loop(watch.ended, None, partial=False)

    return run
