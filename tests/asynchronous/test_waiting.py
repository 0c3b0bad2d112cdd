"""Waiting in a loop: no thread per waiter, bounded, and nothing left after a cancellation."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import _loop, _turns

from tests.asynchronous.helpers import IMMEDIATE, async_client, ticking, until
from tests.support.answers import HANG, Answer
from tests.support.sdk import SESSIONS, in_loop, sessions_sent

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.support.collector import Collector


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def open_waits() -> int:
    watcher = _loop._watchers.get(asyncio.get_running_loop())
    return 0 if watcher is None else len(watcher._waiters)


@pytest.mark.parametrize("options", [{}, IMMEDIATE], ids=str)
def test_two_hundred_waiters_need_no_thread(collector: Collector, options: dict[str, Any]) -> None:
    async def run() -> None:
        client = async_client(collector, wait_timeout=30, **options)
        await client.create_session("first")
        before = threads()
        collector.hold()
        tasks = [asyncio.ensure_future(client.create_session(f"n{n}")) for n in range(200)]
        await until(lambda: open_waits() == 200)
        assert threads() <= before
        collector.release()
        assert len(set(await asyncio.gather(*tasks))) == 200
        assert open_waits() == 0

    in_loop(run())


@pytest.mark.parametrize("options", [{}, IMMEDIATE], ids=str)
def test_the_loop_goes_on_while_calls_wait(collector: Collector, options: dict[str, Any]) -> None:
    async def run() -> None:
        client = async_client(collector, **options)
        interaction = await client.begin("u", "chat")
        collector.hold()
        async with ticking() as ticks:
            calls: list[Coroutine[Any, Any, Any]] = [
                interaction.track_tool_call("t", {}, {}),
                client.create_session("n"),
                client.flush(),
                client.get_session("s"),
            ]
            waiting = asyncio.gather(*calls)
            await asyncio.sleep(0.3)
            collector.release()
            await waiting
        assert len(ticks) > 20

    in_loop(run())


def test_waits_end_at_their_time(collector: Collector) -> None:
    async def run() -> None:
        client = async_client(collector, wait_timeout=0.2, shutdown_timeout=0.2)
        receipt: Any = await client.track_decision("s", "r")
        for wait in (client.create_session("n"), client.flush(0.2), client.shutdown(), receipt):
            started = time.monotonic()
            await wait
            assert 0.15 < time.monotonic() - started < 2
        assert dict(receipt) == {}

    collector.hold()
    in_loop(run())
    collector.release()


def test_an_answer_that_comes_late_is_in_the_receipt(collector: Collector) -> None:
    async def run() -> None:
        client = async_client(collector, wait_timeout=0.1)
        receipt: Any = await client.track_decision("s", "r")
        assert await receipt is receipt
        assert receipt == {}
        collector.release()
        await client.flush()
        assert (await receipt)["id"] == "evt_s_1"

    collector.hold()
    in_loop(run())


def test_nothing_waits_while_the_server_is_down(refusing: str) -> None:
    async def run() -> None:
        client = async_client(refusing, shutdown_timeout=0.1)
        await client.track_decision("s", "r")
        await until(lambda: client.stats()["state"] == "down")
        started = time.monotonic()
        await client.flush()
        assert await client.create_session("n") is None
        assert await (await client.track_decision("s", "r")) == {}  # type: ignore[misc]
        await client.close()
        assert time.monotonic() - started < 1

    in_loop(run())


def test_close_waits_as_long_as_answers_come(collector: Collector) -> None:
    async def run() -> None:
        client = async_client(collector, shutdown_timeout=0.5)
        collector.always("POST", "/api/sdk/events", Answer(delay=0.1))
        for number in range(10):
            await client.track_decision("s", str(number))
        started = time.monotonic()
        await client.close()
        assert time.monotonic() - started > 0.9
        assert client.stats()["pending"] == 0

    in_loop(run())


@pytest.mark.parametrize("options", [{}, IMMEDIATE], ids=str)
def test_a_cancelled_create_session_is_withdrawn(
    collector: Collector, options: dict[str, Any]
) -> None:
    async def run() -> None:
        client = async_client(collector, **options)
        collector.script("POST", SESSIONS, HANG)
        task = asyncio.ensure_future(client.create_session("n"))
        await until(lambda: len(collector.requests()) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert open_waits() == 0
        collector.break_connections()
        await until(lambda: client.stats()["dropped"] == {"create_abandoned": 1})
        assert len(collector.requests()) == 1

    in_loop(run())


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.flush(),
        lambda client: client.close(),
        lambda client: client.get_session("s"),
        lambda client: client.track_decision("s", "r"),
        lambda client: client.begin("u", "chat"),
    ],
    ids=["flush", "close", "get_session", "track", "begin"],
)
def test_cancellation_leaves_nothing_hanging(collector: Collector, call: Any) -> None:
    async def run() -> None:
        client = async_client(collector, **IMMEDIATE)
        first = asyncio.ensure_future(client.track_decision("s", "first"))
        await until(lambda: len(collector.requests()) == 1)
        task = asyncio.ensure_future(call(client))
        await asyncio.sleep(0.05)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert open_waits() == 1
        collector.release()
        await first
        await client.flush()
        assert open_waits() == 0
        assert client.stats()["pending"] == 0

    collector.hold()
    in_loop(run())


def test_a_timeout_around_a_call_works(collector: Collector) -> None:
    async def run() -> None:
        client = async_client(collector)
        await client.track_decision("s", "r")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.flush(), 0.1)
        assert open_waits() == 0

    collector.hold()
    in_loop(run())
    collector.release()


def test_one_task_that_records_all_the_time_lets_others_run(collector: Collector) -> None:
    async def run() -> None:
        client = async_client(collector)
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.ensure_future(other())
        await asyncio.sleep(0)
        for number in range(2000):
            await client.track_decision("s", str(number))
        task.cancel()
        assert turns > 3
        await client.flush()

    in_loop(run())
    assert [event["reasoning"] for event in collector.events()] == [str(n) for n in range(2000)]


def test_many_tasks_that_record_at_once_are_spread_over_turns(collector: Collector) -> None:
    async def run() -> None:
        client = async_client(collector)
        turn, seen = 0, []

        async def count() -> None:
            nonlocal turn
            while True:
                turn += 1
                await asyncio.sleep(0)

        async def one(number: int) -> None:
            async with client.begin(f"u{number}", "chat"):
                seen.append(turn)

        task = asyncio.ensure_future(count())
        await asyncio.gather(*(one(number) for number in range(200)))
        task.cancel()
        assert max(seen.count(each) for each in set(seen)) < 150
        await client.flush()

    in_loop(run())
    assert len(collector.requests("PATCH")) == 200


def test_what_tasks_do_beside_recording_counts_for_their_turn() -> None:
    turns: list[int] = []
    turn = 0

    async def count() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async def one() -> None:
        until = time.perf_counter() + 0.0001
        while time.perf_counter() < until:
            pass
        await _turns.record(lambda: turns.append(turn))

    async def run() -> None:
        task = asyncio.ensure_future(count())
        await asyncio.gather(*(one() for _ in range(100)))
        task.cancel()

    in_loop(run())
    assert len(turns) == 100
    # A few fill their turn, those that waited go on in the next ones.
    assert max(turns.count(each) for each in set(turns)) <= 2 * _turns._MOST


def test_a_receipt_can_be_awaited_again_and_read(collector: Collector) -> None:
    async def run() -> sentrial.AsyncSentrialClient:
        client = async_client(collector)
        receipt: Any = await client.track_decision("s", "r")
        both = await asyncio.gather(_awaited(receipt), _awaited(receipt))
        assert both[0] is both[1] is receipt
        assert (await receipt)["id"] == receipt["id"] == "evt_s_1"
        return client

    client = in_loop(run())
    assert set(sessions_sent(client._client, collector)) == {"s"}


async def _awaited(receipt: Any) -> Any:
    return await receipt
