"""Values are looked at: nothing is asked that runs a query, loads something or is recorded."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import io
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import sentrial
from sentrial import _core

from tests.support.sdk import client_for
from tests.unit.json_writer.values import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.collector import Collector


class Asked:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __str__(self) -> str:
        self.asked.append("str")
        return "text"


class Rows(Asked):
    """An iterable that is no known container."""

    def __iter__(self) -> Iterator[int]:
        self.asked.append("iter")
        return iter([1])

    def __len__(self) -> int:
        self.asked.append("len")
        return 1

    def __bool__(self) -> bool:
        self.asked.append("bool")
        return True


class Pages(Asked):
    """Read by number, like a sequence that is loaded page by page."""

    def __getitem__(self, number: int) -> int:
        self.asked.append("item")
        return number


class Table(Asked, Mapping[str, int]):
    """A mapping that fetches what it is asked for."""

    __hash__ = object.__hash__

    def __getitem__(self, name: str) -> int:
        self.asked.append("item")
        return 1

    def __iter__(self) -> Iterator[str]:
        self.asked.append("iter")
        return iter("a")

    def __len__(self) -> int:
        self.asked.append("len")
        return 1


class Awaited(Asked):
    """What only an event loop can wait for."""

    def __await__(self) -> Any:
        self.asked.append("await")
        yield


class LazyText(Asked):
    """A text that is looked up when it is shown."""


class Proxy(Asked):
    """Answers for another object."""

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        raise AttributeError

    @property
    def __class__(self) -> Any:
        self.asked.append("class")
        return dict


class Overridden(dict[str, int]):
    """A dict whose items are made when they are asked for."""

    def items(self) -> Any:
        """Raise: it must not be asked."""
        raise AssertionError


@pytest.mark.parametrize(
    "made", [Rows, Pages, Table, Awaited, LazyText, Proxy], ids=lambda made: made.__name__
)
@pytest.mark.parametrize(
    "around",
    [
        lambda value: value,
        lambda value: [value],
        lambda value: {"k": value},
        lambda value: {(value, 1): 1},
        RuntimeError,
        lambda value: ValueError("failed", value),
        lambda value: functools.partial(print, value),
        dataclasses.make_dataclass("Holder", ["held"]),
    ],
    ids=["alone", "list", "dict", "key", "error", "error of two", "partial", "dataclass"],
)
def test_what_must_be_evaluated_is_named(
    made: Callable[[], Asked], around: Callable[[Asked], Any]
) -> None:
    value = made()
    _core.to_json(around(value))
    _core.described(around(value))
    assert value.__dict__["asked"] == []
    assert written(value) == f"<{made.__name__}>"  # type: ignore[attr-defined]


def test_an_overridden_method_of_a_dict_is_not_asked() -> None:
    assert written(Overridden(a=1)) == {"a": 1}


def test_properties_and_descriptors_of_fields_are_not_asked() -> None:
    asked = []

    def compute(_: object) -> int:
        asked.append(1)
        return 1

    sample_type = dataclasses.make_dataclass("Sample", ["a", "b"])
    sample = sample_type(1, 2)
    del sample.b
    sample_type.b = property(compute)
    assert written(sample) == {"a": 1}
    assert not asked


def test_streams_and_futures_are_named() -> None:
    async def waiting() -> Any:
        future = asyncio.get_running_loop().create_future()
        future.set_result(Asked())
        return written(future)

    assert asyncio.run(waiting()) == "<Future>"
    assert written(io.StringIO("x")) == "<StringIO>"
    target = Asked()
    assert written(weakref.proxy(target)) in ("<ProxyType>", "<weakproxy>")
    assert not target.asked


MOCKS: dict[str, Callable[[], Any]] = {
    "MagicMock": mock.MagicMock,
    "Mock": mock.Mock,
    "AsyncMock": mock.AsyncMock,
    "spec of a dict": lambda: mock.MagicMock(spec=dict),
    "spec of a list": lambda: mock.MagicMock(spec=list),
    "spec of a str": lambda: mock.MagicMock(spec=str),
    "spec of a number": lambda: mock.MagicMock(spec=float),
    "spec of an error": lambda: mock.MagicMock(spec=Exception),
    "autospec": lambda: mock.create_autospec(Asked),
    "autospec of a function": lambda: mock.create_autospec(print),
}


@pytest.mark.parametrize("kind", MOCKS)
def test_a_mock_does_not_see_that_it_was_recorded(collector: Collector, kind: str) -> None:
    value = MOCKS[kind]()
    client = client_for(collector)
    session = "sess"
    client.track_tool_call(session, value, value, value, estimated_cost=value, token_count=value)
    client.track_tool_call(session, "t", {"v": value}, {"tokens": value}, tool_error=value)
    client.track_decision(session, value, confidence=value, estimated_cost=value)
    client.track_error(session, value, value, value)
    client.update_state("mock", value)
    with client.begin(value, value, input=value, metadata={"m": value}) as interaction:
        interaction.set_output(value)
    client.flush()
    assert client.stats()["dropped"] == {}
    assert value.mock_calls == value.method_calls == []


def test_arguments_and_results_of_a_decorated_function_are_left_alone(
    collector: Collector,
) -> None:
    @sentrial.tool("t")
    def run(value: Any) -> Any:
        return value

    value = mock.MagicMock(spec=dict)
    rows = Rows()
    with client_for(collector).begin("u", "e"):
        assert run(value) is value
        assert run(rows) is rows
    assert value.mock_calls == []
    assert rows.asked == []
