"""The arguments with which sessions are created, changed and completed."""

from __future__ import annotations

import enum
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.answers import Answer
from tests.support.sdk import EVENTS, SESSIONS, bodies_sent, client_for, last_body

if TYPE_CHECKING:
    from tests.support.collector import Collector


class Plan(enum.Enum):
    """A value of the program's own."""

    FREE = "free"


@pytest.fixture
def client(collector: Collector) -> sentrial.SentrialClient:
    return client_for(collector)


def test_only_the_name_is_required(client: sentrial.SentrialClient, collector: Collector) -> None:
    assert client.create_session("Report") == "sess_anonymous_report_1"
    assert last_body(client, collector) == {
        "name": "Report",
        "agentName": "Report",
        "userId": "anonymous",
        "metadata": None,
    }


def test_names_of_other_types_become_text(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    user = uuid.UUID(int=7)
    client.create_session(name=17, agent_name=2.5, user_id=user)
    body = last_body(client, collector)
    assert (body["name"], body["agentName"], body["userId"]) == ("17", "2.5", str(user))


@pytest.mark.parametrize(
    ("answered", "expected"),
    [({"id": 17}, "17"), ({"id": "s"}, "s"), ({"id": "é/ü"}, "é/ü")],
)
def test_the_id_is_text(
    client: sentrial.SentrialClient, collector: Collector, answered: Any, expected: str
) -> None:
    collector.script("POST", SESSIONS, Answer(json=answered))
    assert client.create_session("n") == expected


def test_a_numeric_id_names_the_same_session_as_its_text(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.track_decision(17, "r", estimated_cost=1.0)
    client.complete_session("17")
    event, done = bodies_sent(client, collector)
    assert event["sessionId"] == "17"
    assert done["estimatedCost"] == 1.0


def test_ids_are_percent_encoded_in_the_path(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    for session in ("a/b", "../x", "a?b#c", "50%", "ä ö", "a%2Fb"):
        client.complete_session(session)
    client.flush()
    targets = {request.target.removeprefix(f"{SESSIONS}/") for request in collector.requests()}
    assert targets == {
        "a%2Fb",
        "..%2Fx",
        "a%3Fb%23c",
        "50%25",
        "%C3%A4%20%C3%B6",
        "a%252Fb",
    }


@pytest.mark.parametrize("session", [".", ".."])
def test_an_id_of_dots_never_names_another_resource(
    client: sentrial.SentrialClient, collector: Collector, session: str
) -> None:
    """URLs cannot hold such a segment, encoded or not: the request is sent whole or not at all."""
    client.complete_session(session)
    client.flush()
    assert collector.requests() == []
    assert client.stats()["dropped"] == {"invalid": 1}


@pytest.mark.parametrize("wanted", ["proj_1", 17])
def test_a_project_is_sent_only_if_given(collector: Collector, wanted: Any) -> None:
    client = client_for(collector)
    client.create_session("n", project_id=wanted)
    assert last_body(client, collector)["projectId"] == wanted


def test_the_project_of_the_client_goes_with_every_session(collector: Collector) -> None:
    client = client_for(collector, project_id="proj_1")
    client.create_session("n")
    client.create_session("n", project_id="proj_2")
    client.begin("u", "agent").finish()
    created = [body for body in bodies_sent(client, collector) if "name" in body]
    assert [body["projectId"] for body in created] == ["proj_1", "proj_2", "proj_1"]


def test_a_parent_is_an_id_or_an_interaction_whose_id_is_not_known_yet(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with collector.gate():
        parent = client.begin("u", "parent")
        children = [
            client.begin("u", "child", parent_session_id=parent),
            client.begin("u", "adopted", parent_session_id="sess_elsewhere"),
        ]
    for interaction in (*children, parent):
        interaction.finish()
    created = [body for body in bodies_sent(client, collector) if "name" in body]
    parents = {body["agentName"]: body.get("parentSessionId") for body in created}
    assert parents == {
        "parent": None,
        "child": "sess_u_parent_1",
        "adopted": "sess_elsewhere",
    }


def test_create_session_takes_an_interaction_as_parent(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "parent") as parent:
        client.create_session("child", parent_session_id=parent)
    created = {body["agentName"]: body for body in bodies_sent(client, collector) if "name" in body}
    assert created["child"]["parentSessionId"] == "sess_u_parent_1"


def test_a_child_of_a_rejected_parent_is_not_an_orphan_that_waits_for_ever(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    collector.script("POST", SESSIONS, 400)
    with (
        client.begin("u", "parent") as parent,
        client.begin("u", "child", parent_session_id=parent) as child,
    ):
        child.track_decision("r")
    client.flush()
    stats = client.stats()
    assert stats["pending"] == 0
    assert stats["accepted"] == stats["delivered"] + sum(stats["dropped"].values())


def test_complete_session_takes_every_documented_field(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.complete_session(
        "s", False, "why", 0.5, {"m": 1}, 20, 1, 2, 3, "in", "out", status="cancelled"
    )
    assert last_body(client, collector) == {
        "status": "cancelled",
        "success": False,
        "failureReason": "why",
        "estimatedCost": 0.5,
        "customMetrics": {"m": 1},
        "durationMs": 20,
        "promptTokens": 1,
        "completionTokens": 2,
        "totalTokens": 3,
        "userInput": "in",
        "assistantOutput": "out",
    }


def test_input_and_output_are_other_names(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.complete_session("s", input="in", output="out")
    body = last_body(client, collector)
    assert (body["userInput"], body["assistantOutput"]) == ("in", "out")


@pytest.mark.parametrize(
    ("success", "status"),
    [(True, "completed"), (False, "failed"), (None, "failed"), (1, "completed"), (0, "failed")],
)
def test_success_is_sent_as_given(
    client: sentrial.SentrialClient, collector: Collector, success: Any, status: str
) -> None:
    client.complete_session("s", success)
    assert last_body(client, collector) == {"status": status, "success": success}


def test_close_session_in_the_new_style(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.close_session("a")
    client.close_session("b", 1200, False, "why")
    client.close_session("c", duration_ms=3)
    client.flush()
    bodies = {request.path[-1]: request.json for request in collector.requests()}
    assert bodies == {
        "a": {"status": "completed", "success": True},
        "b": {"status": "failed", "success": False, "failureReason": "why", "durationMs": 1200},
        "c": {"status": "completed", "success": True, "durationMs": 3},
    }


def test_close_session_in_the_old_style(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.close_session("a", status="success", summary="all good")
    client.close_session("b", status="error", summary="no network")
    client.close_session("c", status="cancelled")
    client.flush()
    bodies = {request.path[-1]: request.json for request in collector.requests()}
    assert bodies["a"] == {"status": "completed", "success": True, "assistantOutput": "all good"}
    assert bodies["b"] == {"status": "failed", "success": False, "failureReason": "no network"}
    assert bodies["c"] == {"status": "failed", "success": False, "failureReason": "cancelled"}


def test_update_session_sends_what_it_is_given(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.update_session("s", user_input="in", customMetrics={"a_b": 1}, duration_ms=5)
    request = (client.flush(), collector.requests())[1][0]
    assert (request.method, request.path) == ("PATCH", f"{SESSIONS}/s")
    assert request.json == {"userInput": "in", "customMetrics": {"a_b": 1}, "durationMs": 5}


def test_update_session_does_not_end_it(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "agent") as interaction:
        interaction.track_decision("r", estimated_cost=0.5)
        client.update_session(interaction.session_id, user_input="corrected")
        assert sentrial.get_session_context() == interaction.session_id
    assert last_body(client, collector)["estimatedCost"] == 0.5


def test_begin_does_not_change_the_users_metadata(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    mine = {"plan": Plan.FREE, "nested": {"a": 1}}
    client.begin("u", "agent", "q", "e1", None, mine).finish()
    assert mine == {"plan": Plan.FREE, "nested": {"a": 1}}
    created = bodies_sent(client, collector)[0]
    assert created["metadata"] == {
        "plan": "free",
        "nested": {"a": 1},
        "input": "q",
        "event_id": "e1",
    }
    assert "convoId" not in created


def test_the_name_of_an_interaction_has_eight_characters_of_its_event_id(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.begin("u", "agent", event_id="äöü45678910").finish()
    client.begin("u", "agent", event_id="short").finish()
    names = [body["name"] for body in bodies_sent(client, collector) if "name" in body]
    assert sorted(names) == ["agent:short", "agent:äöü45678"]


def test_set_output_and_an_explicit_output(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    first, second = client.begin("u", "a"), client.begin("u", "b")
    for interaction in (first, second):
        interaction.set_output("kept")
    first.finish()
    second.finish("explicit")
    done = [body["assistantOutput"] for body in bodies_sent(client, collector) if "status" in body]
    assert sorted(done) == ["explicit", "kept"]


def test_empty_metrics_are_not_sent(client: sentrial.SentrialClient, collector: Collector) -> None:
    client.begin("u", "agent").finish(custom_metrics={})
    assert "customMetrics" not in last_body(client, collector)


def test_an_interaction_can_be_made_by_hand(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    interaction = sentrial.Interaction(client, "sess_1", "evt", "u", "agent")
    interaction.track_decision("r")
    interaction.finish("out")
    client.flush()
    assert [request.path for request in collector.requests()] == [EVENTS, f"{SESSIONS}/sess_1"]
