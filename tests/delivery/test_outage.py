"""A server that cannot be reached or does not work: the queue is kept and goes out afterwards."""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from tests.delivery.helpers import (
    EVENTS,
    SESSIONS,
    balanced,
    call,
    client_of,
    in_state,
    lines,
    settled,
    tools,
)
from tests.support.answers import (
    HANG,
    RESET_BEFORE,
    RESET_MIDDLE,
    Answer,
    html,
    limited,
    redirect,
)
from tests.support.waiting import eventually

if TYPE_CHECKING:
    import sentrial

    from tests.support.answers import Answer as AnswerType
    from tests.support.collector import Collector

SESSION_COUNT = 5
STEPS = 20


def record(client: sentrial.SentrialClient) -> None:
    """Record some sessions, interleaved."""
    interactions = [client.begin(f"u{n}", "chat") for n in range(SESSION_COUNT)]
    for step in range(STEPS):
        for interaction in interactions:
            call(interaction, f"t{step}")
    for interaction in interactions:
        interaction.finish()


def check_all_delivered_once_in_order(collector: Collector) -> None:
    sessions = collector.by_session()
    assert len(sessions) == SESSION_COUNT
    for requests in sessions.values():
        kinds = [request.json.get("toolName") or request.method for request in requests]
        assert kinds == ["POST", *(f"t{step}" for step in range(STEPS)), "PATCH"]
    attempts = collector.by_idempotency_key()
    assert len(attempts) == SESSION_COUNT * (STEPS + 2)
    assert all(sum(one.accepted for one in group) == 1 for group in attempts.values())


def check_two_lines(
    caplog: pytest.LogCaptureFixture, collector: Collector, client: sentrial.SentrialClient
) -> None:
    logged = lines(caplog, collector, client)
    assert len(logged) == 2, logged
    assert "broke" in logged[0]
    assert "recovered" in logged[1]
    waiting = [int(number) for number in re.findall(r"(\d+) (?:requests|were)", logged[1])]
    assert waiting, f"no totals in {logged[1]}"


