"""What every outage has in common: one line, nothing lost, nothing twice, one line, in order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.delivery.helpers import balanced, call, lines, settled
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    import sentrial

    from tests.support.collector import Collector

SESSIONS_BEGUN = 3
STEPS = 4
RECORDED = SESSIONS_BEGUN * (STEPS + 2)


def record(client: sentrial.SentrialClient) -> None:
    """Record some sessions, interleaved."""
    interactions = [client.begin(f"u{n}", "chat") for n in range(SESSIONS_BEGUN)]
    for step in range(STEPS):
        for interaction in interactions:
            call(interaction, f"t{step}")
    for interaction in interactions:
        interaction.finish()


def outlast(
    collector: Collector,
    caplog: pytest.LogCaptureFixture,
    end: Callable[[], Any],
    client: sentrial.SentrialClient,
    *,
    word: str = "delivery",
) -> list[str]:
    """Record during an outage that has begun, end it once it was told, and check what came of it.

    Returns the lines: two, or one if the server only asked for less.
    """
    about = client.api_url
    record(client)
    eventually(lambda: lines(caplog, about, client), 20, what="a line about the outage")
    stats = balanced(client.stats())
    assert stats["dropped"] == {}
    end()
    probe(client)
    stats = settled(client, 30)
    assert (stats["delivered"], stats["dropped"]) == (RECORDED, {})
    assert client.stats()["state"] == "up"
    check_taken_once_in_order(collector)
    said = lines(caplog, about, client)
    assert word in said[0]
    assert re.search(r"\d+ requests (wait|are kept)", said[0]), said[0]
    if "slowed down" in said[0]:
        # That this is over is said after a minute of calm.
        assert len(said) == 1, said
        return said
    assert len(said) == 2, said
    assert re.search(r"recovered after .* \d+ requests wait, 0 were dropped", said[1]), said[1]
    return said


def probe(client: sentrial.SentrialClient) -> None:
    """Have the client try again at once, as after a change of its key."""
    client.api_key = client.api_key


def check_taken_once_in_order(collector: Collector) -> None:
    """Check what a server that honours idempotency keys has stored."""
    taken = [request for request in collector.requests() if request.taken]
    assert len({request.idempotency_key for request in taken}) == len(taken) == RECORDED
    sessions: dict[str | None, list[Any]] = {}
    for request in taken:
        what = request.json.get("toolName") or request.method
        sessions.setdefault(request.session_id, []).append(what)
    expected = ["POST", *(f"t{step}" for step in range(STEPS)), "PATCH"]
    assert list(sessions.values()) == [expected] * SESSIONS_BEGUN
