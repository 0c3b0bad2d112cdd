"""Clients for tests, and what they sent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sentrial
from sentrial import SentrialClient

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    import pytest

    from tests.support.collector import Collector
    from tests.support.recorded import Request

#: A key of the documented shape, long enough to be masked rather than hidden.
KEY = "sentrial_live_0123456789abcdefghijklmnop"

SESSIONS = "/api/sdk/sessions"
EVENTS = "/api/sdk/events"


def client_for(server: Collector | str, **options: Any) -> SentrialClient:
    """Return a client of this server, silent and in the background unless told otherwise."""
    url = server if isinstance(server, str) else server.url
    return SentrialClient(**({"api_url": url, "api_key": KEY} | options))


def loud(server: Collector | str, **options: Any) -> SentrialClient:
    """Return a client that raises, and tries once."""
    return client_for(server, **({"fail_silently": False, "max_retries": 0} | options))


def sessions_sent(client: SentrialClient, collector: Collector) -> dict[str, list[Request]]:
    """Deliver everything; return the requests by session id, in order of arrival."""
    client.flush()
    return collector.by_session(accepted=False)


def bodies_sent(client: SentrialClient, collector: Collector) -> list[Any]:
    """Deliver everything; return the bodies in order of arrival."""
    client.flush()
    return collector.bodies()


def last_body(client: SentrialClient, collector: Collector) -> Any:
    """Deliver everything; return the body that arrived last."""
    return bodies_sent(client, collector)[-1]


def messages(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    """Return the lines of the package's logger from this level on."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "sentrial" and record.levelno >= level
    ]


def delivery_threads() -> int:
    """Count the native threads of the package in this process."""
    names = [_name(task) for task in Path("/proc/self/task").iterdir()]
    return sum(name.startswith("sentrial") for name in names)


def _name(task: Path) -> str:
    try:
        return (task / "comm").read_text().strip()
    except OSError:  # it has just ended
        return ""


def in_thread(work: Callable[[], Any]) -> Any:
    """Run something in a new thread and return its result."""
    results: list[Any] = []
    problems: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as problem:  # noqa: BLE001 - raised again in the caller
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "the thread did not end"
    if problems:
        raise problems[0]
    return results[0]


def in_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine with a deadline and return its result."""

    async def bounded() -> Any:
        return await asyncio.wait_for(work, 30)

    return asyncio.run(bounded())


@contextlib.contextmanager
def emptied(collector: Collector) -> Iterator[Collector]:
    """Let every client deliver what it still has before the collector goes.

    Otherwise it would go on trying for the life of the process, and one day reach the collector of
    another test, which has been given the same port.
    """
    waiting = sentrial.stats()["pending"]
    yield collector
    sentrial.clear_session_context()
    collector.clear_scripts()
    collector.accept()
    collector.release()
    collector.break_connections()
    deadline = time.monotonic() + 8
    while sentrial.stats()["pending"] > waiting and time.monotonic() < deadline:
        # Returns at once while a client takes the server for down, so that it must be repeated.
        sentrial.flush(1)
        time.sleep(0.01)
