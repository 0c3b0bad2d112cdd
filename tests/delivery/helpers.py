"""What the tests of delivery share: a client, its ledger, its log lines."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sentrial

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.support.collector import Collector

KEY = "sentrial_live_delivery0"

EVENTS = "/api/sdk/events"
SESSIONS = "/api/sdk/sessions"
ONE_SESSION = "/api/sdk/sessions/.+"

#: What a call that does not wait may take on a busy machine; a waiting one takes seconds.
AT_ONCE = 0.5


def client_of(where: Collector | str, **options: Any) -> sentrial.SentrialClient:
    """Return a client of a collector, or of an address."""
    url = where if isinstance(where, str) else where.url
    options.setdefault("api_key", KEY)
    return sentrial.SentrialClient(api_url=url, **options)


def balanced(stats: dict[str, Any]) -> dict[str, Any]:
    """Return the counters after checking that every request is in exactly one place."""
    places = stats["delivered"] + stats["pending"] + stats["spooled"]
    places += sum(stats["dropped"].values())
    assert stats["accepted"] == places, stats
    return stats


def settled(client: sentrial.SentrialClient, timeout: float = 10.0) -> dict[str, Any]:
    """Wait until nothing is pending, and return the counters."""
    eventually(lambda: client.stats()["pending"] == 0, timeout, what="nothing pending")
    return balanced(client.stats())


def in_state(client: sentrial.SentrialClient, state: str, timeout: float = 10.0) -> None:
    """Wait until the client is up, down, limited or paused."""
    eventually(lambda: client.stats()["state"] == state, timeout, what=f"state {state}")


def lines(
    caplog: pytest.LogCaptureFixture, about: Collector | str, client: sentrial.SentrialClient
) -> list[str]:
    """Return the lines logged about one address, after asking for those still parked."""
    client.flush(0)
    url = about if isinstance(about, str) else about.url
    logged = [record for record in caplog.records if record.name == "sentrial"]
    return [record.getMessage() for record in logged if url in record.getMessage()]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return every line of the SDK."""
    return [record.getMessage() for record in caplog.records if record.name == "sentrial"]


def tools(collector: Collector) -> list[str]:
    """Return the tool names of the accepted events, in order of arrival."""
    return [event["toolName"] for event in collector.events("tool_call")]


def call(target: Any, name: str, *session: str | None) -> Any:
    """Record one tool call."""
    return target.track_tool_call(*session, name, {"n": name}, {"ok": True})


@contextmanager
def at_once(limit: float = AT_ONCE) -> Iterator[None]:
    """Check that the block does not wait."""
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert took < limit, f"took {took:.2f} s"


@contextmanager
def takes(least: float, most: float) -> Iterator[None]:
    """Check how long the block waits."""
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert least <= took < most, f"took {took:.2f} s, not {least} to {most} s"
