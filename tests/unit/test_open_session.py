"""Sessions that integrations open: not waited for, not current, taken by the calls themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sentrial
from sentrial import ConfigurationError, _core

from tests.support.sdk import SESSIONS, client_for, loud

if TYPE_CHECKING:
    from tests.support.collector import Collector


def test_it_does_not_wait_and_is_not_current(collector: Collector) -> None:
    client = client_for(collector)
    with collector.gate():
        opened = _core.open_session(
            client, "Trace 1", agent_name="agent", user_id="u", metadata={"k": 1}, convo_id="c"
        )
        client.track_tool_call(opened, "t", {}, {})
        assert sentrial.get_session_context() is None
        client.complete_session(opened)
    client.flush()
    (requests,) = collector.by_session().values()
    created, event, completed = (request.json for request in requests)
    assert created == {
        "name": "Trace 1",
        "agentName": "agent",
        "userId": "u",
        "metadata": {"k": 1},
        "convoId": "c",
    }
    assert event["toolName"] == "t"
    assert event["sessionId"] == opened.session_id
    assert completed["status"] == "completed"


def test_completed_by_the_client_it_does_not_count_as_abandoned(collector: Collector) -> None:
    client = client_for(collector)
    opened = _core.open_session(client, "s")
    client.complete_session(opened)
    del opened
    assert client.stats()["abandoned"] == 0
    opened = _core.open_session(client, "s")
    del opened
    assert client.stats()["abandoned"] == 1
    client.flush()


def test_its_parent_may_be_an_interaction_without_an_id(collector: Collector) -> None:
    client = client_for(collector)
    with collector.gate():
        parent = client.begin("u", "chat")
        opened = _core.open_session(client, "child", parent_session_id=parent)
        client.complete_session(opened)
    parent.finish()
    client.flush()
    bodies = collector.bodies("POST", SESSIONS)
    assert bodies[1]["parentSessionId"] == parent.session_id


def test_an_interaction_is_taken_as_a_session_id(collector: Collector) -> None:
    client = client_for(collector)
    with client.begin("u", "chat") as work:
        client.track_decision(work, "because")
        client.track_error(work, "boom")
        client.track_llm_call(work, "gpt-4o")
        client.update_session(work, agent_version="1")
    client.flush()
    (requests,) = collector.by_session().values()
    assert len(requests) == 6


def test_an_interaction_of_another_client_is_refused(collector: Collector) -> None:
    one, other = loud(collector), loud(collector)
    with one.begin("u", "chat") as work, pytest.raises(ConfigurationError, match="another client"):
        other.track_decision(work, "because")
    silent = client_for(collector)
    silent.track_decision(work, "because")
    assert silent.stats()["dropped"]["invalid"] == 1
