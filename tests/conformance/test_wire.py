"""The project's own scenarios: what a call of the documented API sends, written out.

Each runs in background and in immediate delivery, and must send the same.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.collector import Collector

KEY = "sentrial_live_conformance"


@pytest.fixture(params=["background", "immediate"])
def client(
    request: pytest.FixtureRequest, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> Iterator[sentrial.SentrialClient]:
    monkeypatch.setenv("SENTRIAL_DELIVERY", request.param)
    made = sentrial.SentrialClient(api_url=collector.url, api_key=KEY)
    yield made
    sentrial.clear_session_context()
    made.close()


def sent(collector: Collector, client: sentrial.SentrialClient) -> list[tuple[str, str, Any]]:
    """Return method, path below /api/sdk, and body of everything that was sent."""
    client.flush()
    sentrial.flush()
    return [
        (request.method, request.path.removeprefix("/api/sdk"), request.json)
        for request in collector.requests()
    ]


def test_a_session_by_hand(client: sentrial.SentrialClient, collector: Collector) -> None:
    session = client.create_session(name="Support #1", agent_name="support", user_id="u1")
    assert session == "sess_u1_support_1"
    client.track_tool_call(session, "search", {"q": "reset"}, {"hits": ["KB-1"]})
    client.track_decision(session, "because")
    client.track_error(session, "boom")
    client.complete_session(session)

    state = {"search_result": {"hits": ["KB-1"]}}
    assert sent(collector, client) == [
        (
            "POST",
            "/sessions",
            {"name": "Support #1", "agentName": "support", "userId": "u1", "metadata": None},
        ),
        (
            "POST",
            "/events",
            {
                "sessionId": session,
                "eventType": "tool_call",
                "toolName": "search",
                "toolInput": {"q": "reset"},
                "toolOutput": {"hits": ["KB-1"]},
                "reasoning": None,
                "stateBefore": {},
                "stateAfter": state,
                "estimatedCost": 0.0,
            },
        ),
        (
            "POST",
            "/events",
            {
                "sessionId": session,
                "eventType": "llm_decision",
                "reasoning": "because",
                "alternativesConsidered": None,
                "confidence": None,
                "stateBefore": state,
                "stateAfter": state,
                "estimatedCost": 0.0,
            },
        ),
        (
            "POST",
            "/events",
            {
                "sessionId": session,
                "eventType": "error",
                "toolError": {"message": "boom"},
                "stateBefore": state,
                "stateAfter": state,
            },
        ),
        ("PATCH", f"/sessions/{session}", {"status": "completed", "success": True}),
    ]


def test_headers_of_every_request(client: sentrial.SentrialClient, collector: Collector) -> None:
    session = client.create_session("n", "a", "u")
    client.track_decision(session, "r")
    client.complete_session(session)
    client.flush()
    requests = collector.requests()
    for request in requests:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["content-type"].startswith("application/json")
        assert request.headers["user-agent"].startswith("sentrial")
        assert re.match(r"\d{4}-\d\d-\d\dT", request.headers["x-sentrial-timestamp"])
    assert len({request.idempotency_key for request in requests} - {None}) == len(requests) == 3


def test_optional_arguments_of_a_session_are_sent_only_when_given(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.create_session("n", "a", "u", parent_session_id="sess_p", convo_id="c", metadata={})
    assert sent(collector, client) == [
        (
            "POST",
            "/sessions",
            {
                "name": "n",
                "agentName": "a",
                "userId": "u",
                "metadata": {},
                "parentSessionId": "sess_p",
                "convoId": "c",
            },
        )
    ]


def test_optional_arguments_of_events_are_sent_when_they_are_not_none(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.track_tool_call(
        "s", "t", {}, {}, "why", 0.2, {"message": "m"}, 0, trace_id="t1", span_id="", metadata={}
    )
    client.track_decision("s", "r", ["x", "y"], 0.9, 0.01, 5, metadata={"d": 1})
    client.track_error("s", "bad", "TypeError", "t", "Traceback: bad", metadata={"e": 1})
    tool, decision, error = (body for _, _, body in sent(collector, client))
    given = {"reasoning": "why", "estimatedCost": 0.2, "toolError": {"message": "m"}}
    given |= {"tokenCount": 0, "traceId": "t1", "spanId": "", "metadata": {}}
    assert {name: tool.get(name) for name in given} == given
    given = {"alternativesConsidered": ["x", "y"], "confidence": 0.9, "estimatedCost": 0.01}
    given |= {"tokenCount": 5, "metadata": {"d": 1}}
    assert {name: decision.get(name) for name in given} == given
    assert error["toolError"] == {
        "message": "bad",
        "type": "TypeError",
        "stack_trace": "Traceback: bad",
    }
    assert (error["toolName"], error["metadata"]) == ("t", {"e": 1})
    assert "estimatedCost" not in error


def test_begin_and_finish(client: sentrial.SentrialClient, collector: Collector) -> None:
    metadata = {"k": 1}
    interaction = client.begin("u1", "chat", "hello", "evt-custom-123456", "convo-9", metadata)
    assert metadata == {"k": 1}
    assert (interaction.event_id, interaction.user_id) == ("evt-custom-123456", "u1")
    interaction.set_output("bye")
    interaction.finish()
    assert interaction.finish(output="late") == {}
    (_, _, created), (method, path, done) = sent(collector, client)
    assert created == {
        "name": "chat:evt-cust",
        "agentName": "chat",
        "userId": "u1",
        "convoId": "convo-9",
        "metadata": {
            "k": 1,
            "input": "hello",
            "convo_id": "convo-9",
            "event_id": "evt-custom-123456",
        },
    }
    assert isinstance(done.pop("durationMs"), int)
    assert (method, path) == ("PATCH", "/sessions/sess_u1_chat_1")
    assert done == {
        "status": "completed",
        "success": True,
        "userInput": "hello",
        "assistantOutput": "bye",
    }


def test_an_event_id_is_made(client: sentrial.SentrialClient, collector: Collector) -> None:
    interaction = client.begin(user_id="u", event="chat")
    assert str(uuid.UUID(interaction.event_id)) == interaction.event_id
    interaction.finish()
    created = sent(collector, client)[0][2]
    assert created["name"] == f"chat:{interaction.event_id[:8]}"
    assert created["metadata"] == {"event_id": interaction.event_id}


def test_explicit_arguments_of_finish_win(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    interaction = client.begin("u", "chat", input="q")
    interaction.track_decision("r", estimated_cost=3.0, token_count=9)
    interaction.finish("out", False, "reason", 0.5, {"m": 1.5}, 1234, 1, 2, 3)
    assert sent(collector, client)[-1][2] == {
        "status": "failed",
        "success": False,
        "failureReason": "reason",
        "estimatedCost": 0.5,
        "customMetrics": {"m": 1.5},
        "durationMs": 1234,
        "promptTokens": 1,
        "completionTokens": 2,
        "totalTokens": 3,
        "userInput": "q",
        "assistantOutput": "out",
    }


def test_costs_and_tokens_of_the_events_add_up(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "chat") as interaction:
        interaction.track_tool_call(
            "t", {}, {"tokens": {"prompt": 3, "completion": 4}}, estimated_cost=0.2, token_count=7
        )
        interaction.track_decision("r", estimated_cost=0.01, token_count=5)
    done = sent(collector, client)[-1][2]
    assert done["estimatedCost"] == pytest.approx(0.21)
    tokens = (done["promptTokens"], done["completionTokens"], done["totalTokens"])
    assert tokens == (3, 4, 12)


def test_an_exception_in_the_block_fails_the_session_and_goes_on(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with (  # noqa: PT012 - the block is what is tested
        pytest.raises(ValueError, match=r"^broken$"),
        client.begin("u", "chat", input="q") as interaction,
    ):
        interaction.set_output("half")
        raise ValueError("broken")
    done = sent(collector, client)[-1][2]
    assert (done["status"], done["success"]) == ("failed", False)
    assert done["failureReason"] == "ValueError: broken"
    assert done["assistantOutput"] == "half"


def test_an_error_that_was_tracked_fails_the_session(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "chat") as interaction:
        interaction.track_error("no carrier")
    done = sent(collector, client)[-1][2]
    assert (done["status"], done["failureReason"]) == ("failed", "no carrier")


def test_nested_interactions_keep_their_own_state(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "outer", input="outer question") as outer:
        with client.begin("u", "inner", input="inner question") as inner:
            inner.track_tool_call("t", {}, {"in": 1})
        outer.track_decision("r")
    client.flush()
    sessions = collector.by_session()
    outer_decision = sessions["sess_u_outer_1"][1].json
    assert outer_decision["stateBefore"] == {"input": "outer question"}
    inputs = {name: requests[-1].json["userInput"] for name, requests in sessions.items()}
    assert inputs == {"sess_u_outer_1": "outer question", "sess_u_inner_1": "inner question"}


def test_batching_holds_events_back_until_they_are_flushed(collector: Collector) -> None:
    client = sentrial.SentrialClient(
        api_url=collector.url,
        api_key=KEY,
        batching=sentrial.BatcherConfig(flush_interval=60, flush_threshold=100),
    )
    session = client.create_session("n", "a", "u")
    assert client.track_decision(session, "first") == {}
    assert client.track_decision(session, "second") == {}
    assert len(collector.requests()) == 1
    client.flush()
    assert [body["reasoning"] for body in collector.events()] == ["first", "second"]
    client.track_decision(session, "third")
    client.complete_session(session)
    client.flush()
    assert [request.method for request in collector.requests()][-2:] == ["POST", "PATCH"]
    client.close()


def test_the_documented_answers_come_back(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    tool = client.track_tool_call("s", "t", {}, {})
    done = client.complete_session("s", True, estimated_cost=0.5, duration_ms=20)
    assert isinstance(tool, dict)
    assert {name: tool[name] for name in ("id", "sessionId", "eventType", "toolName")} == {
        "id": "evt_s_1",
        "sessionId": "s",
        "eventType": "tool_call",
        "toolName": "t",
    }
    answer = {"id": "s", "status": "completed", "success": True, "estimatedCost": 0.5}
    assert {name: done[name] for name in answer} == answer


def test_a_decorated_tool(client: sentrial.SentrialClient, collector: Collector) -> None:
    @sentrial.tool("lookup")
    def find(word: str, limit: int = 2) -> list[str]:
        return [word] * limit

    with client.begin("u", "chat", input="q", event_id="e"):
        find("x")
    body = sent(collector, client)[1][2]
    assert isinstance(body["metadata"].pop("duration_ms"), int)
    assert body == {
        "sessionId": "sess_u_chat_1",
        "eventType": "tool_call",
        "toolName": "lookup",
        "toolInput": {"word": "x", "limit": 2},
        "toolOutput": {"result": ["x", "x"]},
        "reasoning": None,
        "stateBefore": {"input": "q"},
        "stateAfter": {"input": "q", "lookup_result": {"result": ["x", "x"]}},
        "estimatedCost": 0.0,
        "metadata": {},
    }


def test_values_follow_the_json_module(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    value = {1: "a", None: (1, 2), False: "b", "é": "😀", "big": 2**70, "f": 0.1, "e": 1e300}
    client.track_tool_call("s", "t", value, {"v": value})
    body = sent(collector, client)[0][2]
    expected = {"1": "a", "null": [1, 2], "false": "b", "é": "😀", "big": 2**70, "f": 0.1}
    expected["e"] = 1e300
    assert body["toolInput"] == expected
    assert body["stateAfter"] == {"t_result": {"v": expected}}


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_without_a_session_nothing_of_the_interaction_is_sent(
    client: sentrial.SentrialClient, collector: Collector, status: int
) -> None:
    collector.always("POST", "/api/sdk/sessions", status)
    with client.begin("u", "chat", input="q") as interaction:
        assert interaction.session_id is None
        assert interaction.track_decision("r") == {}
    assert interaction.finish() == {}
    assert sentrial.get_session_context() is None
    assert [(method, path) for method, path, _ in sent(collector, client)] == [
        ("POST", "/sessions")
    ]


def test_the_module_level_functions_send_the_same(
    client: sentrial.SentrialClient, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentrial.client._default", None)
    with client.begin("u", "chat", "q", "e1", "c", {"k": 1}) as interaction:
        interaction.set_output("a")
    by_method = sent(collector, client)
    collector.forget()
    sentrial.configure(KEY, collector.url)
    with sentrial.begin("u", "chat", "q", "e1", "c", {"k": 1}) as interaction:
        interaction.set_output("a")
    by_module = sent(collector, client)
    for requests in (by_method, by_module):
        requests[-1][2].pop("durationMs")
    assert [(method, body) for method, _, body in by_method] == [
        (method, body) for method, _, body in by_module
    ]


def test_two_ways_of_delivery_send_the_same_bytes(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> list[bytes]:
        client = sentrial.SentrialClient(collector.url, KEY)
        session = client.create_session("n", "a", "u", metadata={"z": 1, "a": [1.5, None]})
        client.track_tool_call("s", "t", {"b": 1, "a": 2}, {"x": "é"}, "why", 0.1, token_count=3)
        client.track_decision("s", "r", ["a"], 0.5, chosen="a")
        client.track_error("s", "m", "E")
        client.complete_session("s", custom_metrics={"m": 1.0})
        assert session
        client.flush()
        bodies = [request.body for request in collector.requests()]
        collector.forget()
        return bodies

    sent_in = []
    for mode in ("background", "immediate"):
        monkeypatch.setenv("SENTRIAL_DELIVERY", mode)
        sent_in.append(run())
    assert sorted(sent_in[0]) == sorted(sent_in[1])
