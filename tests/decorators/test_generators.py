"""D3: generators pass through untouched; one event tells what came out and how they ended."""

from __future__ import annotations

import asyncio
import gc
import inspect
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.decorators.sent import sent
from tests.support.sdk import in_loop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from tests.support.collector import Collector


@sentrial.tool
def count(to: int) -> Generator[int, Any, str]:
    yield from range(to)
    return "done"


@sentrial.tool
def echo() -> Generator[Any, Any, None]:
    got: Any = "ready"
    while True:
        try:
            got = yield got
        except ValueError as error:
            got = f"caught {error}"


@sentrial.tool
async def acount(to: int) -> AsyncGenerator[int, None]:
    for n in range(to):
        await asyncio.sleep(0)
        yield n


@sentrial.tool
async def aecho() -> AsyncGenerator[Any, Any]:
    got: Any = "ready"
    while True:
        try:
            got = yield got
        except ValueError as error:
            got = f"caught {error}"


def test_d3_they_stay_generator_functions() -> None:
    assert inspect.isgeneratorfunction(count)
    assert inspect.isasyncgenfunction(acount)
    assert isinstance(count(1), type(x for x in ()))


def test_d3_one_event_when_exhausted(either: sentrial.SentrialClient, collector: Collector) -> None:
    async def both() -> list[int]:
        with either.begin("u", "a"):
            assert list(count(3)) == [0, 1, 2]
            return [n async for n in acount(2)]

    assert in_loop(both()) == [0, 1]
    first, second = sent(either, collector)["u_a_1"].events
    assert first["toolInput"] == {"to": 3}
    assert first["toolOutput"] == {"result": [0, 1, 2], "returned": "done"}
    assert first["metadata"]["items"] == 3
    assert "partial" not in first["metadata"]
    assert second["toolOutput"] == {"result": [0, 1]}


def test_d3_the_value_of_a_generator_is_returned(client: sentrial.SentrialClient) -> None:
    def outer() -> Generator[int, Any, str]:
        return (yield from count(1))

    with client.begin("u", "a"):
        generator = outer()
        assert next(generator) == 0
        with pytest.raises(StopIteration) as stop:
            next(generator)
    assert stop.value.value == "done"


@pytest.mark.parametrize("active", [True, False])
def test_d3_send_and_throw_reach_the_body(
    client: sentrial.SentrialClient, collector: Collector, active: bool
) -> None:
    async def use() -> list[Any]:
        generator = aecho()
        seen = [await generator.asend(None), await generator.asend(5)]
        seen.append(await generator.athrow(ValueError("x")))
        await generator.aclose()
        return seen

    def drive() -> None:
        generator = echo()
        assert [next(generator), generator.send(5)] == ["ready", 5]
        assert generator.throw(ValueError("x")) == "caught x"
        generator.close()
        assert in_loop(use()) == ["ready", 5, "caught x"]

    if not active:
        drive()
        return
    with client.begin("u", "a"):
        drive()
    for event in sent(client, collector)["u_a_1"].events:
        assert event["toolOutput"] == {"result": ["ready", 5, "caught x"]}
        assert event["metadata"]["partial"] is True


def test_d3_a_loop_that_is_left_and_what_is_collected(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "a"):
        for n in count(10):
            if n == 1:
                break
        gc.collect()
        generator = count(10)
        next(generator)
        del generator
        gc.collect()
    events = sent(client, collector)["u_a_1"].events
    assert [event["toolOutput"]["result"] for event in events] == [[0, 1], [0]]
    assert all(event["metadata"]["partial"] for event in events)


def test_d3_an_async_loop_that_is_left(
    either: sentrial.SentrialClient, collector: Collector
) -> None:
    async def use() -> None:
        with either.begin("u", "a"):
            async for n in acount(10):
                if n == 1:
                    break
            # The loop closes what is left behind.
            await asyncio.get_running_loop().shutdown_asyncgens()

    in_loop(use())
    [event] = sent(either, collector)["u_a_1"].events
    assert event["toolOutput"]["result"] == [0, 1]
    assert event["metadata"]["partial"] is True


