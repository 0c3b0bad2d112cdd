"""Async clients for tests."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from sentrial import AsyncSentrialClient

from tests.support.sdk import KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.collector import Collector

#: What makes the calls of a client wait for their answers.
IMMEDIATE: dict[str, Any] = {"batching": False}


def async_client(server: Collector | str, **options: Any) -> AsyncSentrialClient:
    """Return an async client of this server."""
    url = server if isinstance(server, str) else server.url
    return AsyncSentrialClient(**({"api_url": url, "api_key": KEY} | options))


async def until(question: Callable[[], Any], timeout: float = 10.0) -> None:
    """Wait in the loop until the answer is true."""
    deadline = time.monotonic() + timeout
    while not question():
        assert time.monotonic() < deadline, f"not within {timeout} s: {question}"
        await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def ticking(interval: float = 0.005) -> AsyncIterator[list[float]]:
    """Note the times at which the loop comes round, while the block runs."""
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(interval)

    task = asyncio.ensure_future(tick())
    try:
        yield ticks
    finally:
        task.cancel()
