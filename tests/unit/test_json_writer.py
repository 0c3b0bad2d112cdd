"""Any Python object as JSON: what it looks like, that it is valid, bounded and never raises."""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import math
import pathlib
import re
import sys
import threading
import time
import types
import uuid
from typing import Any, ClassVar, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentrial import _core

settings.register_profile("json", deadline=None, max_examples=200)
SETTINGS = settings.get_profile("json")
# Markers and closing brackets of up to 64 levels.
SLACK = 4096


def reject(literal: str) -> None:
    raise AssertionError(f"not JSON: {literal}")


def written(value: object, **options: Any) -> Any:
    return json.loads(_core.to_json(value, **options), parse_constant=reject)


# JSON-native data

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.text(st.characters(categories=["Cs", "L", "Cc"]))
)
keys = st.text() | st.integers() | st.booleans() | st.none() | st.floats()
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.tuples(inner, inner),
    max_leaves=30,
)


@given(documents)
@SETTINGS
def test_native_data_reads_like_the_json_module_writes_it(value: object) -> None:
    assert written(value) == json.loads(json.dumps(value))


@given(st.floats(allow_nan=False, allow_infinity=False))
@SETTINGS
def test_floats_round_trip(value: float) -> None:
    text = _core.to_json(value)
    assert float(text) == value
    assert math.copysign(1, float(text)) == math.copysign(1, value)
    assert isinstance(json.loads(text), float)


@given(st.text(), st.integers(min_value=0, max_value=200))
@SETTINGS
def test_cut_text_is_valid_and_bounded(text: str, max_bytes: int) -> None:
    out = _core.to_json([text * 20, text, {"k": text}], max_bytes=max_bytes)
    json.loads(out)
    assert len(out) <= max_bytes + SLACK


def test_is_compact_utf8() -> None:
    assert _core.to_json({"é": [1, 1.0, "\U0001f600"], "b": None}) == (
        '{"é":[1,1.0,"\U0001f600"],"b":null}'.encode()
    )


def test_not_a_number_becomes_text() -> None:
    assert written([math.nan, math.inf, -math.inf]) == ["NaN", "Infinity", "-Infinity"]
    assert written({math.nan: 1, -math.inf: 2}) == {"NaN": 1, "-Infinity": 2}


@pytest.mark.parametrize(
    "value", [2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, -(2**64), 10**4000, -(10**4000)]
)
def test_large_integers_are_written_in_full(value: int) -> None:
    assert written(value) == value
    assert written({value: 1}) == {str(value): 1}


def test_integers_beyond_the_limit_of_str_are_cut() -> None:
    text = written(-(16**30_000))
    assert text == f"-0x1{'0' * 63}…[cut 29937 digits]"
    assert written({16**30_000: 1}) == {text.removeprefix("-"): 1}


def test_an_integer_larger_than_the_budget_is_cut() -> None:
    assert written(10**4000, max_bytes=100).startswith("0x")


def test_lone_surrogates_are_escaped() -> None:
    assert _core.to_json("a\ud800") == b'"a\\ud800"'
    assert written({"\udfff\u00e9": "\udc80"}) == {"\udfff\u00e9": "\udc80"}


# The table of values


class Color(enum.Enum):
    RED = "red"
    NESTED = {"a": (1, 2)}


class Level(enum.IntEnum):
    HIGH = 3


class Name(str, enum.Enum):
    ALICE = "alice"


class Flag(enum.Flag):
    A = 1
    B = 2


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Plain:
    a: int
    b: Any = None
    shared: ClassVar[int] = 5
    init: dataclasses.InitVar[int] = 3


@dataclasses.dataclass(frozen=True)
class Slotted:
    __slots__ = ("a",)
    a: int


class StrSub(str):
    def __str__(self) -> str:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


class IntSub(int):
    def __repr__(self) -> str:
        raise RuntimeError

    __index__ = __str__ = __repr__


class FloatSub(float):
    def __repr__(self) -> str:
        raise RuntimeError

    __float__ = __str__ = __repr__


