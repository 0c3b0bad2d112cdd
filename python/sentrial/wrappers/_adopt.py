"""Exchanging the class of an object for a subclass of it that looks at what passes.

The object stays what it is: `isinstance`, `with`, `close`, `response` and every helper work, and
what the package does inside itself is not touched. Only public protocol methods are overridden.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from sentrial.wrappers._tracker import Tracker

__all__ = ["adopt", "async_members", "sync_members"]

_TRACKER = "_sentrial_tracker"

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
        if not isinstance(thing, cls):
            # The class of older Anthropic streams takes only its own instances for one.
            thing.__class__ = cls
            return False
    except (AttributeError, TypeError):
        return False
    return True


def _subclass(cls: Any, members: Callable[[Any], dict[str, Any]]) -> type:
    # To the program it is the class it knows, also by name.
    looks = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    made: type = type(cls)(cls.__name__, (cls,), {"__slots__": (), **looks, **members(cls)})
    _classes[cls, members] = made
    return made


def _collected(stream: Any, ending: Callable[[], bool] = sys.is_finalizing) -> None:
    # At the very end of the process modules are gone; what was open has been recorded before.
    tracker = None if ending() else vars(stream).get(_TRACKER)
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
