"""Values that nobody should pass to a tracking call, and somebody will."""

from __future__ import annotations

import decimal
import enum
import threading
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable


class Angry:
    """Everything that Python may ask of it raises."""

    def _raise(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError("angry")

    __str__ = __repr__ = __bool__ = __len__ = __iter__ = __float__ = __int__ = _raise
    __index__ = __hash__ = __eq__ = __getattr__ = __getitem__ = __contains__ = _raise  # type: ignore[assignment]
    __format__ = __fspath__ = __bytes__ = __call__ = __enter__ = __exit__ = _raise


class AngryText(str):
    """Text that does not want to be shown."""

    __slots__ = ()

    def __str__(self) -> str:
        """Raise."""
        raise RuntimeError("angry text")

    __repr__ = __str__


class AngryDict(dict):  # type: ignore[type-arg]
    """A dict whose methods raise."""

    def _raise(self, *_: object) -> NoReturn:
        raise RuntimeError("angry dict")

    __iter__ = __len__ = __getitem__ = keys = items = values = get = copy = _raise  # type: ignore[assignment]


class AngryError(Exception):
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        """Raise."""
        raise RuntimeError("angry error")


class Exiting:
    """Its `str` ends the program, as a bug in somebody's `__str__` may."""

    def __str__(self) -> str:
        """Raise something that is no `Exception`'s subclass by mistake of its author."""
        raise LookupError("not found while printing")


class Lying:
    """Pretends to be a dict."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """Lie."""
        return dict


class Colour(enum.Enum):
    """A plain enumeration."""

    RED = object()


def cyclic() -> dict[str, Any]:
    """Return a dict that contains itself, also in a list."""
    value: dict[str, Any] = {"a": 1}
    value["self"] = value
    value["list"] = [value, [value]]
    return value


def deep(levels: int = 10_000) -> dict[str, Any]:
    """Return nested dicts."""
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"d": value}
    return value


def deep_list(levels: int = 10_000) -> list[Any]:
    """Return nested lists."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


#: Made when asked for: some are big, some can be used once.
VALUES: dict[str, Callable[[], Any]] = {
    "object": object,
    "angry": Angry,
    "angry in a list": lambda: [1, Angry()],
    "angry in a dict": lambda: {"a": Angry()},
    "angry text": lambda: AngryText("t"),
    "angry dict": lambda: AngryDict(a=1),
    "angry error": lambda: AngryError("e"),
    "error that chains": lambda: KeyError(AngryError("e")),
    "raises on str": Exiting,
    "lying": Lying,
    "class": lambda: Angry,
    "enum": lambda: Colour.RED,
    "cycle": cyclic,
    "10 000 levels": deep,
    "10 000 lists": deep_list,
    "10 MB": lambda: "x" * 10_000_000,
    "10 MB in a dict": lambda: {"x": "y" * 10_000_000},
    "10 MB of bytes": lambda: b"\xff" * 10_000_000,
    "a million items": lambda: list(range(1_000_000)),
    "surrogate": lambda: "\ud800 alone",
    "surrogate key": lambda: {"\udfff": 1},
    "odd keys": lambda: {1: 1, None: 2, (1, 2): 3, False: 4, 1.5: 5, b"k": 6},
    "NUL": lambda: "a\0b",
    "bytes": lambda: b"\xff\xfe",
    "huge int": lambda: 10**5000,
    "negative huge int": lambda: -(10**400),
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "complex": lambda: 1j,
    "decimal nan": lambda: decimal.Decimal("sNaN"),
    "bool": lambda: True,
    "none": lambda: None,
    "ellipsis": lambda: ...,
    "int": lambda: 7,
    "negative": lambda: -1.5,
    "empty text": lambda: "",
    "empty dict": dict,
    "list": lambda: [1, "a", None],
    "tuple": lambda: (1, 2),
    "set": lambda: {1, "a"},
    "generator": lambda: (n for n in range(3)),
    "function": lambda: print,
    "lock": threading.Lock,
    "memoryview": lambda: memoryview(b"abc"),
}