class AppError(Exception):
    pass


class Described:
    def __str__(self) -> str:
        return "described"


def generator() -> Any:
    yield 1


UTC = datetime.timezone.utc
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
        (datetime.datetime(2024, 1, 2, 3, 4, 5, 6, UTC), "2024-01-02T03:04:05.000006+00:00"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (datetime.time(1, 2), "01:02:00"),
        (datetime.timedelta(minutes=1, milliseconds=500), 60.5),
        (ID, str(ID)),
        (pathlib.Path("/tmp/x"), str(pathlib.Path("/tmp/x"))),
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
        (datetime.date(2024, 1, 2), "2024-01-02"),
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


def test_overridden_items_of_a_dict_subclass_are_used() -> None:
    class Lazy(dict[str, int]):
        def items(self) -> Any:
            return [("a", 1)]

    class Broken(dict[str, int]):
        def items(self) -> Any:
            raise RuntimeError

    assert written(Lazy()) == {"a": 1}
    assert written(Broken(b=2)) == {"b": 2}


def test_deleted_and_unreadable_fields() -> None:
    def fail(_: object) -> int:
        raise ValueError

    sample_type = dataclasses.make_dataclass("Sample", ["a", "b", "c"])
    sample = sample_type(1, 2, 3)
    sample_type.c = property(fail)
    del sample.b
    assert written(sample) == {"a": 1, "c": "<unreadable>"}


# Libraries, recognised by their traces


def test_pydantic_models() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Inner(pydantic.BaseModel):
        when: datetime.date

    class Model(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        a: int
        inner: Inner
        secret: pydantic.SecretStr
        hidden: str = pydantic.Field("h", exclude=True)
        _private: int = 3

        @pydantic.computed_field
        def computed(self) -> int:
            raise AssertionError("user code was run")

    class Root(pydantic.RootModel[list[int]]):
        pass

    class Child(Model):
        b: int = 2

    inner = Inner(when=datetime.date(2024, 1, 2))
    expected = {"a": 1, "inner": {"when": "2024-01-02"}, "secret": "**********", "more": [1]}
    assert written(Model(a=1, inner=inner, secret="s3cret", more=[1])) == expected
    assert written(Child(a=1, inner=inner, secret="s3cret", more=[1])) == {**expected, "b": 2}
    assert written(Root([1, 2])) == [1, 2]
    assert written(pydantic.create_model("Empty")()) == {}


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="pydantic.v1 stops at Python 3.13")
def test_pydantic_v1_models() -> None:
    v1 = pytest.importorskip("pydantic.v1")

    model = v1.create_model(
        "Model",
        a=(int, ...),
        secret=(v1.SecretStr, ...),
        hidden=(str, v1.Field("h", exclude=True)),
    )
    assert written(model(a=1, secret="s3cret")) == {"a": 1, "secret": "**********"}


def test_pydantic_dataclasses() -> None:
    pydantic = pytest.importorskip("pydantic")

    @pydantic.dataclasses.dataclass
    class Model:
        a: int

    assert written(Model(1)) == {"a": 1}


def test_attrs_classes() -> None:
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Model:
        a: int
        b: Any = None

    assert written(Model(1, [2])) == {"a": 1, "b": [2]}


def test_numpy() -> None:
    np = pytest.importorskip("numpy")
    assert written([np.int64(3), np.float32(0.5), np.float64(1.5), np.bool_(True)]) == [
        3,
        0.5,
        1.5,
        True,
    ]
    assert written([np.str_("a"), np.float64("nan"), np.longdouble(2)]) == ["a", "NaN", "2.0"]
    assert written({np.int64(3): np.datetime64("2024-01-02")}) == {"3": "2024-01-02"}
    assert written(np.arange(4).reshape(2, 2)) == [[0, 1], [2, 3]]
    assert written(np.array(7)) == 7
    assert written(np.zeros((200, 100), dtype="float32")) == {
        "type": "ndarray",
        "shape": [200, 100],
        "dtype": "float32",
    }
    circular = np.empty(1, dtype=object)
    circular[0] = circular
    assert written(circular) == ["<circular>"]


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("DataFrame", "pandas.core.frame"),
        ("Series", "pandas"),
        ("DataFrame", "polars.dataframe.frame"),
    ],
)
def test_tables_are_told_by_shape(name: str, module: str) -> None:
    table = type(name, (), {"__module__": module, "shape": (3, 2)})
    assert written(table()) == {"type": name, "shape": [3, 2]}


