"""The arguments of the calls that record events."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.sdk import bodies_sent, client_for, last_body, messages

if TYPE_CHECKING:
    from tests.support.collector import Collector


@pytest.fixture
def client(collector: Collector) -> sentrial.SentrialClient:
    return client_for(collector)


class ToolBrokenError(RuntimeError):
    """A tool of the program's failed."""


@pytest.mark.parametrize(
    ("value", "wire_input", "wire_output"),
    [
        ({"a": 1}, {"a": 1}, {"a": 1}),
        ({}, {}, {}),
        (None, None, None),
        ("text", {"input": "text"}, {"result": "text"}),
        ([1, 2], {"input": [1, 2]}, {"result": [1, 2]}),
        ((), {"input": []}, {"result": []}),
        (0, {"input": 0}, {"result": 0}),
        (False, {"input": False}, {"result": False}),
    ],
)
def test_input_and_output_are_objects_on_the_wire(
    client: sentrial.SentrialClient,
    collector: Collector,
    value: Any,
    wire_input: Any,
    wire_output: Any,
) -> None:
    client.track_tool_call("s", "t", value, value)
    body = last_body(client, collector)
    assert (body["toolInput"], body["toolOutput"]) == (wire_input, wire_output)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("failed", {"message": "failed"}),
        (ToolBrokenError("no carrier"), {"message": "no carrier", "type": "ToolBrokenError"}),
        ({"message": "m", "code": 7}, {"message": "m", "code": 7}),
    ],
    ids=["text", "exception", "dict"],
)
def test_a_tool_error_in_every_form(
    client: sentrial.SentrialClient, collector: Collector, given: Any, sent: Any
) -> None:
    client.track_tool_call("s", "t", {}, {}, tool_error=given)
    assert last_body(client, collector)["toolError"] == sent


def test_status_and_duration_go_into_the_metadata(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    mine = {"k": 1}
    client.track_tool_call("s", "t", {}, {}, metadata=mine, duration_ms=12, status="ok")
    client.track_tool_call("s", "t", {}, {}, duration_ms=0)
    first, second = bodies_sent(client, collector)
    assert first["metadata"] == {"k": 1, "duration_ms": 12, "status": "ok"}
    assert second["metadata"] == {"duration_ms": 0}
    assert mine == {"k": 1}


def test_what_was_chosen_goes_into_the_metadata(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.track_decision("s", "r", ["a", "b"], 0.5, chosen="a", metadata={"k": 1})
    body = last_body(client, collector)
    assert body["metadata"] == {"k": 1, "chosen": "a"}
    assert (body["alternativesConsidered"], body["confidence"]) == (["a", "b"], 0.5)


@pytest.mark.parametrize("confidence", [-0.1, 1.5, 80])
def test_a_confidence_that_is_none_is_sent_with_a_warning(
    client: sentrial.SentrialClient,
    collector: Collector,
    caplog: pytest.LogCaptureFixture,
    confidence: float,
) -> None:
    with caplog.at_level(logging.WARNING, "sentrial"):
        client.track_decision("s", "r", confidence=confidence)
    assert last_body(client, collector)["confidence"] == confidence
    assert [line for line in messages(caplog) if "confidence" in line]


def test_an_error_says_what_is_known(client: sentrial.SentrialClient, collector: Collector) -> None:
    client.track_error("s", "bad")
    client.track_error("s", "bad", error_type="", stack_trace="")
    client.track_error("s", "bad", "E", "t", "trace", "t1", "s1", {"k": 1})
    first, second, third = bodies_sent(client, collector)
    assert first["toolError"] == second["toolError"] == {"message": "bad"}
    assert {"toolName", "traceId", "spanId", "metadata", "reasoning", "estimatedCost"}.isdisjoint(
        first
    )
    assert third["toolError"] == {"message": "bad", "type": "E", "stack_trace": "trace"}
    named = [third[name] for name in ("toolName", "traceId", "spanId", "metadata")]
    assert named == ["t", "t1", "s1", {"k": 1}]


def test_track_event_sends_its_fields(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.track_event(
        "s", sentrial.EventType.LLM_DECISION, reasoning="r", tool_name="t", tokenCount=3
    )
    client.track_event("s", "tool_call", metadata={"snake_key": 1}, session_name="x")
    first, second = bodies_sent(client, collector)
    assert first == {
        "sessionId": "s",
        "eventType": "llm_decision",
        "reasoning": "r",
        "toolName": "t",
        "tokenCount": 3,
    }
    assert second["metadata"] == {"snake_key": 1}
    assert second["sessionName"] == "x"


def test_a_state_change_shows_the_state_before_and_after(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    session = client.create_session("n")
    client.update_state("step", 1)
    client.track_state_change(session, {"step": 2, "done": False}, "moved on", metadata={"k": 1})
    body = last_body(client, collector)
    assert body == {
        "sessionId": session,
        "eventType": "state_change",
        "reasoning": "moved on",
        "stateBefore": {"step": 1},
        "stateAfter": {"step": 2, "done": False},
        "metadata": {"k": 1},
    }
    assert client.current_state == {"step": 2, "done": False}


@pytest.mark.parametrize(
    "call",
    [
        lambda c, s: c.track_tool_call(s, "t", {}, {}),
        lambda c, s: c.track_decision(s, "r"),
        lambda c, s: c.track_error(s, "m"),
        lambda c, s: c.track_llm_call(s, "gpt-4o"),
        lambda c, s: c.track_state_change(s, {}),
        lambda c, s: c.track_event(s, "error"),
        lambda c, s: c.complete_session(s),
        lambda c, s: c.close_session(s),
        lambda c, s: c.update_session(s, status="x"),
    ],
)
@pytest.mark.parametrize("session", [None, "", object(), 1.5])
def test_a_session_id_that_is_none_is_dropped_and_counted(
    client: sentrial.SentrialClient, collector: Collector, call: Any, session: Any
) -> None:
    assert call(client, session) == {}
    stats = client.stats()
    assert (stats["accepted"], stats["dropped"]) == (1, {"invalid": 1})
    assert bodies_sent(client, collector) == []


@pytest.mark.parametrize("session", [None, ""])
def test_a_loud_client_names_the_argument(refusing: str, session: Any) -> None:
    client = client_for(refusing, fail_silently=False, max_retries=0)
    with pytest.raises(sentrial.ConfigurationError, match="session_id"):
        client.track_decision(session, "r")


@pytest.mark.parametrize(
    ("cost", "sent"),
    [(None, 0.0), (0, 0.0), (0.5, 0.5), (float("nan"), 0.0), ("much", 0.0), (True, 0.0)],
)
def test_a_cost_is_a_number(
    client: sentrial.SentrialClient, collector: Collector, cost: Any, sent: float
) -> None:
    client.track_tool_call("s", "t", {}, {}, estimated_cost=cost)
    assert last_body(client, collector)["estimatedCost"] == sent
