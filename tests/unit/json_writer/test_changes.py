"""Values that change while they are written; the writer itself changes and keeps nothing."""

from __future__ import annotations

import collections
import json
import sys
import threading
import time
from typing import Any

import pytest
from sentrial import _core

from tests.unit.json_writer.values import Described, Plain, written


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

    # `point` is there when it is called, and not before.
    point = Plain(Saboteur(lambda: point.__dict__.clear()), 2)  # noqa: PLW0108
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
