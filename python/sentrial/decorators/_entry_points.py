"""The functions decorated with `@session`: the first one is what `sentrial run` calls."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Weak, because a program may decorate functions for every request it serves.
_entry_points: list[weakref.ref[Callable[..., Any]]] = []


def add(function: Callable[..., Any]) -> None:
    """Remember a function as long as the program does."""
    _entry_points.append(weakref.ref(function, _forget))


def _forget(gone: weakref.ref[Callable[..., Any]]) -> None:
    for nth, known in enumerate(_entry_points):
        if known is gone:
            del _entry_points[nth]
            return


def get_session_entry_points() -> list[Callable[..., Any]]:
    """Return the functions decorated with `session` that still exist, oldest first."""
    functions = [known() for known in list(_entry_points)]
    return [function for function in functions if function is not None]


def clear_session_entry_points() -> None:
    """Forget the functions decorated so far."""
    _entry_points.clear()
