"""A share of an event loop's time: tasks that record at once let the others have their turn.

A call that records takes some microseconds and suspends nobody. Two hundred tasks that do so in the
same turn of the loop would together keep it for milliseconds; after half of one the rest waits for
the next turns.
"""

from __future__ import annotations

import weakref
from asyncio import _get_running_loop
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

P = ParamSpec("P")
R = TypeVar("R")

_SHARE = 0.0005
"""Seconds after the first call of a turn; whoever comes later waits for another turn. What tasks do
beside recording counts too: to go on takes them longer than the call itself."""
_MOST = 16
"""Tasks that go on in the same turn at most; fewer where a call takes long."""
_WEIGHT = 0.2
"""Of the last call in the running mean of what a call takes."""


async def record(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call, in this turn of the loop or in one of the next."""
    loop = _get_running_loop()
    if loop is None:  # such as under trio
        return call(*args, **kwargs)
    turns = of(loop)
    started = perf_counter()
    if turns.are_taken(loop, started):
        await turns.next(loop)
        started = perf_counter()
        turns.are_taken(loop, started)
    try:
        return call(*args, **kwargs)
    finally:
        turns.used(perf_counter() - started)


class Turns:
    """Who goes on when, in one event loop. Holds neither the loop nor the tasks."""

    def __init__(self) -> None:
        self._ends = 0.0
        self._is_on = False
        self._mean = 0.0
        self._waiting: deque[weakref.ref[asyncio.Future[None]]] = deque()

    def are_taken(self, loop: asyncio.AbstractEventLoop, now: float) -> bool:
        """Tell whether somebody who comes now has to wait. The first of a turn has not."""
        if not self._is_on:
            self._is_on = True
            self._ends = now + _SHARE
            loop.call_soon(self._end)
        return bool(self._waiting) or now > self._ends

    def _end(self) -> None:
        self._is_on = False

    def used(self, seconds: float) -> None:
        """Note how long somebody has recorded."""
        self._mean += (seconds - self._mean) * _WEIGHT

    async def next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for one's turn."""
        future: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._begin, loop)
        self._waiting.append(weakref.ref(future))
        await future

    def wake(
        self, loop: asyncio.AbstractEventLoop, futures: Iterable[asyncio.Future[None]]
    ) -> None:
        """Let tasks go on, the first of them at once."""
        idle = not self._waiting
        self._waiting.extend(weakref.ref(future) for future in futures)
        if idle and self._waiting:
            self._begin(loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin a turn."""
        left = max(1, min(_MOST, int(_SHARE / self._mean))) if self._mean > 0 else _MOST
        while left and self._waiting:
            future = self._waiting.popleft()()
            if future is not None and not future.done():
                future.set_result(None)
                left -= 1
        if self._waiting:
            # Behind those who go on now.
            loop.call_soon(self._begin, loop)


_turns: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = weakref.WeakKeyDictionary()


def of(loop: asyncio.AbstractEventLoop) -> Turns:
    """Return the turns of a loop."""
    turns = _turns.get(loop)
    if turns is None:
        turns = _turns[loop] = Turns()
    return turns
