"""trio and anyio: the sync API does not block their loops."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest
from sentrial import tool

from tests.asynchronous.helpers import async_client
from tests.support.sdk import client_for

if TYPE_CHECKING:
    from tests.support.collector import Collector

trio: Any = pytest.importorskip("trio")
anyio: Any = pytest.importorskip("anyio")


@tool("inner")
async def inner(value: int) -> int:
    await trio.lowlevel.checkpoint()
    return value


def test_the_sync_api_does_not_block_a_trio_loop(collector: Collector) -> None:
    ticks: list[float] = []
    client = client_for(collector)

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await trio.sleep(0.01)

    async def work() -> None:
        for number in range(20):
            with client.begin(f"u{number}", "chat", input="question") as interaction:
                interaction.track_tool_call("t", {}, {})
                await inner(number)
                interaction.set_output("answer")
            await trio.sleep(0.005)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tick)
            await work()
            await trio.to_thread.run_sync(client.flush, 0.5)
            nursery.cancel_scope.cancel()

    collector.hold()
    trio.run(main)
    # The server has not answered once meanwhile.
    gaps = [after - before for before, after in itertools.pairwise(ticks)]
    assert len(ticks) > 20
    assert max(gaps) < 0.4
    collector.release()
    client.flush()
    assert len(collector.requests("PATCH")) == 20
    assert {event["sessionId"] for event in collector.events()} == {
        f"sess_u{number}_chat_1" for number in range(20)
    }


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_async_client_records_under_anyio(collector: Collector, backend: str) -> None:
    client = async_client(collector)

    async def work(number: int) -> None:
        async with client.begin(f"u{number}", "chat") as interaction:
            await interaction.track_tool_call("t", {}, {})

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(work, number)

    anyio.run(main, backend=backend)
    client._client.flush()
    assert len(collector.requests("PATCH")) == 10