def test_a_refusing_server(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    collector.refuse()
    client = client_of(collector)
    record(client)
    in_state(client, "down")
    record_count = SESSION_COUNT * (STEPS + 2)
    stats = balanced(client.stats())
    assert (stats["pending"], stats["delivered"], stats["dropped"]) == (record_count, 0, {})
    collector.accept()
    assert settled(client, 20)["delivered"] == record_count
    assert client.stats()["state"] == "up"
    check_all_delivered_once_in_order(collector)
    check_two_lines(caplog, collector, client)


@pytest.mark.parametrize(
    "failure",
    [Answer(502), Answer(503), Answer(504), html(503), RESET_BEFORE, RESET_MIDDLE],
    ids=["502", "503", "504", "503 page", "reset", "reset in the answer"],
)
def test_a_server_that_does_not_work(
    collector: Collector, caplog: pytest.LogCaptureFixture, failure: AnswerType
) -> None:
    collector.always(".*", ".*", failure)
    client = client_of(collector)
    record(client)
    in_state(client, "down")
    assert client.stats()["dropped"] == {}
    collector.clear_scripts()
    settled(client, 20)
    check_all_delivered_once_in_order(collector)
    check_two_lines(caplog, collector, client)


def test_a_hanging_server(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    collector.always(".*", ".*", HANG)
    client = client_of(collector, timeout=0.5)
    record(client)
    in_state(client, "down")
    collector.clear_scripts()
    settled(client, 20)
    check_all_delivered_once_in_order(collector)
    check_two_lines(caplog, collector, client)


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_captive_portal_is_an_outage(
    collector: Collector, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    collector.always(".*", "/api/.*", redirect(f"{collector.url}/login", status))
    client = client_of(collector)
    record(client)
    in_state(client, "down")
    collector.clear_scripts()
    settled(client, 20)
    assert not collector.requests(path="/login")
    check_all_delivered_once_in_order(collector)
    check_two_lines(caplog, collector, client)


def test_an_outage_in_the_middle(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    client = client_of(collector)
    interaction = client.begin("u", "chat")
    for n in range(10):
        call(interaction, f"a{n}")
    settled(client)
    collector.refuse()
    for n in range(10):
        call(interaction, f"b{n}")
    in_state(client, "down")
    collector.accept()
    interaction.finish()
    settled(client, 20)
    assert tools(collector) == [*(f"a{n}" for n in range(10)), *(f"b{n}" for n in range(10))]
    check_two_lines(caplog, collector, client)


def test_while_down_there_is_one_probe_for_all_sessions(collector: Collector) -> None:
    collector.always(".*", ".*", 503)
    client = client_of(collector)
    for n in range(200):
        call(client, "t", f"s{n}")
    in_state(client, "down")
    collector.wait_until_quiet(0.1)
    collector.forget()
    probes = collector.wait_for(2, timeout=10)
    assert probes[1].arrived - probes[0].arrived > 0.7
    collector.clear_scripts()
    assert settled(client, 20)["delivered"] == 200


def test_a_single_failure_is_not_worth_a_line(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.script("POST", EVENTS, RESET_BEFORE)
    client = client_of(collector)
    call(client, "t", "s")
    settled(client)
    assert tools(collector) == ["t"]
    assert lines(caplog, collector, client) == []
    assert client.stats()["retries"] == 1


@pytest.mark.parametrize("reset", [RESET_BEFORE, RESET_MIDDLE], ids=["before", "middle"])
def test_a_broken_connection_is_tried_again_with_the_same_key(
    collector: Collector, reset: AnswerType
) -> None:
    """C10: a connection reset does not lose the event."""
    collector.script("POST", EVENTS, reset)
    client = client_of(collector)
    for n in range(3):
        call(client, f"t{n}", "s")
    settled(client)
    first, second, *_ = collector.requests("POST", EVENTS)
    assert first.idempotency_key == second.idempotency_key
    assert first.body == second.body
    assert len(collector.by_idempotency_key()) == 3


def test_an_idle_connection_that_was_closed_does_no_harm(collector: Collector) -> None:
    client = client_of(collector)
    for n in range(5):
        call(client, f"t{n}", "s")
        settled(client)
        collector.break_connections()
    assert tools(collector) == [f"t{n}" for n in range(5)]


def pause_asked_for(collector: Collector, after: AnswerType) -> float:
    """Return how long the client left the server alone."""
    collector.script("POST", EVENTS, after)
    client = client_of(collector)
    call(client, "t", "s")
    in_state(client, "limited")
    for n in range(5):
        call(client, "t", f"s{n}")
    settled(client)
    requests = collector.requests("POST", EVENTS)
    assert len(requests) == 7
    return requests[1].arrived - requests[0].arrived


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds(collector: Collector, status: int) -> None:
    """D10: Retry-After is honoured."""
    collector.script("POST", EVENTS, limited(2, status))
    client = client_of(collector)
    for n in range(3):
        call(client, f"t{n}", f"s{n}")
        collector.wait_for(1)
    settled(client)
    first, *others = collector.requests("POST", EVENTS)
    assert min(other.arrived for other in others) - first.arrived >= 2
    assert sorted(tools(collector)) == ["t0", "t1", "t2"]


def test_retry_after_as_a_date(collector: Collector) -> None:
    at = time.time() + 3
    assert 1.5 <= pause_asked_for(collector, limited(formatdate(at, usegmt=True))) < 8


def test_429_pauses_the_client_with_one_line_and_no_other_client(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.script("POST", EVENTS, limited(2))
    client = client_of(collector)
    call(client, "slow", "slow")
    in_state(client, "limited")
    other = client_of(collector)
    call(other, "fast", "fast")
    settled(other, 1.5)
    assert tools(collector) == ["fast"]
    assert client.stats()["pending"] == 1
    settled(client)
    assert tools(collector) == ["fast", "slow"]
    logged = lines(caplog, collector, client)
    assert len(logged) == 1, "that it is over is said after a minute of calm"
    assert "429" in logged[0]


def test_408_425_and_500_are_tried_again_for_that_session_only(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    for status in (408, 425, 500, 599):
        collector.forget()
        collector.script("POST", EVENTS, status)
        client = client_of(collector)
        call(client, "t", "failing")
        collector.wait_for(1)
        call(client, "u", "other")
        eventually(lambda: tools(collector) == ["u"], 0.35, 0.002)
        settled(client)
        assert tools(collector) == ["u", "t"]
        assert lines(caplog, collector, client) == []


@pytest.mark.parametrize("status", [501, 505])
def test_what_a_server_will_never_do_is_dropped(collector: Collector, status: int) -> None:
    collector.script("POST", EVENTS, status)
    client = client_of(collector)
    call(client, "t", "s")
    assert settled(client)["dropped"] == {"rejected_5xx": 1}
    assert len(collector.requests()) == 1


def test_a_create_that_times_out_is_repeated_with_the_same_key(collector: Collector) -> None:
    collector.script("POST", SESSIONS, HANG)
    client = client_of(collector, timeout=0.3)
    interaction = client.begin("u", "chat")
    call(interaction, "t")
    settled(client)
    keys = {request.idempotency_key for request in collector.requests("POST", SESSIONS)}
    assert len(keys) == 1
    assert tools(collector) == ["t"]
