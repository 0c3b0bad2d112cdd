"""Only the innermost call of a language model carries usage and cost.

A framework's handler sees a model run, and the wrapped client inside it sees the same tokens once
more. The outer call opens a scope; a call that is recorded inside claims the usage, and the outer
one is then recorded without it::

    scope = innermost.Scope()            # when the outer call starts
    ...
    usage = seen if scope.claim() else None
    scope.close()                        # when it ends, in whatever context or thread

The scope is found through a context variable: tasks and copied contexts are inside, a plain new
thread is not. It is restored by value, so it may be closed in another context than it was opened
in; a scope that is closed counts as gone everywhere.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Scope", "claim", "enclosing"]

_HERE = "here"
_INSIDE = "inside"


class Scope:
    """One outer call. It is open, for the current context, from its construction on.

    Usable in a `with` block instead of `close()`.
    """

    __slots__ = ("_carrier", "_closed", "parent")

    def __init__(self) -> None:
        self.parent = enclosing()
        self._closed = False
        # Who carries the usage. setdefault decides in one step, without a lock that a fork could
        # leave locked.
        self._carrier: dict[str, str] = {}
        _current.set(self)

    @property
    def is_open(self) -> bool:
        """Whether calls that start now may still belong to it."""
        return not self._closed

    @property
    def covered(self) -> bool:
        """Whether a call inside has carried the usage already."""
        return self._carrier.get("by") == _INSIDE

    def claim(self) -> bool:
        """Ask, at the time of recording, whether this call carries its usage.

        Returns:
            False if a call inside has carried it, or an outer one that was recorded before. The
            answer stays the same. Otherwise the calls around this one are told.
        """
        return self._carrier.setdefault("by", _HERE) == _HERE and claim(self.parent)

    def close(self) -> None:
        """End the scope; calls that started inside and are recorded later still know it."""
        self._closed = True
        if _current.get() is self:
            _current.set(enclosing())

    def _taken_inside(self) -> bool:
        return self._carrier.setdefault("by", _INSIDE) == _INSIDE

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.close()


_current: ContextVar[Scope | None] = ContextVar("sentrial_llm_scope", default=None)


def enclosing() -> Scope | None:
    """Return the innermost open scope of this context: ask when a call starts, keep it."""
    scope = _current.get()
    while scope is not None and not scope.is_open:
        scope = scope.parent
    return scope


def claim(scope: Scope | None) -> bool:
    """Claim the usage for a call inside `scope`, at the time of recording.

    Returns:
        True if the call carries its usage; the scope and those around it are told. False if one of
        them has been recorded with it before: a stream that outlived the call around it.
    """
    carries = True
    while scope is not None:
        carries &= scope._taken_inside()  # noqa: SLF001  one concept, one module
        scope = scope.parent
    return carries
