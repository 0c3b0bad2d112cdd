"""What sees the pieces of one stream pass, and records the call once."""

from __future__ import annotations

import atexit
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from sentrial.wrappers._record import off_the_loop, warn

if TYPE_CHECKING:
    from sentrial.wrappers._record import Answer, Call

__all__ = ["Accumulator", "Tracker"]


#: Streams that have not been recorded yet.
_open: weakref.WeakSet[Tracker] = weakref.WeakSet()


# Registered after the hook that delivers what is queued, and so called before it.
@atexit.register
def _record_what_is_open() -> None:
    for tracker in list(_open):
        tracker.left()


class Accumulator(Protocol):
    """Puts the answer together from the pieces of one provider's stream."""

    has_content: bool
    """Whether a piece of the answer itself has been seen."""

    def add(self, piece: Any) -> bool:
        """Take one piece; True if the program must not see it, because we alone asked for it."""

    def answer(self) -> Answer | None:
        """Give what has been seen so far; None for what is no call of its own."""


class Tracker:
    """Sees what passes through one stream, and records the call once."""

    __slots__ = (
        "__weakref__",
        "_accumulator",
        "_call",
        "_done",
        "_waiting",
        "advancing",
        "guarded",
    )

    def __init__(self, call: Call, accumulator: Accumulator) -> None:
        self._call = call
        self._accumulator = accumulator
        self._done = False
        _open.add(self)
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
        try:
            hidden = self._accumulator.add(piece)
        except Exception as problem:  # noqa: BLE001  a piece of an unknown shape must reach the program
            warn(problem)
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
        _open.discard(self)
        try:
            answer = self._accumulator.answer()
        except Exception as problem:  # noqa: BLE001
            warn(problem)
            return
        if answer is not None:
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
        await off_the_loop(lambda: self.ended(error, partial=partial), error)

    async def left_in_loop(self) -> None:
        """Record as `left` does, without holding up the loop."""
        if not self.advancing:
            await self.ended_in_loop(partial=True)
