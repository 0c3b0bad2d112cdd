"""Helpers that open a stream when their `with` block is entered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial.wrappers._adopt import adopt
from sentrial.wrappers._streams import opened_streams, tracked_stream
from sentrial.wrappers._tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentrial.wrappers._record import Call
    from sentrial.wrappers._tracker import Accumulator

__all__ = ["tracked_manager"]


class _Opening:
    """What a manager's `with` block opens: `client.messages.stream(...)` and its like."""

    def __init__(self, begin: Callable[[], tuple[Call, Accumulator] | None]) -> None:
        self._begin = begin
        self._begun: tuple[Call, Accumulator] | None = None
        self._trackers: list[Tracker] = []

    def enter(self) -> object:
        """Note which call begins, and which streams are opened until `leave`."""
        self._begun = self._begin()
        before = opened_streams.get()
        opened_streams.set(self._trackers)
        return before

    def opened(self, before: Any, stream: Any) -> Any:
        """Take the stream that the block is given; return what to hand out."""
        opened_streams.set(before)
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
        opened_streams.set(before)
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
        opening: _Opening = self._sentrial_opening
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
        opening: _Opening = self._sentrial_opening
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
        adopt(manager, members, _sentrial_opening=_Opening(begin))
    return manager