def test_d3_what_fails_is_recorded_once_and_raised_as_it_is(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    problem = LookupError("nothing there")

    @sentrial.tool
    def failing(word: str) -> Generator[str, None, None]:
        yield word
        raise problem

    @sentrial.tool
    async def afailing(word: str) -> AsyncGenerator[str, None]:
        yield word
        raise problem

    async def use() -> list[str]:
        return [item async for item in afailing("a")]

    with client.begin("u", "a"):
        with pytest.raises(LookupError) as caught:
            list(failing("s"))
        with pytest.raises(LookupError) as also:
            in_loop(use())
    assert caught.value is also.value is problem
    events = sent(client, collector)["u_a_1"].events
    assert [event["toolError"]["message"] for event in events] == ["nothing there"] * 2
    assert [event["toolInput"] for event in events] == [{"word": "s"}, {"word": "a"}]


def test_the_event_belongs_to_the_session_in_which_the_call_started(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    first = client.begin("u", "a")
    generator = count(2)
    next(generator)
    with client.begin("v", "b"):
        assert list(generator) == [1]
    first.finish()
    everything = sent(client, collector)
    assert everything["u_a_1"].tools == ["count"]
    assert everything["v_b_1"].tools == []


def test_what_is_remembered_of_an_endless_generator_is_bounded(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "a"):
        assert sum(1 for _ in count(5000)) == 5000
    [event] = sent(client, collector)["u_a_1"].events
    assert len(event["toolOutput"]["result"]) == 1000
    assert event["metadata"]["items"] == 5000


@sentrial.tool
def part(n: int) -> int:
    return n


@sentrial.session("stream")
def stream(user_id: str, message: str) -> Generator[str, None, None]:
    for n, word in enumerate(message.split()):
        part(n)
        yield word


@sentrial.session("astream")
async def astream(user_id: str, message: str) -> AsyncGenerator[str, None]:
    for n, word in enumerate(message.split()):
        part(n)
        await asyncio.sleep(0)
        yield word


def test_d3_a_session_lasts_as_long_as_its_generator(
    either: sentrial.SentrialClient, collector: Collector
) -> None:
    async def use() -> list[str]:
        words = []
        async for word in astream("v", "x y z"):
            assert sentrial.get_current_interaction() is None
            part(99)
            words.append(word)
        return words

    words = []
    for word in stream("u", "a b"):
        # Between its steps the consumer is outside of the session.
        assert sentrial.get_current_interaction() is None
        part(99)
        words.append(word)
    assert words == ["a", "b"]
    assert in_loop(use()) == ["x", "y", "z"]
    everything = sent(either, collector)
    for key, number, answer in (("u_stream_1", 2, "ab"), ("v_astream_1", 3, "xyz")):
        assert [event["toolInput"]["n"] for event in everything[key].events] == list(range(number))
        [done] = everything[key].completed
        assert (done["assistantOutput"], done["success"]) == (answer, True)


def test_the_answer_of_a_stream_is_what_it_sends(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    @sentrial.session("bytes")
    def encoded(user_id: str) -> Generator[object, None, None]:
        yield from (b"gr\xc3\xbc", b"n ", "and ", 7, b"\xff")

    @sentrial.session("large")
    def large(user_id: str) -> Generator[str, None, None]:
        for _ in range(300):
            yield "x" * 1000

    assert len(list(encoded("u"))) == 5
    assert sum(map(len, large("u"))) == 300_000
    everything = sent(client, collector)
    assert everything["u_bytes_1"].completed[0]["assistantOutput"] == "grün and 7�"
    assert everything["u_large_1"].completed[0]["assistantOutput"] == "x" * 100_000


def test_d3_interleaved_streams_do_not_mix(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    streams = [stream(f"u{n}", "a b c") for n in range(3)]
    for _ in range(3):
        for one in streams:
            next(one)
    for one in streams:
        assert list(one) == []
    for n in range(3):
        assert sent(client, collector)[f"u{n}_stream_1"].tools == ["part"] * 3


def test_d3_a_stream_consumed_by_another_task(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    async def use() -> None:
        one = astream("u", "a b c")
        assert await one.__anext__() == "a"
        assert await asyncio.create_task(one.__anext__()) == "b"
        assert [word async for word in one] == ["c"]

    in_loop(use())
    mine = sent(client, collector)["u_astream_1"]
    assert mine.tools == ["part"] * 3
    assert mine.completed[0]["assistantOutput"] == "abc"


def test_d3_a_failing_stream_fails_its_session(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    @sentrial.session("bad")
    def bad(user_id: str) -> Generator[int, None, None]:
        yield 1
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        list(bad("u"))
    [done] = sent(client, collector)["u_bad_1"].completed
    assert (done["success"], done["failureReason"]) == (False, "RuntimeError: broken")
