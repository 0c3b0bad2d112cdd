"""`set_session_context` and its companions, and sessions of several clients in one context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sentrial
from sentrial.decorators import get_current_client

from tests.support.sdk import client_for, in_thread

if TYPE_CHECKING:
    from tests.support.collector import Collector

current = sentrial.get_session_context


@sentrial.tool
def lookup(word: str) -> str:
    return word.upper()


def test_a_session_is_set_and_cleared() -> None:
    assert current() is None
    sentrial.set_session_context("sess_1")
    assert current() == "sess_1"
    assert sentrial.get_current_session_id() == "sess_1"
    sentrial.clear_session_context()
    assert current() is None


@pytest.mark.parametrize("nothing", [None, ""])
def test_none_leaves_the_session(nothing: str | None) -> None:
    sentrial.set_session_context("sess_1")
    sentrial.set_session_context(nothing)
    assert current() is None


def test_a_session_set_by_hand_takes_the_tools(collector: Collector) -> None:
    client = client_for(collector)
    sentrial.set_session_context("sess_1", client)
    assert get_current_client() is client
    lookup("word")
    client.flush()
    (event,) = collector.bodies()
    assert (event["sessionId"], event["toolName"]) == ("sess_1", "lookup")


def test_a_session_set_without_a_client_uses_the_default_one(collector: Collector) -> None:
    sentrial.set_session_context("sess_1")
    sentrial.configure(api_key="sentrial_live_x", api_url=collector.url)
    lookup("word")
    sentrial.flush()
    (event,) = collector.bodies()
    assert event["sessionId"] == "sess_1"


def test_a_session_set_without_a_client_keeps_the_client_of_the_context(
    collector: Collector,
) -> None:
    client = client_for(collector)
    sentrial.set_session_context("sess_1", client)
    sentrial.set_session_context("sess_2")
    lookup("word")
    client.flush()
    assert [body["sessionId"] for body in collector.bodies()] == ["sess_2"]


def test_only_the_context_keeps_a_client_set_by_hand(collector: Collector) -> None:
    sentrial.set_session_context("sess_1", client_for(collector))
    lookup("word")
    sentrial.flush()
    assert len(collector.bodies()) == 1


def test_a_new_thread_does_not_see_it() -> None:
    sentrial.set_session_context("sess_1")
    assert in_thread(current) is None
    assert current() == "sess_1"


def test_a_session_set_by_hand_ends_when_it_is_completed(collector: Collector) -> None:
    client = client_for(collector)
    sentrial.set_session_context("sess_1", client)
    client.complete_session("sess_1")
    assert current() is None
    lookup("word")
    client.flush()
    assert [request.method for request in collector.requests()] == ["PATCH"]


def test_an_interaction_inside_a_session_set_by_hand_gives_it_back(collector: Collector) -> None:
    client = client_for(collector)
    sentrial.set_session_context("sess_1", client)
    with client.begin("u", "agent") as interaction:
        assert current() == interaction.session_id
    assert current() == "sess_1"


def test_an_interaction_inside_a_session_set_without_a_client_gives_it_back(
    collector: Collector,
) -> None:
    client = client_for(collector)
    sentrial.set_session_context("sess_1")
    with client.begin("u", "agent"):
        pass
    assert current() == "sess_1"


def test_sessions_of_two_clients_in_one_context_do_not_mix(collector: Collector) -> None:
    one = client_for(collector, api_key="sentrial_live_client_one")
    two = client_for(collector, api_key="sentrial_live_client_two")
    with one.begin("u1", "agent", input="first") as outer:
        one.update_state("mine", 1)
        with two.begin("u2", "agent", input="second") as inner:
            lookup("inner")
            assert get_current_client() is two
            assert two.current_state == {"input": "second", "lookup_result": {"result": "INNER"}}
            assert one.current_state == {"input": "first", "mine": 1}
            outer.track_decision("through the outer one")
            inner.track_decision("through the inner one")
        lookup("outer")
        assert get_current_client() is one
    one.flush()
    two.flush()
    keys = {
        session: {request.token for request in requests}
        for session, requests in collector.by_session(accepted=False).items()
    }
    assert keys == {
        "sess_u1_agent_1": {"sentrial_live_client_one"},
        "sess_u2_agent_1": {"sentrial_live_client_two"},
    }
    first = [r.json for r in collector.by_session(accepted=False)["sess_u1_agent_1"]]
    assert [body.get("toolName") for body in first[1:3]] == [None, "lookup"]
    assert first[1]["stateBefore"] == {"input": "first", "mine": 1}
    assert first[3]["userInput"] == "first"


def test_the_same_id_on_two_clients_is_two_sessions(collector: Collector) -> None:
    one = client_for(collector, api_key="sentrial_live_client_one")
    two = client_for(collector, api_key="sentrial_live_client_two")
    sentrial.set_session_context("sess_1", one)
    one.update_state("k", "one")
    sentrial.set_session_context("sess_1", two)
    two.update_state("k", "two")
    one.track_decision("sess_1", "r")
    two.track_decision("sess_1", "r")
    one.flush()
    two.flush()
    states = {request.token: request.json["stateBefore"] for request in collector.requests()}
    assert states == {
        "sentrial_live_client_one": {"k": "one"},
        "sentrial_live_client_two": {"k": "two"},
    }


def test_completing_a_session_of_one_client_leaves_that_of_the_other(collector: Collector) -> None:
    one, two = client_for(collector), client_for(collector)
    with one.begin("u1", "agent") as outer:
        two.complete_session(outer.session_id)
        assert current() == outer.session_id
