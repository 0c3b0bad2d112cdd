"""Calls that may wait for the network, made from coroutines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sentrial import _core

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentrial._core import SentrialClient

R = TypeVar("R")


async def off_the_loop(
    client: SentrialClient, call: Callable[..., R], *args: Any, **kwargs: Any
) -> R:
    """Call at once in background delivery, which never waits; else in a worker thread.

    It is carried out also when the task is cancelled meanwhile: what happened is recorded.
    """
    if not _core.is_immediate(client):
        return call(*args, **kwargs)
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        # Another event loop, whose threads are not known here: it waits.
        return call(*args, **kwargs)
    running = asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        # Bounded, as every waiting call is; what comes next would overtake it otherwise.
        await asyncio.wait([running])
        raise
