"""Whatever the arguments are, a silent client raises nothing, prints nothing, and counts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.delivery.helpers import (
    balanced,
    client_of,
    lines,
    said,
    settled,
)
from tests.delivery.hostile import VALUES, Angry, cyclic, deep

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.collector import Collector

#: Every tracking method of the client with arguments that are right.
CLIENT_CALLS: dict[str, dict[str, Any]] = {
    "track_tool_call": {
        "session_id": "s",
        "tool_name": "t",
        "tool_input": {},
        "tool_output": {},
        "reasoning": "r",
        "estimated_cost": 0.1,
        "tool_error": {"message": "m"},
        "token_count": 1,
        "trace_id": "t",
        "span_id": "s",
        "metadata": {},
        "duration_ms": 1,
        "status": "ok",
    },
    "track_decision": {
        "session_id": "s",
        "reasoning": "r",
        "alternatives": ["a"],
        "confidence": 0.5,
        "estimated_cost": 0.1,
        "token_count": 1,
        "trace_id": "t",
        "span_id": "s",
        "metadata": {},
        "chosen": "a",
    },
    "track_error": {
        "session_id": "s",
        "error_message": "m",
        "error_type": "E",
        "tool_name": "t",
        "stack_trace": "st",
        "trace_id": "t",
        "span_id": "s",
        "metadata": {},
    },
    "track_llm_call": {
        "session_id": "s",
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "c"}],
        "output": "o",
        "provider": "openai",
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "estimated_cost": 0.1,
        "duration_ms": 1,
        "error": "e",
        "metadata": {},
    },
    "track_state_change": {
        "session_id": "s",
        "changes": {"a": 1},
        "reasoning": "r",
        "trace_id": "t",
        "span_id": "s",
        "metadata": {},
    },
    "track_event": {"session_id": "s", "event_type": "error", "reasoning": "r"},
    "complete_session": {
        "session_id": "s",
        "success": True,
        "failure_reason": "f",
        "estimated_cost": 0.1,
        "custom_metrics": {},
        "duration_ms": 1,
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "total_tokens": 2,
        "user_input": "i",
        "assistant_output": "o",
        "status": "completed",
    },
    "close_session": {
        "session_id": "s",
        "duration_ms": 1,
        "success": True,
        "failure_reason": "f",
        "status": "success",
        "summary": "s",
    },
    "update_session": {"session_id": "s", "status": "failed"},
    "begin": {
        "user_id": "u",
        "event": "e",
        "input": "i",
        "event_id": "id",
        "convo_id": "c",
        "metadata": {},
        "parent_session_id": "p",
    },
    "create_session": {
        "name": "n",
        "agent_name": "a",
        "user_id": "u",
        "parent_session_id": "p",
        "convo_id": "c",
        "metadata": {},
        "project_id": "p",
    },
}

INTERACTION_CALLS: dict[str, dict[str, Any]] = {
    name: {key: value for key, value in CLIENT_CALLS[name].items() if key not in without}
    for name, without in {
        "track_tool_call": ("session_id", "trace_id", "span_id"),
        "track_decision": ("session_id", "trace_id", "span_id"),
        "track_error": ("session_id", "trace_id", "span_id"),
    }.items()
}
FINISH: dict[str, Any] = {
    "output": "o",
    "success": True,
    "failure_reason": "f",
    "estimated_cost": 0.1,
    "custom_metrics": {},
    "duration_ms": 1,
    "prompt_tokens": 1,
    "completion_tokens": 1,
    "total_tokens": 2,
}


def check_counted(client: sentrial.SentrialClient, collector: Collector, calls: int) -> None:
    """Check that each call is in the ledger, and that what was sent is JSON."""
    stats = settled(client, 30)
    assert stats["accepted"] == calls, stats
    assert set(stats["dropped"]) <= {"invalid"}, stats
    assert all(isinstance(request.json, dict) for request in collector.requests())


@pytest.mark.parametrize("make", VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize("method", CLIENT_CALLS)
def test_each_argument_of_each_method(
    collector: Collector, capfd: pytest.CaptureFixture[str], method: str, make: Callable[[], Any]
) -> None:
    client = client_of(collector)
    right = CLIENT_CALLS[method]
    kept = [getattr(client, method)(**(right | {name: make()})) for name in right]
    calls = len(right)
    if method == "begin":
        for interaction in kept:
            assert interaction.finish() is not None
        calls *= 2
    check_counted(client, collector, calls)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("make", VALUES.values(), ids=VALUES.keys())
def test_each_argument_of_an_interaction(
    collector: Collector, capfd: pytest.CaptureFixture[str], make: Callable[[], Any]
) -> None:
    client = client_of(collector)
    interaction = client.begin("u", "chat")
    calls = 1
    for method, right in INTERACTION_CALLS.items():
        for name in right:
            getattr(interaction, method)(**(right | {name: make()}))
            calls += 1
    interaction.set_output(make())
    interaction.finish()
    for name in FINISH:
        client.begin("u", "chat").finish(**(FINISH | {name: make()}))
        calls += 2
    check_counted(client, collector, calls + 1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("make", VALUES.values(), ids=VALUES.keys())
def test_state_and_context(
    collector: Collector, capfd: pytest.CaptureFixture[str], make: Callable[[], Any]
) -> None:
    client = client_of(collector)
    interaction = client.begin("u", "chat")
    client.update_state("key", make())
    client.update_state(make(), 1)
    client.current_state["direct"] = make()
    interaction.track_decision("r")
    sentrial.set_session_context(make(), client)
    sentrial.clear_session_context()
    interaction.finish()
    check_counted(client, collector, 3)
    assert capfd.readouterr() == ("", "")


def test_an_exception_without_words_leaves_the_block_as_it_is(collector: Collector) -> None:
    class WordlessError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    client = client_of(collector)
    with pytest.raises(WordlessError), client.begin("u", "chat"):
        raise WordlessError
    settled(client)
    assert collector.bodies("PATCH")[0]["success"] is False


ODD_IDS: dict[str, Any] = {
    "None": None,
    "empty": "",
    "surrogate": "\ud800",
    "dict": {"id": "s"},
    "list": ["s"],
    "float": 1.5,
    "object": object(),
    "angry": Angry(),
    "bytes": b"s",
}


@pytest.mark.parametrize("odd", ODD_IDS.values(), ids=ODD_IDS.keys())
def test_a_session_id_that_is_none_drops_the_call_with_one_line(
    collector: Collector, caplog: pytest.LogCaptureFixture, odd: Any
) -> None:
    """D11: nothing is sent to /sessions/None."""
    client = client_of(collector)
    for _ in range(3):
        assert client.track_tool_call(odd, "t", {}, {}) == {}
        assert client.track_decision(odd, "r") == {}
        assert client.track_error(odd, "m") == {}
        assert client.complete_session(odd) == {}
        assert client.update_session(odd, status="failed") == {}
    stats = balanced(client.stats())
    assert stats["accepted"] == 15
    assert stats["dropped"] == {"invalid": 15}
    client.flush()
    assert len(said(caplog)) == 1, caplog.text
    assert "session_id" in said(caplog)[0]
    assert collector.requests() == []


@pytest.mark.parametrize(
    ("odd", "path"),
    [
        ("a/b?c=d#e", "a%2Fb%3Fc%3Dd%23e"),
        ("../../admin", "..%2F..%2Fadmin"),
        ("ä \n", "%C3%A4%20%0A"),
        ("%2e", "%252e"),
        (17, "17"),
    ],
)
def test_odd_ids_are_escaped_in_the_path(collector: Collector, odd: Any, path: str) -> None:
    """D11: an id is one segment of the path, whatever is in it."""
    client = client_of(collector)
    client.complete_session(odd)
    settled(client)
    assert [request.target for request in collector.requests()] == [f"/api/sdk/sessions/{path}"]


@pytest.mark.parametrize("odd", [".", ".."])
def test_ids_of_dots_do_not_become_another_path(collector: Collector, odd: str) -> None:
    client = client_of(collector)
    client.complete_session(odd)
    settled(client)
    paths = [request.path for request in collector.requests()]
    assert all(path.startswith("/api/sdk/sessions/") and len(path) > 18 for path in paths), paths


def test_an_id_too_long_for_any_path_does_not_stop_the_others(collector: Collector) -> None:
    client = client_of(collector)
    client.complete_session("x" * 100_000)
    client.track_decision("other", "r")
    stats = settled(client)
    assert stats["delivered"] == 1 + len(collector.requests("PATCH"))
    assert set(stats["dropped"]) <= {"invalid"}


def test_text_that_the_server_echoes_does_not_hide_its_id(collector: Collector) -> None:
    """Half a surrogate pair is no text, but JSON of it is valid and servers send it back."""
    client = client_of(collector)
    interaction = client.begin("u", "chat \ud83d", input="cut in the middle of \ud83d")
    interaction.track_decision("r")
    settled(client, 20)
    assert interaction.session_id == "sess_u_chat_1"
    assert len(collector.events()) == 1


def test_a_dict_that_another_thread_changes(collector: Collector) -> None:
    client = client_of(collector)
    shared: dict[str, Any] = {f"k{n}": {"inner": [n]} for n in range(50)}
    over = threading.Event()

    def change() -> None:
        n = 0
        while not over.is_set():
            n += 1
            shared[f"new{n % 100}"] = {"n": n}
            shared.pop(f"new{(n * 7) % 100}", None)
            shared["k1"]["inner"].append(n)
            if n % 50 == 0:
                shared["k1"]["inner"].clear()

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for n in range(300):
            client.track_tool_call(f"s{n % 5}", "t", shared, shared, metadata=shared)
    finally:
        over.set()
        for thread in threads:
            thread.join(10)
    check_counted(client, collector, 300)


def test_a_bad_call_does_not_spoil_the_next_one(collector: Collector) -> None:
    client = client_of(collector)
    for bad in (cyclic(), deep(), Angry(), "\ud800"):
        client.track_tool_call("s", "bad", bad, bad)
    client.track_tool_call("s", "good", {"q": 1}, {"r": 2})
    settled(client)
    good = [event for event in collector.events() if event["toolName"] == "good"]
    assert [event["toolInput"] for event in good] == [{"q": 1}]


def test_a_big_value_is_cut_and_the_event_sent(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(collector)
    client.track_tool_call("s", "t", {"x": "y" * 10_000_000}, {"z": 1})
    settled(client)
    (request,) = collector.requests()
    assert len(request.body) < 2 * 1024 * 1024
    assert request.json["toolOutput"] == {"z": 1}
    assert lines(caplog, collector, client) == []