# Hostile objects


class Raises:
    """Everything that could be asked of an instance raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __len__ = __bool__ = __iter__ = __hash__ = __str__

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
    @property
    def __class__(self) -> Any:
        return dict

    def __str__(self) -> str:
        return "liar"


class RaisingClass:
    @property
    def __class__(self) -> Any:
        raise RuntimeError

    def __str__(self) -> str:
        return "raising class"


class StrNotStr:
    def __str__(self) -> str:
        return 3  # type: ignore[return-value]


class BadMeta(type):
    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError(name)

    @property
    def __mro__(cls) -> Any:
        raise RuntimeError

    @property
    def __module__(cls) -> Any:
        raise RuntimeError


class BadMetaObject(metaclass=BadMeta):
    def __str__(self) -> str:
        return "bad meta"


class BadMoment(datetime.datetime):
    def isoformat(self, *args: Any) -> Any:
        return 3


class WorseMoment(datetime.date):
    def isoformat(self) -> Any:
        raise RuntimeError


class BadDelta(datetime.timedelta):
    def total_seconds(self) -> Any:
        return "x"


class BadMapping(collections.abc.Mapping):  # type: ignore[type-arg]
    def __getitem__(self, key: object) -> Any:
        raise RuntimeError

    def __iter__(self) -> Any:
        raise RuntimeError

    def __len__(self) -> int:
        return 3


class NonsenseItems(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        return [1, (1, 2, 3), ("a", 1)]


class EndlessItems(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        while True:
            yield ("k", "v")


class BadError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class FakeDataclass:
    __dataclass_fields__ = 3

    def __str__(self) -> str:
        return "fake"


class BadIterator:
    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        raise AssertionError


class BadList(list):  # type: ignore[type-arg]
    def __len__(self) -> int:
        raise RuntimeError

    __getitem__ = __iter__ = __len__  # type: ignore[assignment]


class BadSet(set):  # type: ignore[type-arg]
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
        (NonsenseItems(), {"a": 1, "<truncated>": True}),
        (BadError("x"), {"type": f"{__name__}.BadError", "message": "<BadError>"}),
        (FakeDataclass(), "<FakeDataclass>"),
        (BadIterator(), "<BadIterator>"),
        (BadList([1, 2]), [1, 2]),
        (BadSet(), [1, "<truncated>"]),
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
        def __hash__(self) -> int:  # type: ignore[override]
            return 1

    assert written({Key(): 1}) == {"<Key>": 1}


def test_mock_is_text() -> None:
    from unittest.mock import MagicMock

    assert written(MagicMock(name="tool")).startswith("<MagicMock")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("place", ["str", "key", "field", "items", "iter", "isoformat", "error"])
def test_what_stops_the_program_is_not_swallowed(
    error: type[BaseException], place: str
) -> None:
    def fail(*_: object) -> Any:
        raise error

    value: object
    if place in {"str", "key"}:
        value = type("Sample", (), {"__str__": fail})()
        value = {value: 1} if place == "key" else value
    elif place == "field":
        sample = dataclasses.make_dataclass("Sample", ["a"])
        value = sample(1)
        sample.a = property(fail)
    elif place == "items":
        value = type("Sample", (dict,), {"items": fail})()
    elif place == "iter":
        value = type("Sample", (set,), {"__iter__": fail})()
    elif place == "isoformat":
        value = type("Sample", (datetime.date,), {"isoformat": fail})(2024, 1, 2)
    else:
        value = type("Sample", (Exception,), {"__str__": fail})()
    with pytest.raises(error):
        _core.to_json([[value]])


def test_recursion_errors_are_absorbed() -> None:
    class Deep:
        def __str__(self) -> str:
            return str(self)

    assert written([Deep()]) == ["<Deep>"]


# Bounds


def test_self_references() -> None:
    items: list[Any] = [1]
    items.append(items)
    table: dict[str, Any] = {"items": items}
    table["self"] = table
    point = Plain(1)
    point.b = point
    mapping: dict[str, Any] = {}
    mapping["m"] = types.MappingProxyType(mapping)
    queue: collections.deque[Any] = collections.deque()
    queue.append(queue)
    assert written(items) == [1, "<circular>"]
    assert written(table) == {"items": [1, "<circular>"], "self": "<circular>"}
    assert written(point) == {"a": 1, "b": "<circular>"}
    assert written(mapping) == {"m": {"m": "<circular>"}}
    assert written(queue) == ["<circular>"]
    shared = [1]
    assert written([shared, shared]) == [[1], [1]]


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"k": x}, lambda x: (x,), Plain])
def test_depth_is_bounded(wrap: Any) -> None:
    value = wrap(1)
    for _ in range(10_000):
        value = wrap(value)
    out = _core.to_json(value)
    assert b'"<max depth>"' in out
    assert json.loads(out)
    while type(value) in (list, dict, tuple):  # unwound by hand: deallocation recurses
        value = value["k"] if type(value) is dict else value[0]


def test_a_depth_of_64_is_written() -> None:
    value: Any = 1
    for _ in range(64):
        value = [value]
    assert written(value) == value
    assert "<max depth>" in str(written([value]))


def nest(depth: int) -> Any:
    wrappers = [
        lambda x: [x],
        lambda x: {"k": x},
        lambda x: (x,),
        lambda x: Plain(1, x),
        lambda x: collections.deque([x]),
        lambda x: types.MappingProxyType({"k": x}),
        lambda x: collections.OrderedDict(k=x),
    ]
    value: Any = Described()
    for level in range(depth):
        value = wrappers[level % len(wrappers)](value)
    return value


def test_small_native_stack() -> None:
    results: list[Any] = []
    values = [nest(63), nest(200)]
    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=lambda: results.extend(map(_core.to_json, values)))
        thread.start()
        thread.join(30)
    finally:
        threading.stack_size(before)
    assert b"described" in results[0]
    assert b"<max depth>" in results[1]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "value",
    [
        "x" * 10_000_000,
        "é" * 10_000_000,
        "\x01" * 1_000_000,
        "\x01\ud800" * 1_000_000,
        b"x" * 10_000_000,
        b"\xff" * 10_000_000,
        bytearray(b"\xff" * 10_000_000),
        memoryview(bytes(100_000_000)),
        dict.fromkeys(range(200_000), "v"),
        ["y" * 1000] * 20_000,
        {str(i): "z" * 100 for i in range(20_000)},
        {"k" * 10_000_000: 1},
        set(range(200_000)),
        EndlessItems(),
        [EndlessItems()] * 1000,
        10**4000,
        [10**4000] * 1000,
        [[["w" * 1000] * 1000] * 1000] * 1000,
        ValueError("e" * 10_000_000),
        [object()] * 200_000,
    ],
    ids=lambda value: f"{type(value).__name__}",
)
@pytest.mark.parametrize("max_bytes", [0, 1, 100, 10_000, 1_048_576])
def test_output_is_bounded(value: object, max_bytes: int) -> None:
    started = time.monotonic()
    out = _core.to_json(value, max_bytes=max_bytes)
    assert time.monotonic() - started < 10
    assert len(out) <= max_bytes + SLACK
    json.loads(out)


def test_long_text_is_cut_in_the_middle() -> None:
    text = written("a" * 5_000_000 + "b" * 5_000_000, max_bytes=1000)
    head, tail = re.fullmatch(r"(a+)…\[cut \d+ characters\]…(b+)", text).groups()  # type: ignore[union-attr]
    cut = int(re.search(r"\d+", text).group())  # type: ignore[union-attr]
    assert len(head) + len(tail) + cut == 10_000_000
    assert 900 < len(text.encode()) <= 1000


def test_a_cut_text_leaves_room_for_its_siblings() -> None:
    result = written({"big": "x" * 10_000_000, "name": "tool"}, max_bytes=10_000)
    assert result["name"] == "tool"
    assert len(result["big"]) > 7000


def test_items_are_bounded() -> None:
    result = written([0] * 150_000)
    assert len(result) == 100_001
    assert result[-1] == "<truncated>"
    result = written(dict.fromkeys(range(150_000), 0), max_bytes=10_000_000)
    assert len(result) == 100_001
    assert result["<truncated>"] is True


def test_shared_references_do_not_explode() -> None:
    value: Any = ["leaf"]
    for _ in range(60):
        value = [value, value]
    out = _core.to_json(value, max_bytes=10_000_000)
    assert len(out) < 10_000_000 + SLACK
    json.loads(out)


@pytest.mark.timeout(60)
def test_a_wide_mapping_of_itself_is_not_quadratic() -> None:
    table: dict[int, Any] = {}
    proxy = types.MappingProxyType(table)
    table.update(dict.fromkeys(range(90_000), proxy))
    assert len(written(proxy, max_bytes=10_000_000)) == 90_000


# Mutation during the walk


def test_containers_changed_by_the_walk_itself() -> None:
    class Saboteur:
        def __init__(self, act: Any) -> None:
            self.act = act

        def __str__(self) -> str:
            self.act()
            return "done"

    table: dict[Any, Any] = {}
    table.update(a=Saboteur(table.clear), b=2)
    assert written(table) == {"a": "done", "b": 2}

    items: list[Any] = []
    items.extend([Saboteur(items.clear), 2, 3])
    assert written(items) == ["done"]

    growing: list[Any] = []
    growing.extend([Saboteur(lambda: growing.append(Saboteur(growing.pop))), 2])
    assert written(growing)[:2] == ["done", 2]

    queue: collections.deque[Any] = collections.deque()
    queue.extend([Saboteur(queue.clear), 2])
    assert written(queue) == ["done", 2]

    group: set[Any] = set()
    group.add(Saboteur(group.clear))
    assert written(group) == ["done"]

    point = Plain(Saboteur(lambda: point.__dict__.clear()), 2)
    assert written(point)["a"] == "done"


@pytest.mark.timeout(60)
def test_containers_changed_by_another_thread() -> None:
    class Yields:
        def __str__(self) -> str:
            time.sleep(0)
            return "y"

    table: dict[Any, Any] = {index: Yields() for index in range(50)}
    items: list[Any] = [Yields() for _ in range(50)]
    group = set(range(50))
    stop = threading.Event()

    def mutate() -> None:
        count = 0
        while not stop.is_set():
            count += 1
            table[count % 97] = Yields()
            table.pop(count % 89, None)
            items[:] = [Yields() for _ in range(count % 50)]
            group.symmetric_difference_update({count % 61})

    threads = [threading.Thread(target=mutate) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            json.loads(_core.to_json({"t": table, "i": items, "g": group, "k": table.keys()}))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_values_are_not_changed() -> None:
    default: collections.defaultdict[str, list[int]] = collections.defaultdict(list, a=[1])
    plain = Plain(1, {"x": (1,)})
    before = (dict(default), repr(plain))
    _core.to_json([default, plain])
    assert (dict(default), repr(plain)) == before


def test_references_are_released() -> None:
    marker = Described()
    value = {"a": [marker, (marker,)], "b": Plain(1, marker), "c": {"d": marker}}
    count = sys.getrefcount(marker)
    for _ in range(100):
        _core.to_json(value)
    assert sys.getrefcount(marker) == count
