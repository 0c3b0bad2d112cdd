"""Waiting in an asyncio event loop without a thread: one descriptor per loop, rung by the core."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from typing import TYPE_CHECKING, Any

from sentrial import _core, _turns

if TYPE_CHECKING:
    from sentrial._core import Wait

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.02
"""Seconds between two looks of a loop that cannot watch a descriptor, or waits for a thread."""


async def settled(wait: Wait) -> None:
    """Return when `wait` is over, or when its time is."""
    if not wait.is_over():
        loop = asyncio.get_running_loop()
        await _watcher(loop).until_over(loop, wait)


async def result(wait: Wait | None) -> Any:
    """Wait for a call that was begun, and return or raise what it returns or raises."""
    if wait is None:
        return None
    try:
        await settled(wait)
    except BaseException:
        wait.abandon()
        raise
    return wait.result()


class _Waiter:
    """One coroutine that waits. Only its frame holds it: if that goes, so does everything."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wait: Wait) -> None:
        self.future: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._wait = wait
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        if not self.future.done():
            self.future.set_result(None)

    def watch_the_clock(self) -> None:
        left = self._wait.remaining()
        if left is None:
            return
        if left <= 0:
            self.wake()
        else:
            self._timer = self._loop.call_later(left, self.watch_the_clock)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class _Watcher:
    """What one event loop waits for. Holds neither the loop nor its waiters."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.waits = _core.Waits()
        self._waiters: dict[int, weakref.ref[_Waiter]] = {}
        self._polling: asyncio.TimerHandle | None = None
        self._polls = not self._read_from(loop)

    def _read_from(self, loop: asyncio.AbstractEventLoop) -> bool:
        descriptor = self.waits.fileno()
        if descriptor is None:
            return False
        try:
            # In a context of its own: the loop would keep that of whoever waits first.
            contextvars.Context().run(loop.add_reader, descriptor, self._look)
        except NotImplementedError:  # such as the ProactorEventLoop of Windows
            return False
        return True

    async def until_over(self, loop: asyncio.AbstractEventLoop, wait: Wait) -> None:
        ticket = self.waits.add(wait)
        if ticket is None:
            return
        waiter = _Waiter(loop, wait)
        self._waiters[ticket] = weakref.ref(waiter)
        try:
            waiter.watch_the_clock()
            if self._polls or self.waits.is_refused():
                self._poll(loop, _FIRST_PAUSE)
            await waiter.future
        finally:
            waiter.close()
            self._waiters.pop(ticket, None)
            self.waits.forget(ticket)

    def _look(self) -> None:
        found = [self._waiters.get(ticket) for ticket in self.waits.look()]
        waiters = [waiter() for waiter in found if waiter is not None]
        futures = [waiter.future for waiter in waiters if waiter is not None]
        if futures:
            loop = futures[0].get_loop()
            _turns.of(loop).wake(loop, futures)

    def _poll(self, loop: asyncio.AbstractEventLoop, pause: float) -> None:
        """Look now and then while somebody waits, ever more slowly until the next one comes."""
        if self._polling is not None:
            self._polling.cancel()

        def look() -> None:
            self._polling = None
            self._look()
            if self._waiters:
                self._poll(loop, min(pause * 1.5, _LONGEST_PAUSE))

        self._polling = contextvars.Context().run(loop.call_later, pause, look)


_watchers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Watcher] = (
    weakref.WeakKeyDictionary()
)


def _watcher(loop: asyncio.AbstractEventLoop) -> _Watcher:
    watcher = _watchers.get(loop)
    if watcher is None or not watcher.waits.is_ours():
        watcher = _watchers[loop] = _Watcher(loop)
    return watcher
