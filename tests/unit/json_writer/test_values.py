"""The table of values and keys: what objects of Python and its library look like as JSON."""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import pathlib
import re
import types
import uuid
from typing import Any, NamedTuple

import pytest
from sentrial import _core

from tests.unit.json_writer.values import Described, Plain, written


class Color(enum.Enum):
    """Members with values of any kind."""

    RED = "red"
    NESTED = {"a": (1, 2)}  # noqa: RUF012  a member, not a default


class Level(enum.IntEnum):
    """A member is an int."""

    HIGH = 3


class Name(str, enum.Enum):
    """A member is a str."""

    ALICE = "alice"


class Flag(enum.Flag):
    """A member may be several."""

    A = 1
    B = 2


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


@dataclasses.dataclass(frozen=True)
class Slotted:
    """A dataclass whose instances have no ``__dict__``."""

    __slots__ = ("a",)
    a: int


class StrSub(str):  # noqa: SLOT000  with a ``__dict__``, like most subclasses
    """A str that must be written without asking it."""

    def __str__(self) -> str:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


class IntSub(int):
    """An int that must be written without asking it."""

    def __repr__(self) -> str:
        raise RuntimeError

    __index__ = __str__ = __repr__


class FloatSub(float):
    """A float that must be written without asking it."""

    def __repr__(self) -> str:
        raise RuntimeError

    __float__ = __str__ = __repr__


class AppError(Exception):
    """An error of a program: not a built-in one, so its module is written too."""


def generator() -> Any:
    yield 1


UTC = dt.timezone.utc

ID = uuid.UUID("12345678123456781234567812345678")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ((1, "a"), [1, "a"]),
        ({3}, [3]),
        (frozenset({3}), [3]),
        (collections.deque([1, 2]), [1, 2]),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.values(), [1]),
        ({"a": 1}.items(), [["a", 1]]),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.OrderedDict(a=1).keys(), ["a"]),
        (collections.defaultdict(list, a=1), {"a": 1}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (collections.UserDict(a=1), {"a": 1}),
        (collections.ChainMap({"a": 1}), {"a": 1}),
        (b"text \xc3\xa9", "text é"),
        (b"\xff\x00", base64.b64encode(b"\xff\x00").decode()),
        (bytearray(b"abc"), "abc"),
        (memoryview(b"abc"), "abc"),
        (memoryview(b"abcdef")[::2], "ace"),
        (dt.datetime(2024, 1, 2, 3, 4, 5, 6, UTC), "2024-01-02T03:04:05.000006+00:00"),
        (dt.date(2024, 1, 2), "2024-01-02"),
        (dt.time(1, 2), "01:02:00"),
        (dt.timedelta(minutes=1, milliseconds=500), 60.5),
        (ID, str(ID)),
        (pathlib.Path("/srv/x"), str(pathlib.Path("/srv/x"))),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (decimal.Decimal("1.20"), "1.20"),
        (decimal.Decimal(1) / 3 * 10**5000, str(decimal.Decimal(1) / 3 * 10**5000)),
        (fractions.Fraction(1, 3), "1/3"),
        (1 + 2j, "(1+2j)"),
        (re.compile("a+"), "re.compile('a+')"),
        (int, "<class 'int'>"),
        (Plain, str(Plain)),
        (Color.RED, "red"),
        (Color.NESTED, {"a": [1, 2]}),
        (Level.HIGH, 3),
        (Name.ALICE, "alice"),
        (Flag.A | Flag.B, 3),
        (ValueError("bad"), {"type": "ValueError", "message": "bad"}),
        (AppError("x", 1), {"type": f"{__name__}.AppError", "message": "('x', 1)"}),
        (KeyboardInterrupt(), {"type": "KeyboardInterrupt", "message": ""}),
        (Plain(1, Point(2, 3)), {"a": 1, "b": [2, 3]}),
        (Slotted(1), {"a": 1}),
        (StrSub("s"), "s"),
        (IntSub(5), 5),
        (IntSub(2**70), 2**70),
        (FloatSub(1.5), 1.5),
        (Described(), "described"),
        (range(3), "range(0, 3)"),
        (generator(), "<generator>"),
        (iter([1]), "<list_iterator>"),
        (map(str, [1]), "<map>"),
        (..., "Ellipsis"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values(value: object, expected: object) -> None:
    assert written(value) == expected
    assert written({"nested": [value]}) == {"nested": [expected]}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a", "a"),
        (1, "1"),
        (2**80, str(2**80)),
        (1.0, "1.0"),
        (1e16, "1e+16"),
        (True, "true"),
        (None, "null"),
        (Color.RED, "red"),
        (Level.HIGH, "3"),
        (Name.ALICE, "alice"),
        (StrSub("s"), "s"),
        (IntSub(5), "5"),
        (FloatSub(1.5), "1.5"),
        ((1, "a"), "(1, 'a')"),
        (b"a", "b'a'"),
        (ID, str(ID)),
        (dt.date(2024, 1, 2), "2024-01-02"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_keys(key: Any, expected: str) -> None:
    assert written({key: 1}) == {expected: 1}


def test_keys_that_become_equal_are_all_written() -> None:
    assert _core.to_json({1: "a", "1": "b"}) == b'{"1":"a","1":"b"}'


def test_iterators_are_not_consumed() -> None:
    source = iter([1, 2])
    running = generator()
    _core.to_json([source, running, {"x": source}])
    assert list(source) == [1, 2]
    assert list(running) == [1]


def test_long_str_is_cut_at_1000_characters() -> None:
    class Long:
        def __str__(self) -> str:
            return "é" * 5000

    assert written(Long()) == "é" * 1000 + "…"


def test_deleted_fields_are_left_out() -> None:
    sample_type = dataclasses.make_dataclass("Sample", ["a", "b", ("c", int, 3)])
    sample = sample_type(1, 2)
    del sample.b, sample.c
    assert written(sample) == {"a": 1, "c": 3}
