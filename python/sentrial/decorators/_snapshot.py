"""Arguments and results as plain values, taken when a call begins or ends.

The documented shapes: plain values as they are, lists and tuples as lists, dicts with text keys,
everything else as text. Nothing of the program's is changed or consumed.
"""

from __future__ import annotations

from typing import Any

LONGEST_TEXT = 1000
"""Characters kept of the text of an object. Strings are not cut here."""
_DEEPEST = 32
_MOST_VALUES = 10_000

PLAIN = frozenset({type(None), str, int, float, bool})
"""The types of values that are their own plain copy."""


def snapshot(value: object) -> Any:
    """Return a plain copy of a value; only its class where it cannot be read."""
    if type(value) in PLAIN:
        return value
    try:
        return _Walk().copy(value, 0)
    except Exception:  # noqa: BLE001  a container of the program that cannot be walked
        return f"<{type(value).__name__}>"


def text(value: object) -> str:
    """Return what `str` says, also where it fails."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001  a broken __str__ of the program must not break the program
        return f"<{type(value).__name__}>"


class _Walk:
    """One walk over a value: bounded in depth and in all, and never twice into the same cycle."""

    __slots__ = ("inside", "left")

    def __init__(self) -> None:
        self.left = _MOST_VALUES
        self.inside: set[int] = set()

    def copy(self, value: object, depth: int) -> Any:
        if type(value) in PLAIN or isinstance(value, (str, int, float)):
            return value
        if not isinstance(value, (list, tuple, dict)):
            return text(value)[:LONGEST_TEXT]
        if depth >= _DEEPEST:
            return "<max depth>"
        if id(value) in self.inside:
            return "<cycle>"
        self.inside.add(id(value))
        try:
            if isinstance(value, dict):
                return self._members(value, depth + 1)
            return self._items(value, depth + 1)
        finally:
            self.inside.discard(id(value))

    def _items(self, value: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        kept = list(value[: self.left])
        self.left -= len(kept)
        copied = [item if type(item) in PLAIN else self.copy(item, depth) for item in kept]
        if len(kept) < len(value):
            copied.append(f"<{len(value) - len(kept)} more>")
        return copied

    def _members(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        copied = {}
        items = list(value.items())
        kept = items[: self.left]
        self.left -= len(kept)
        for key, item in kept:
            name = key if type(key) is str else text(key)
            copied[name] = item if type(item) in PLAIN else self.copy(item, depth)
        if len(kept) < len(items):
            copied["..."] = f"<{len(items) - len(kept)} more>"
        return copied
