"""Sessions that the server does not create: their requests are dropped, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sentrial

from tests.delivery.helpers import (
    EVENTS,
    KEY,
    SESSIONS,
    call,
    client_of,
    in_state,
    lines,
    settled,
    tools,
)
from tests.support.answers import Answer

if TYPE_CHECKING:
    from tests.support.collector import Collector


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422])
def test_a_refused_session_takes_its_requests_with_it(
    collector: Collector, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    client = client_of(collector)
    collector.always(
        "POST", SESSIONS, Answer(status, json={"error": "E", "message": "not this one"})
    )
    interaction = client.begin("u", "chat")
    receipts = [call(interaction, f"t{n}") for n in range(3)]
    receipts.append(interaction.finish())
    stats = settled(client)

    assert stats["dropped"] == {"session_rejected": 5}
    assert stats["delivered"] == 0
    assert stats["state"] == "up"
    assert interaction.session_id is None
    assert [dict(receipt) for receipt in receipts] == [{}] * 4
    assert [request.path for request in collector.requests()] == [SESSIONS]
    logged = lines(caplog, collector, client)
    assert len(logged) == 1
    assert "not this one" in logged[0]
    assert str(status) in logged[0]
    assert KEY not in logged[0]


def test_calls_after_the_refusal_are_dropped_as_well(collector: Collector) -> None:
    collector.script("POST", SESSIONS, 400)
    client = client_of(collector)
    interaction = client.begin("u", "chat")
    settled(client)
    assert call(interaction, "late") == {}
    assert interaction.finish() == {}
    assert settled(client)["dropped"] == {"session_rejected": 3}
    assert len(collector.requests()) == 1


def test_a_refused_session_leaves_the_context(collector: Collector) -> None:
    @sentrial.tool("search")
    def search() -> str:
        return "found"

    client = client_of(collector)
    with client.begin("u", "outer") as outer:
        settled(client)
        collector.script("POST", SESSIONS, 403)
        inner = client.begin("u", "inner")
        settled(client)
        assert sentrial.get_session_context() == outer.session_id
        search()
        assert inner.session_id is None
        inner.finish()
        search()
    settled(client)
    assert sentrial.get_session_context() is None
    assert [event["sessionId"] for event in collector.events()] == [outer.session_id] * 2


def test_several_refused_sessions_are_one_line(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.always("POST", SESSIONS, 400)
    client = client_of(collector)
    for n in range(20):
        client.begin(f"u{n}", "chat").finish()
    assert settled(client)["dropped"] == {"session_rejected": 40}
    assert len(lines(caplog, collector, client)) == 1


def test_other_sessions_go_on(collector: Collector) -> None:
    collector.script("POST", SESSIONS, 422)
    client = client_of(collector)
    refused = client.begin("u", "refused")
    call(refused, "lost")
    settled(client)
    accepted = client.begin("u", "accepted")
    call(accepted, "kept")
    accepted.finish()
    settled(client)
    assert tools(collector) == ["kept"]
    assert (refused.session_id, accepted.session_id) == (None, "sess_u_accepted_1")


def test_the_child_of_a_refused_session_is_created_without_a_parent(collector: Collector) -> None:
    collector.script("POST", SESSIONS, 400)
    client = client_of(collector)
    with collector.gate():
        parent = client.begin("u", "parent")
        child = client.begin("u", "child", parent_session_id=parent)
    settled(client)
    assert child.session_id == "sess_u_child_1"
    assert "parentSessionId" not in collector.bodies("POST", SESSIONS)[1]


@pytest.mark.parametrize(
    "unusable",
    [Answer(json={}), Answer(json={"id": None}), Answer(json={"id": ""}), Answer(body="")],
    ids=["no id", "null id", "empty id", "empty body"],
)
def test_an_answer_without_an_id_is_asked_for_again_then_given_up(
    collector: Collector, caplog: pytest.LogCaptureFixture, unusable: Answer
) -> None:
    collector.always("POST", SESSIONS, unusable)
    client = client_of(collector, max_retries=1)
    interaction = client.begin("u", "chat")
    receipt = call(interaction, "t")
    stats = settled(client)
    assert stats["dropped"] == {"bad_answer": 2}
    attempts = collector.requests("POST", SESSIONS)
    assert len(attempts) == 2
    assert len({attempt.idempotency_key for attempt in attempts}) == 1
    assert interaction.session_id is None
    assert receipt == {}
    assert not collector.requests("POST", EVENTS)
    assert len(lines(caplog, collector, client)) == 1


def test_an_id_that_comes_with_the_second_answer_is_used(collector: Collector) -> None:
    collector.script("POST", SESSIONS, Answer(json={"status": "active"}), Answer(json={"id": 77}))
    client = client_of(collector)
    interaction = client.begin("u", "chat")
    call(interaction, "t")
    assert interaction.session_id == "77"
    settled(client)
    assert [event["sessionId"] for event in collector.events()] == ["77"]
    assert len({r.idempotency_key for r in collector.requests("POST", SESSIONS)}) == 1


def test_a_refused_key_makes_the_session_wait(collector: Collector) -> None:
    collector.script("POST", SESSIONS, 401)
    client = client_of(collector)
    interaction = client.begin("u", "chat")
    call(interaction, "t")
    in_state(client, "paused")
    assert client.stats()["pending"] == 2
    assert client.stats()["dropped"] == {}
    client.api_key = "sentrial_live_delivery1"
    settled(client)
    assert interaction.session_id == "sess_u_chat_1"
    assert tools(collector) == ["t"]
