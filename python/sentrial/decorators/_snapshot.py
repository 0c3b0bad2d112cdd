"""Arguments and results as plain values, taken when a call begins or ends.

The documented shapes: plain values as they are, lists and tuples as lists, dicts with text keys,
everything else as text. Nothing of the program's is changed, consumed or made to load something.
"""

from __future__ import annotations

import itertools
from typing import Any, cast

from sentrial._core import described

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
    """Return what `str` says; something else where it fails, or where it must not be asked."""
    return described(value)


class _Walk:
    """One walk over a value: bounded in depth and in all, and never twice into the same cycle."""

    __slots__ = ("inside", "left")

    def __init__(self) -> None:
        self.left = _MOST_VALUES
        self.inside: set[int] = set()

    def copy(self, value: object, depth: int) -> Any:
        # By the real class: a proxy or a mock that is asked for its own resolves or records that.
        kind = type(value)
        if kind in PLAIN or issubclass(kind, (str, int, float)):
            return value
        if not issubclass(kind, (list, tuple, dict)):
            return text(value)[:LONGEST_TEXT]
        if depth >= _DEEPEST:
            return "<max depth>"
        if id(value) in self.inside:
            return "<cycle>"
        self.inside.add(id(value))
        try:
            if issubclass(kind, dict):
                return self._members(cast("dict[Any, Any]", value), depth + 1)
            return self._items(cast("list[Any]", value), depth + 1)
        finally:
            self.inside.discard(id(value))

    def _items(self, value: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        kind: Any = list if issubclass(type(value), list) else tuple
        kept = list(itertools.islice(kind.__iter__(value), self.left))
        self.left -= len(kept)
        copied = [item if type(item) in PLAIN else self.copy(item, depth) for item in kept]
        size = kind.__len__(value)
        if len(kept) < size:
            copied.append(f"<{size - len(kept)} more>")
        return copied

    def _members(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        copied = {}
        size = dict.__len__(value)
        kept = list(itertools.islice(dict.items(value), self.left))
        self.left -= len(kept)
        for key, item in kept:
            name = key if type(key) is str else text(key)
            copied[name] = item if type(item) in PLAIN else self.copy(item, depth)
        if len(kept) < size:
            copied["..."] = f"<{size - len(kept)} more>"
        return copied
