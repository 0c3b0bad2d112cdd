"""The current session of a piece of program that runs now and then inside another context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial import _core

if TYPE_CHECKING:
    from types import TracebackType

_SESSION, _STATE = _core.context_variables()


def current() -> tuple[Any, Any]:
    """Return what is current here, as the core keeps it."""
    return _SESSION.get(), _STATE.get()


class Carried:
    """The session that is current where this is made; ``with`` makes it current elsewhere.

    What is current there is restored by value afterwards, never by token, so that it may happen in
    any thread and in any order. What changes inside is kept for the next time.
    """

    __slots__ = ("_here", "_there")

    def __init__(self, here: tuple[Any, Any] | None = None) -> None:
        self._here = here or current()
        self._there = self._here

    def restore(self) -> None:
        """Make it current in this context for good."""
        _SESSION.set(self._here[0])
        _STATE.set(self._here[1])

    def __enter__(self) -> None:
        self._there = current()
        self.restore()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self._here = current()
        _SESSION.set(self._there[0])
        _STATE.set(self._there[1])
