"""A server that stops answering without breaking a connection: noticed, and survived."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

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
from tests.support.answers import HANG, Answer
from tests.support.collector import Collector
from tests.support.waiting import eventually

if TYPE_CHECKING:
    import sentrial

#: Seconds after which delivery goes on once the server works again.
SOON = 3.0
STEPS = 6


def record(client: sentrial.SentrialClient, sessions: int) -> int:
    for step in range(STEPS):
        for session in range(sessions):
            call(client, f"t{step}", f"s{session}")
    return sessions * STEPS


def check_taken_once_in_order(server: Collector, sessions: int) -> None:
    for session in range(sessions):
        taken = [
            request.json["toolName"]
            for request in server.requests("POST", EVENTS)
            if request.taken and request.json["sessionId"] == f"s{session}"
        ]
        assert taken == [f"t{step}" for step in range(STEPS)]


@pytest.mark.parametrize("sessions", [1, 5, 100])
@pytest.mark.parametrize("hang", [HANG, Answer(trickle=600)], ids=["nothing", "half an answer"])
def test_a_hang_of_two_seconds(
    server: Collector, caplog: pytest.LogCaptureFixture, sessions: int, hang: Answer
) -> None:
    client = client_of(server)
    call(client, "first", "first")
    settled(client)
    server.always(".*", ".*", hang)
    count = record(client, sessions)
    time.sleep(2)
    server.clear_scripts()
    stats = settled(client, SOON)
    assert (stats["delivered"], stats["dropped"]) == (count + 1, {})
    check_taken_once_in_order(server, sessions)
    assert lines(caplog, server, client) == [], "too short for a line"


@pytest.mark.parametrize("sessions", [1, 100])
def test_a_long_hang_is_an_outage_said_once(
    server: Collector, caplog: pytest.LogCaptureFixture, sessions: int
) -> None:
    client = client_of(server)
    call(client, "first", "first")
    settled(client)
    server.always(".*", ".*", HANG)
    began = time.monotonic()
    count = record(client, sessions)
    in_state(client, "down", 8)
    assert 4.5 <= time.monotonic() - began < 7.5
    opened = server.connections
    time.sleep(3)
    assert server.connections - opened <= 5, "one request asks, not all of them"
    server.clear_scripts()
    stats = settled(client, SOON)
    assert (stats["delivered"], stats["dropped"]) == (count + 1, {})
    check_taken_once_in_order(server, sessions)
    broke, recovered = lines(caplog, server, client)
    assert "no answer for" in broke
    assert "recovered" in recovered


def test_while_nothing_is_answered_no_call_waits_long(server: Collector) -> None:
    server.always(".*", ".*", HANG)
    client = client_of(server)
    call(client, "t", "s")
    in_state(client, "down", 8)
    started = time.monotonic()
    client.flush()
    assert client.create_session(name="n", agent_name="a", user_id="u") is None
    assert time.monotonic() - started < 0.5
    server.clear_scripts()
    settled(client, SOON)


def test_some_connections_hang_and_the_others_go_on(
    server: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(server)
    for session in range(20):
        call(client, "first", f"warm{session}")
    settled(client)
    server.script("POST", EVENTS, HANG, HANG, HANG)
    for session in range(3):
        call(client, "hung", f"hung{session}")
    eventually(lambda: len(server.requests()) == 23)
    until = time.monotonic() + 8
    number = 0
    while time.monotonic() < until and client.stats()["pending"]:
        number += 1
        call(client, "t", f"other{number}")
        eventually(lambda: client.stats()["pending"] <= 3, 1)
        time.sleep(0.02)
    settled(client, 0.5)
    assert tools(server).count("hung") == 3
    assert lines(caplog, server, client) == []


def test_a_server_that_accepts_and_never_reads(caplog: pytest.LogCaptureFixture) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    client = client_of(f"http://127.0.0.1:{port}")
    count = record(client, 5)
    in_state(client, "down", 8)
    silent.close()
    with Collector(port=port, honours_keys=True) as server:
        assert settled(client, 10)["delivered"] == count
        check_taken_once_in_order(server, 5)
        assert len(lines(caplog, server, client)) == 2


def test_a_slow_server_is_not_taken_for_a_dead_one(
    server: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(server)
    server.always("POST", EVENTS, Answer(delay=3))
    record(client, 1)
    assert settled(client, 40)["delivered"] == STEPS
    check_taken_once_in_order(server, 1)
    assert lines(caplog, server, client) == []
    assert len(server.requests()) <= STEPS + 3, "learnt from the first answers"


def test_an_immediate_call_is_answered_over_a_fresh_connection(server: Collector) -> None:
    client = client_of(server, batching=False)
    call(client, "first", "s")
    server.script("POST", EVENTS, HANG)
    started = time.monotonic()
    assert call(client, "second", "s")["id"]
    assert time.monotonic() - started < 5
    assert tools(server) == ["first", "second"]
    balanced(client.stats())


def test_the_first_attempt_after_a_time_out_uses_a_fresh_connection(server: Collector) -> None:
    client = client_of(server, timeout=1)
    call(client, "first", "s")
    settled(client)
    server.script("POST", EVENTS, HANG)
    opened = server.connections
    call(client, "second", "s")
    settled(client, 5)
    assert server.connections == opened + 1
