"""Connections that are refused, hang, trickle or break at any moment."""

from __future__ import annotations

import contextlib
import socket

import pytest

from tests.delivery.helpers import call, client_of, lines, settled, tools
from tests.delivery.outages import check_taken_once_in_order, outlast, record
from tests.support.answers import (
    HANG,
    LOST_ANSWER,
    RESET_BEFORE,
    RESET_MIDDLE,
    Answer,
)
from tests.support.collector import Collector
from tests.support.sdk import emptied


def test_refused(server: Collector, caplog: pytest.LogCaptureFixture) -> None:
    server.refuse()
    broke, _ = outlast(server, caplog, server.accept, client_of(server))
    assert "refused" in broke


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (HANG, "no answer within 0.4 s"),
        (Answer(trickle=1.0), "no answer within 0.4 s"),
        (RESET_BEFORE, ""),
        (RESET_MIDDLE, ""),
        (LOST_ANSWER, ""),
    ],
    ids=["hang", "one byte a second", "reset", "reset in the answer", "answer lost"],
)
def test_no_whole_answer(
    server: Collector, caplog: pytest.LogCaptureFixture, failure: Answer, told: str
) -> None:
    server.always(".*", ".*", failure)
    broke, _ = outlast(server, caplog, server.clear_scripts, client_of(server, timeout=0.4))
    assert told in broke


def test_accepted_by_the_system_but_by_no_program(caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.ExitStack() as later, Collector(honours_keys=True) as server, emptied(server):
        server.refuse()
        silent = later.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind(("127.0.0.1", server.port))
        silent.listen()

        def begin_to_serve() -> None:
            silent.close()
            server.accept()

        client = client_of(server, timeout=0.3)
        broke, _ = outlast(server, caplog, begin_to_serve, client)
        assert "no answer within 0.3 s" in broke


def test_broken_in_the_middle_of_requests(
    server: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """A body that has not arrived whole is sent again, whole."""
    client = client_of(server)
    call(client, "first", "s")
    settled(client)
    server.cut_requests(3)
    for number in range(3):
        client.track_tool_call("s", f"t{number}", {"large": "x" * 700_000}, {})
    stats = settled(client, 30)
    assert stats["delivered"] == 4
    assert tools(server) == ["first", "t0", "t1", "t2"]
    assert all(len(event["toolInput"]) == 1 for event in server.events())
    said = lines(caplog, server, client)
    assert [("broke" in line, "recovered" in line) for line in said] in (
        [(True, False), (False, True)],
        [],
    )


def test_idle_connections_that_are_dropped_between_requests(
    server: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(server)
    for number in range(12):
        call(client, f"t{number}", "s")
        settled(client)
        server.break_connections()
    assert tools(server) == [f"t{number}" for number in range(12)]
    assert client.stats()["retries"] <= 12
    assert lines(caplog, server, client) == []


def test_a_server_that_closes_after_every_answer(
    server: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    server.always(".*", ".*", Answer(close=True))
    client = client_of(server)
    record(client)
    settled(client)
    check_taken_once_in_order(server)
    assert lines(caplog, server, client) == []
