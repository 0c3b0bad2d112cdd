"""Depth, size, items and time are bounded, whatever is written."""

from __future__ import annotations

import collections
import json
import re
import threading
import time
import types
from typing import Any

import pytest
from sentrial import _core

from tests.unit.json_writer.values import SLACK, Described, EndlessItems, Plain, written


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
