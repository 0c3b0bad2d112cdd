"""Objects that raise, lie or never end: written as something, and nothing escapes."""

from __future__ import annotations

import collections.abc
import datetime as dt
from typing import Any

import pytest
from sentrial import _core

from tests.unit.json_writer.values import written


class Raises:
    """Everything that could be asked of an instance raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __len__ = __bool__ = __iter__ = __str__

    def __hash__(self) -> int:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError


class Anything:
    """Answers to every name, like a Mock."""

    def __getattr__(self, name: str) -> Any:
        return Anything()

    def __str__(self) -> str:
        return "anything"

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    __hash__ = None


class LyingClass:
    """Says that it is a dict."""

    @property
    def __class__(self) -> Any:
        return dict

    def __str__(self) -> str:
        return "liar"


class RaisingClass:
    """Does not say what it is."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError

    def __str__(self) -> str:
        return "raising class"


class StrNotStr:
    """Its text is none."""

    def __str__(self) -> str:
        return 3  # type: ignore[return-value]  # noqa: PLE0307  what is tested


class BadMeta(type):
    """Everything that could be asked of a class raises."""

    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError(name)

    @property
    def __mro__(cls) -> Any:
        raise RuntimeError

    @property
    def __module__(cls) -> Any:
        raise RuntimeError


class BadMetaObject(metaclass=BadMeta):
    """Its class is hostile, not itself."""

    def __str__(self) -> str:
        return "bad meta"


class BadMoment(dt.datetime):
    """A moment without a text."""

    def isoformat(self, *_: Any) -> Any:
        """Return no text."""
        return 3


class WorseMoment(dt.date):
    """A day that raises."""

    def isoformat(self) -> Any:
        """Raise."""
        raise RuntimeError


class BadDelta(dt.timedelta):
    """A time span without a number."""

    def total_seconds(self) -> Any:
        """Return no number."""
        return "x"


class BadMapping(collections.abc.Mapping):  # type: ignore[type-arg]
    """A mapping that raises when it is read."""

    def __getitem__(self, key: object) -> Any:
        raise RuntimeError

    def __iter__(self) -> Any:
        raise RuntimeError

    def __len__(self) -> int:
        return 3


class NonsenseItems(dict):  # type: ignore[type-arg]
    """A dict that must be read without asking it."""

    def items(self) -> Any:
        """Return one pair among what is none."""
        return [1, (1, 2, 3), ("a", 1)]


class BadError(Exception):
    """An error without a message."""

    def __str__(self) -> str:
        raise RuntimeError


class FakeDataclass:
    """Has the mark of a dataclass, and no fields."""

    __dataclass_fields__ = 3

    def __str__(self) -> str:
        return "fake"


class BadIterator:
    """Must not be consumed."""

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        raise AssertionError


class BadList(list):  # type: ignore[type-arg]
    """A list that must be read without asking it."""

    def __len__(self) -> int:
        raise RuntimeError

    __getitem__ = __iter__ = __len__  # type: ignore[assignment]


class BadSet(set):  # type: ignore[type-arg]
    """A set that must be read without asking it."""

    def __iter__(self) -> Any:
        yield 1
        raise RuntimeError


def long_name() -> object:
    class Sample:
        def __str__(self) -> str:
            raise RuntimeError

    Sample.__name__ = "x" * 1000
    return Sample()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Raises(), "<Raises>"),
        (Anything(), "anything"),
        (LyingClass(), "liar"),
        (RaisingClass(), "raising class"),
        (StrNotStr(), "<StrNotStr>"),
        (BadMetaObject(), "bad meta"),
        (BadMoment(2024, 1, 2), "<BadMoment>"),
        (WorseMoment(2024, 1, 2), "<WorseMoment>"),
        (BadDelta(1), "<BadDelta>"),
        (BadMapping(), "<BadMapping>"),
        (NonsenseItems(stored=1), {"stored": 1}),
        (BadError("x"), {"type": f"{__name__}.BadError", "message": "<BadError>"}),
        (FakeDataclass(), "<FakeDataclass>"),
        (BadIterator(), "<BadIterator>"),
        (BadList([1, 2]), [1, 2]),
        (BadSet([1]), [1]),
        (long_name(), "<" + "x" * 100 + ">"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_hostile_objects(value: object, expected: object) -> None:
    assert written(value) == expected


def test_released_memoryview() -> None:
    view = memoryview(b"abc")
    view.release()
    assert written(view) == "<memoryview>"


def test_hostile_keys() -> None:
    class Key(Raises):
        def __hash__(self) -> int:
            return 1

    assert written({Key(): 1}) == {"<Key>": 1}


def test_mock_is_text() -> None:
    from unittest.mock import MagicMock

    assert written(MagicMock(name="tool")).startswith("<MagicMock")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("place", ["str", "key", "isoformat", "error"])
def test_what_stops_the_program_is_not_swallowed(error: type[BaseException], place: str) -> None:
    def fail(*_: object) -> Any:
        raise error

    value: object
    if place in {"str", "key"}:
        value = type("Sample", (), {"__str__": fail})()
        value = {value: 1} if place == "key" else value
    elif place == "isoformat":
        value = type("Sample", (dt.date,), {"isoformat": fail})(2024, 1, 2)
    else:
        value = type("Sample", (Exception,), {"__str__": fail})()
    with pytest.raises(error):
        _core.to_json([[value]])


def test_recursion_errors_are_absorbed() -> None:
    class Deep:
        def __str__(self) -> str:
            return str(self)

    assert written([Deep()]) == ["<Deep>"]
