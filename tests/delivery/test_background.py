"""Background delivery: calls return at once, and what they record arrives later, in order."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.delivery.helpers import (
    EVENTS,
    ONE_SESSION,
    SESSIONS,
    at_once,
    call,
    client_of,
    settled,
    tools,
)
from tests.support.answers import HANG, RESET_BEFORE, Answer
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.collector import Collector


def test_no_call_waits_for_a_hanging_server(collector: Collector) -> None:
    client = client_of(collector)
    with collector.gate():
        with at_once():
            interactions = [client.begin(f"u{n}", "chat", input="i") for n in range(20)]
            for interaction in interactions:
                for _ in range(10):
                    call(interaction, "t")
                interaction.track_decision("because")
                interaction.track_error("oops")
                interaction.set_output("o")
                interaction.finish()
            for n in range(100):
                call(client, "t", f"known{n}")
                client.complete_session(f"known{n}")
        assert client.stats()["delivered"] == 0
    stats = settled(client)
    assert stats["delivered"] == stats["accepted"] == 20 * 14 + 200


@pytest.mark.parametrize("delays", [(), (0.02, 0, 0.01, 0)], ids=["even", "uneven"])
def test_one_session_is_sent_in_call_order(collector: Collector, delays: tuple[float, ...]) -> None:
    answers = [Answer(delay=delay) for delay in delays] * 10
    collector.script("POST", EVENTS, *answers)
    client = client_of(collector)
    interactions = [client.begin(f"u{n}", "chat") for n in range(4)]
    for step in range(25):
        for interaction in interactions:
            call(interaction, f"t{step}")
    for interaction in interactions:
        interaction.finish()
    settled(client)
    sessions = collector.by_session()
    assert len(sessions) == 4
    for requests in sessions.values():
        kinds = [request.json.get("toolName") or request.method for request in requests]
        assert kinds == ["POST", *(f"t{step}" for step in range(25)), "PATCH"]
        for earlier, later in pairwise(requests):
            assert earlier.answered is not None
            assert earlier.answered <= later.arrived, "one request at a time"


def test_calls_after_the_completion_are_sent_in_call_order(collector: Collector) -> None:
    client = client_of(collector)
    client.complete_session("s")
    call(client, "late", "s")
    client.update_session("s", status="failed")
    settled(client)
    assert [request.method for request in collector.requests()] == ["PATCH", "POST", "PATCH"]


def test_sessions_are_sent_in_parallel_up_to_64(collector: Collector) -> None:
    client = client_of(collector)
    with collector.gate():
        for n in range(80):
            call(client, f"t{n}", f"s{n}")
        eventually(lambda: collector.in_flight == 64)
        assert client.stats()["in_flight"] == 64
        assert client.stats()["pending"] == 80
    settled(client)
    assert collector.peak_in_flight == 64
    assert sorted(tools(collector)) == sorted(f"t{n}" for n in range(80))


def test_one_session_has_one_request_in_flight(collector: Collector) -> None:
    client = client_of(collector)
    with collector.gate():
        for n in range(20):
            call(client, f"t{n}", "s")
        collector.wait_for(1)
        assert client.stats()["in_flight"] == 1
    settled(client)
    assert collector.peak_in_flight == 1


def test_session_concurrency_lets_events_overlap_but_no_completion(collector: Collector) -> None:
    collector.always("POST", EVENTS, Answer(delay=0.05))
    client = client_of(collector, session_concurrency=5)
    with collector.gate():
        interaction = client.begin("u", "chat")
        for n in range(20):
            call(interaction, f"t{n}")
        interaction.finish()
        collector.wait_for(1)
        assert [request.path for request in collector.requests()] == [SESSIONS]
    settled(client)
    assert collector.peak_in_flight == 5
    requests = collector.requests()
    assert (requests[0].path, requests[-1].method) == (SESSIONS, "PATCH")
    assert all(other.answered <= requests[-1].arrived for other in requests[:-1] if other.answered)


def test_events_made_before_the_id_is_known_carry_it(collector: Collector) -> None:
    client = client_of(collector)
    with collector.gate():
        first, second = client.begin("u1", "chat"), client.begin("u2", "chat")
        for interaction in (first, second):
            call(interaction, "t")
            interaction.finish()
        created = collector.wait_for(2)
        assert {request.path for request in created} == {SESSIONS}
        assert client.stats()["pending"] == 6
    settled(client)
    assert first.session_id == "sess_u1_chat_1"
    assert second.session_id == "sess_u2_chat_1"
    assert {event["sessionId"] for event in collector.events()} == {
        first.session_id,
        second.session_id,
    }
    for requests in collector.by_session().values():
        assert [request.method for request in requests] == ["POST", "POST", "PATCH"]
    patched = {request.path.rpartition("/")[2] for request in collector.requests("PATCH")}
    assert patched == {first.session_id, second.session_id}


def test_a_child_waits_for_the_id_of_its_parent(collector: Collector) -> None:
    client = client_of(collector)
    with collector.gate():
        parent = client.begin("u", "parent")
        child = client.begin("u", "child", parent_session_id=parent)
        assert [request.json["agentName"] for request in collector.wait_for(1)] == ["parent"]
    settled(client)
    assert collector.bodies("POST", SESSIONS)[1]["parentSessionId"] == parent.session_id
    assert child.session_id == "sess_u_child_1"


def test_a_lazy_session_is_current_before_its_id_is_known(collector: Collector) -> None:
    @sentrial.tool("search")
    def search(q: str) -> dict[str, str]:
        return {"found": q}

    client = client_of(collector)
    with collector.gate(), client.begin("u", "chat") as interaction:
        search("cats")
        collector.wait_for(1)
    settled(client)
    assert [event["sessionId"] for event in collector.events()] == [interaction.session_id]
    assert tools(collector) == ["search"]


def test_input_is_a_snapshot(collector: Collector) -> None:
    """B8: what happens to an argument after the call does not show in the request."""
    client = client_of(collector)
    with collector.gate():
        given: dict[str, Any] = {"list": [1], "inner": {"a": 1}}
        metadata: dict[str, Any] = {"m": [1]}
        interaction = client.begin("u", "chat", metadata=metadata)
        interaction.track_tool_call("t", given, {"out": given["list"]}, metadata=metadata)
        given["list"].append(2)
        given["inner"].clear()
        given["new"] = True
        metadata["m"].append(2)
        metadata["new"] = True
        interaction.finish(custom_metrics=(metrics := {"score": 1}))
        metrics["score"] = 2
    settled(client)
    assert collector.bodies("POST", SESSIONS)[0]["metadata"]["m"] == [1]
    event = collector.events()[0]
    assert event["toolInput"] == {"list": [1], "inner": {"a": 1}}
    assert event["toolOutput"] == {"out": [1]}
    assert event["stateAfter"]["t_result"] == {"out": [1]}
    assert event["metadata"] == {"m": [1]}
    assert collector.bodies("PATCH")[0]["customMetrics"] == {"score": 1}
    assert given == {"list": [1, 2], "inner": {}, "new": True}, "and the caller's object is his"


def test_the_time_of_the_call_is_sent_however_late_it_is_delivered(collector: Collector) -> None:
    client = client_of(collector)
    collector.script("POST", SESSIONS, Answer(delay=0.8))
    interaction = client.begin("u", "chat")
    before = time.time()
    call(interaction, "t")
    after = time.time()
    settled(client)
    request = collector.requests("POST", EVENTS)[0]
    text = request.headers["x-sentrial-timestamp"]
    made = datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert made.utcoffset() == timezone.utc.utcoffset(None)
    assert before - 0.01 <= made.timestamp() <= after + 0.01
    created = collector.requests("POST", SESSIONS)[0]
    assert request.arrived - created.arrived > 0.7


def test_retries_repeat_the_time_the_key_and_the_body(collector: Collector) -> None:
    collector.script("POST", EVENTS, 503, RESET_BEFORE)
    client = client_of(collector)
    call(client, "t", "s")
    settled(client)
    attempts = collector.requests("POST", EVENTS)
    assert len(attempts) == 3
    assert len({attempt.idempotency_key for attempt in attempts}) == 1
    assert len({attempt.headers["x-sentrial-timestamp"] for attempt in attempts}) == 1
    assert len({attempt.body for attempt in attempts}) == 1


def test_every_logical_request_has_an_idempotency_key_of_its_own(collector: Collector) -> None:
    collector.script("POST", EVENTS, 500, 503, RESET_BEFORE)
    clients = [client_of(collector) for _ in range(3)]
    for client in clients:
        interaction = client.begin("u", "chat")
        for _ in range(10):
            call(interaction, "same")
        interaction.finish()
    for client in clients:
        settled(client)
    attempts = collector.by_idempotency_key()
    assert None not in attempts
    assert len(attempts) == 3 * 12
    assert all(sum(one.accepted for one in group) == 1 for group in attempts.values())
    assert all(len({one.body for one in group}) == 1 for group in attempts.values())


def test_requests_introduce_themselves(collector: Collector) -> None:
    client = client_of(collector)
    client.begin("u", "chat").finish()
    settled(client)
    agents = {request.headers["user-agent"] for request in collector.requests()}
    assert len(agents) == 1
    assert agents.pop().startswith(f"sentrial-python/{sentrial.__version__}")
    assert all("python-requests" not in request.headers for request in collector.requests())


def test_an_event_whose_session_is_unknown_is_dropped_alone(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.script("POST", EVENTS, 200, 404, 404)
    client = client_of(collector)
    interaction = client.begin("u", "chat")
    for n in range(5):
        call(interaction, f"t{n}")
    interaction.finish()
    stats = settled(client)
    assert stats["dropped"] == {"rejected_404": 2}
    assert tools(collector) == ["t0", "t3", "t4"]
    assert collector.requests("PATCH", ONE_SESSION)[0].accepted
    client.flush()
    refused = [r.getMessage() for r in caplog.records if "Session not found" in r.getMessage()]
    assert len(refused) == 1, caplog.text


@pytest.mark.parametrize("status", [400, 403, 413, 422, 409])
def test_other_refusals_drop_that_request_and_name_it_once(
    collector: Collector, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    collector.always("POST", EVENTS, Answer(status, json={"error": "E", "message": "why not"}))
    client = client_of(collector)
    for n in range(5):
        call(client, f"t{n}", "s")
    client.complete_session("s")
    stats = settled(client)
    reason = "rejected_4xx" if status == 409 else f"rejected_{status}"
    assert stats["dropped"] == {reason: 5}
    assert stats["delivered"] == 1
    client.flush()
    assert sum("why not" in record.getMessage() for record in caplog.records) == 1


def test_an_event_is_on_its_way_soon_after_the_call(collector: Collector) -> None:
    client = client_of(collector)
    call(client, "first", "s")
    collector.wait_for(1)
    for n in range(20):
        made = time.monotonic()
        call(client, f"t{n}", f"s{n}")
        arrived = collector.wait_for(n + 2)[-1].arrived
        assert arrived - made < 0.25
    settled(client)


def test_one_hanging_session_does_not_hold_up_the_others(collector: Collector) -> None:
    collector.script("POST", EVENTS, HANG)
    client = client_of(collector, timeout=2)
    call(client, "stuck", "stuck")
    collector.wait_for(1)
    for n in range(30):
        call(client, f"t{n}", f"s{n}")
    with at_once(1.5):
        collector.wait_for(31)
        eventually(lambda: len(tools(collector)) == 30)
    settled(client)
