"""Arguments by name, as `inspect.Signature.bind` would say, and as plain values."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from hypothesis import given
from hypothesis import strategies as st
from sentrial.decorators._arguments import Arguments
from sentrial.decorators._snapshot import snapshot

from tests.decorators.sent import sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.collector import Collector


def plain(a: Any, b: Any = 2) -> None: ...
def positional(a: Any, /, b: Any, *, c: Any = 3) -> None: ...
def keywords(*, a: Any, b: Any = None) -> None: ...
def nothing() -> None: ...
def variable(a: Any, *rest: Any, c: Any = 3, **more: Any) -> None: ...


@given(
    st.sampled_from([plain, positional, keywords, nothing, variable]),
    st.lists(st.integers(), max_size=4),
    st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.integers()),
)
def test_arguments_are_bound_as_python_binds_them(
    function: Callable[..., None], args: list[int], kwargs: dict[str, int]
) -> None:
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        expected: dict[str, Any] | None = bound.arguments
    except TypeError:
        expected = None
    found = Arguments(function).bind(tuple(args), kwargs)
    assert found == expected
    assert list(found or ()) == list(expected or ())


def test_d6_cycles_and_wide_values_are_bounded(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    tree: list[Any] = []
    for _ in range(40):
        tree = [tree, tree]

    @sentrial.tool
    def same(value: object) -> object:
        return value

    assert same(cycle) is cycle
    with client.begin("u", "a"):
        assert same(cycle) is cycle
        assert same(tree) is tree
        same(list(range(100_000)))
    first, second, third = sent(client, collector)["u_a_1"].events
    assert first["toolInput"] == {"value": [1, "<cycle>"]}
    assert second["toolInput"]["value"]
    assert third["toolInput"]["value"][-1] == "<90000 more>"


def test_a_snapshot_is_taken_when_the_call_begins(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    @sentrial.tool
    def consume(items: list[dict[str, int]]) -> int:
        items[0]["n"] = 99
        items.clear()
        return 1

    with client.begin("u", "a"):
        consume([{"n": 1}])
    assert sent(client, collector)["u_a_1"].events[0]["toolInput"] == {"items": [{"n": 1}]}


def test_shapes_are_the_documented_ones() -> None:
    class Long:
        def __str__(self) -> str:
            return "x" * 1500

    class Bad:
        def __str__(self) -> str:
            raise RuntimeError

    assert snapshot((1, [2.5, None, True], {3: ("a",), None: b"b"})) == [
        1,
        [2.5, None, True],
        {"3": ["a"], "None": "b'b'"},
    ]
    assert snapshot(Long()) == "x" * 1000
    assert snapshot(Bad()) == "<Bad>"
    assert snapshot("y" * 3000) == "y" * 3000


class UnreadableDict(dict[str, int]):
    """A dict that cannot be walked."""

    def items(self) -> Any:
        """Fail."""
        raise RuntimeError


class UnreadableList(list[int]):
    """A list that cannot even be asked whether it is empty."""

    def __bool__(self) -> bool:
        raise RuntimeError

    def __getitem__(self, index: Any) -> Any:
        raise RuntimeError


class UnreadableCall:
    """A callable that has no signature."""

    @property
    def __signature__(self) -> Any:
        raise RuntimeError

    def __call__(self, value: object) -> object:
        """Return what is given."""
        return value


class UnreadableError(Exception):
    """An exception that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError

    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise RuntimeError


def test_d6_values_that_cannot_be_read_do_no_harm(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    @sentrial.tool("same")
    def same(value: object) -> object:
        return value

    @sentrial.tool("fail")
    def fail() -> None:
        raise UnreadableError

    @sentrial.session("agent")
    def agent(user_id: object, message: object) -> object:
        return message

    with client.begin("u", "a"):
        for value in (UnreadableDict(a=1), UnreadableList([1])):
            assert same(value) is value
            assert agent("v", value) is value
        assert sentrial.tool(UnreadableCall())(5) == 5
        with pytest.raises(UnreadableError):
            fail()
    events = sent(client, collector)["u_a_1"].events
    assert [event["toolName"] for event in events] == ["same", "same", "UnreadableCall", "fail"]
    assert events[0]["toolInput"] == {"value": {"a": 1}}
    assert events[1]["toolOutput"] == {"result": [1]}


class Watched:
    """An object that notes when it is looked at."""

    looked = 0

    def __str__(self) -> str:
        type(self).looked += 1
        return "watched"


def test_d7_nothing_is_bound_or_written_outside_of_a_session(
    client: sentrial.SentrialClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    @sentrial.tool
    def look(at: object) -> object:
        return at

    def refused(*_: object) -> None:
        pytest.fail("the signature was read")

    with monkeypatch.context() as patched:
        patched.setattr("inspect.signature", refused)
        look(Watched())
    client.begin("u", "a").finish()
    look(Watched())
    assert Watched.looked == 0
    with client.begin("u", "a"):
        look(Watched())
    assert Watched.looked > 0


def test_d8_a_failing_tool_keeps_its_input(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    @sentrial.tool
    def fail(word: str, times: int = 2) -> None:
        raise LookupError(word)

    with client.begin("u", "a"), pytest.raises(LookupError):
        fail("x")
    [event] = sent(client, collector)["u_a_1"].events
    assert event["eventType"] == "error"
    assert event["toolInput"] == {"word": "x", "times": 2}
    assert event["toolError"]["type"] == "LookupError"


def test_d9_self_is_shown_by_its_class(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    class Vault:
        def __repr__(self) -> str:
            return "Vault(password='hunter2')"

        @sentrial.tool
        def open(self, door: int) -> int:
            return door

    with client.begin("u", "a"):
        assert Vault().open(1) == 1
        with pytest.raises(TypeError):
            Vault().open()  # type: ignore[call-arg]
    event, failed = sent(client, collector)["u_a_1"].events
    assert event["toolInput"] == {"self": "<Vault>", "door": 1}
    assert failed["toolInput"] == {"args": ["<Vault>"], "kwargs": {}}


def test_d10_the_state_of_async_tools_is_that_of_their_session(
    either: sentrial.SentrialClient, collector: Collector
) -> None:
    import asyncio

    from tests.support.sdk import in_loop

    @sentrial.tool
    async def fetch(n: int) -> int:
        await asyncio.sleep(0.005)
        return n

    async def one(n: int) -> None:
        with either.begin(f"u{n}", "a"):
            await fetch(n)
            await fetch(n + 100)

    async def use() -> None:
        await asyncio.gather(*(one(n) for n in range(5)))

    in_loop(use())
    everything = sent(either, collector)
    for n in range(5):
        first, second = everything[f"u{n}_a_1"].events
        assert first["stateBefore"] == {}
        assert second["stateBefore"] == {"fetch_result": {"result": n}}
