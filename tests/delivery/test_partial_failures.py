"""Some requests fail while others succeed: delivery slows down at most, and goes on."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.delivery.helpers import (
    EVENTS,
    balanced,
    call,
    client_of,
    in_state,
    lines,
    settled,
    tools,
)
from tests.support.answers import RESET_BEFORE, RESET_MIDDLE, Answer, limited
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sentrial

    from tests.support.collector import Collector

WIDTH = 50
STEPS = 40


def deliver(client: sentrial.SentrialClient, name: str = "t") -> float:
    """Record many sessions and wait until all is delivered; the seconds."""
    started = time.monotonic()
    for step in range(STEPS):
        for session in range(WIDTH):
            call(client, f"{name}{step}", f"{name}{session}")
    settled(client, 60)
    return time.monotonic() - started


def check_each_taken_once_in_order(server: Collector) -> None:
    taken = [request for request in server.requests("POST", EVENTS) if request.taken]
    assert max(Counter(request.idempotency_key for request in taken).values()) == 1
    order: dict[Any, list[str]] = {}
    for request in taken:
        order.setdefault(request.json["sessionId"], []).append(request.json["toolName"])
    assert len(order) in {WIDTH, 2 * WIDTH}
    for session, steps in order.items():
        assert steps == [f"{session[0]}{step}" for step in range(STEPS)]


@pytest.mark.parametrize(
    ("share", "faults", "said"),
    [
        (0.01, [limited(0)], 1),
        (0.05, [429], 1),
        (0.3, [502], 0),
        (0.1, [limited(0.05, 503)], 0),
        (0.05, [RESET_BEFORE, RESET_MIDDLE], 0),
        (0.1, [408, 425], 0),
        (0.15, [502, 503, 504, 408, limited(0), RESET_BEFORE], 1),
    ],
    ids=["429 at once", "429", "502", "503 with Retry-After", "resets", "408 and 425", "mixture"],
)
def test_a_share_that_fails_stops_nothing(
    server: Collector,
    caplog: pytest.LogCaptureFixture,
    share: float,
    faults: Sequence[Answer | int],
    said: int,
) -> None:
    client = client_of(server)
    undisturbed = deliver(client, "a")
    server.disturb(share, faults, seed=7)
    disturbed = deliver(client, "b")
    assert client.stats()["state"] == "up"
    stats = balanced(client.stats())
    assert (stats["delivered"], stats["dropped"]) == (2 * WIDTH * STEPS, {})
    assert stats["retries"] > 0
    check_each_taken_once_in_order(server)
    assert len(lines(caplog, server, client)) <= said
    # Far from what a pause of the client, or one of half a second per failure, would cost.
    assert disturbed < 4 * undisturbed + 1


def test_only_the_refused_request_waits_for_its_retry_after(server: Collector) -> None:
    client = client_of(server)
    call(client, "before", "s")
    settled(client)
    server.script("POST", EVENTS, limited(2))
    call(client, "refused", "refused")
    eventually(lambda: len(server.requests("POST", EVENTS)) == 2)
    for n in range(20):
        call(client, f"t{n}", f"s{n}")
    eventually(lambda: len(tools(server)) == 21, 1.5)
    assert client.stats()["state"] == "up"
    settled(client)
    first, second = (r for r in server.requests() if r.json["toolName"] == "refused")
    assert second.arrived - first.arrived >= 1.95


def test_refusals_without_end_are_a_pause_and_one_line(
    server: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    server.always("POST", EVENTS, limited(0.2))
    client = client_of(server)
    for n in range(300):
        call(client, "t", f"s{n}")
    in_state(client, "limited")
    server.wait_until_quiet(0.1)
    server.forget()
    time.sleep(2)
    assert len(server.requests()) < 10, "one at a time"
    server.clear_scripts()
    assert settled(client, 30)["delivered"] == 300
    assert len(lines(caplog, server, client)) == 1


def test_concurrency_grows_while_a_backlog_waits(server: Collector) -> None:
    server.always("POST", EVENTS, Answer(delay=0.1))
    client = client_of(server)
    for step in range(4):
        for session in range(400):
            call(client, f"t{step}", f"s{session}")
    settled(client, 30)
    assert 64 < server.peak_in_flight <= 256


def test_a_create_session_works_while_a_third_fails(server: Collector) -> None:
    server.disturb(0.3, [502], seed=11)
    client = client_of(server)
    for _ in range(20):
        assert client.create_session(name="n", agent_name="a", user_id="u") is not None
    settled(client)


def test_an_immediate_call_works_while_a_third_fails(server: Collector) -> None:
    server.disturb(0.3, [502, RESET_BEFORE], seed=5)
    client = client_of(server, batching=False, max_retries=8)
    for n in range(5):
        assert call(client, f"t{n}", "s")["id"]
    assert tools(server) == [f"t{n}" for n in range(5)]
