"""Which calls reach a client of Langfuse 2, and what happens when they fail.

The client here is one of the program's, which notes what it is told: the calls are compared one by
one with those of 0.6.0.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import LangfuseIntegration, PiiConfig, SentrialClient, _mirror

from tests.support.answers import Answer
from tests.support.sdk import KEY, SESSIONS, client_for, in_loop, messages
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.collector import Collector

Call = tuple[str, dict[str, Any]]


class Notes:
    """A client of Langfuse 2: everything it is asked for is noted, and answered by another."""

    def __init__(self, kind: str, told: Told) -> None:
        self._kind = kind
        self._told = told

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def call(**fields: Any) -> Notes:
            return self._told.note(self._kind, name, fields)

        return call


class Told:
    """What the client was told, and by whom."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.threads: set[str] = set()
        self.failing: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()

    def note(self, kind: str, name: str, fields: dict[str, Any]) -> Notes:
        """Take a call; returns what it makes."""
        self.gate.wait(30)
        self.calls.append((f"{kind}.{name}", fields))
        self.threads.add(threading.current_thread().name)
        if name in self.failing:
            raise RuntimeError(f"lf {name}")
        return Notes(name, self)


@pytest.fixture
def told() -> Iterator[Told]:
    made = Told()
    yield made
    made.gate.set()


@pytest.fixture(params=["background", "immediate"])
def client(
    request: pytest.FixtureRequest,
    collector: Collector,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[SentrialClient]:
    monkeypatch.setenv("SENTRIAL_DELIVERY", request.param)
    integration = LangfuseIntegration(langfuse_client=Notes("langfuse", told))
    made = client_for(collector, langfuse=integration)
    yield made
    told.gate.set()
    made.close()


def span(name: str, metadata: Any = None, given: Any = None) -> Call:
    return ("trace.span", {"name": name, "input": given or {}, "metadata": metadata})


def span_end(output: Any = None, level: str = "DEFAULT", message: str | None = None) -> Call:
    return ("span.end", {"output": output or {}, "level": level, "status_message": message})


def decision(reasoning: str, alternatives: Any, confidence: Any, usage: Any) -> Call:
    return (
        "trace.generation",
        {
            "name": "llm_decision",
            "model": None,
            "input": {"reasoning": reasoning, "alternatives": alternatives},
            "output": {"confidence": confidence},
            "usage": usage,
            "metadata": None,
        },
    )


def score(name: str, value: float) -> Call:
    return ("trace.score", {"name": name, "value": value, "comment": None})


FLUSH: Call = ("langfuse.flush", {})


def test_whole_interaction(client: SentrialClient, told: Told) -> None:
    with client.begin("u1", "chat", "hello", event_id="evt-12345678-x", metadata={"k": 1}) as i:
        i.track_tool_call("t", {"a": 1}, {"b": 2}, metadata={"m": 1})
        i.track_tool_call("bad", {}, {}, tool_error={"message": "oops"})
        i.track_tool_call("bad2", {}, {}, tool_error={"type": "x"})
        i.track_decision("r", ["x"], 0.5, token_count=7)
        i.track_decision("r2")
        i.track_error("err")
        i.set_output("bye")
    client.flush()
    event_id = "evt-12345678-x"
    session_id = "sess_u1_chat_1"
    metadata = {
        "event_id": event_id,
        "input": "hello",
        "k": 1,
        "sentrial_session_id": session_id,
    }
    assert told.calls == [
        (
            "langfuse.trace",
            {
                "id": session_id,
                "name": "chat",
                "user_id": "u1",
                "input": "hello",
                "metadata": metadata,
            },
        ),
        span("t", {"m": 1}, {"a": 1}),
        span_end({"b": 2}),
        span("bad"),
        span_end(None, "ERROR", "oops"),
        span("bad2"),
        span_end(),
        decision("r", ["x"], 0.5, {"total_tokens": 7}),
        decision("r2", None, None, None),
        (
            "trace.event",
            {
                "name": "error",
                "input": {"message": "err"},
                "metadata": None,
                "level": "ERROR",
                "status_message": "err",
            },
        ),
        ("trace.update", {"output": "bye", "metadata": {"success": False}}),
        score("success", 0.0),
        FLUSH,
    ]
    assert told.threads == {"sentrial-mirror"}


def test_metrics_become_scores(client: SentrialClient, told: Told) -> None:
    work = client.begin("u2", "chat", event_id="evt-2")
    work.finish(success=False, custom_metrics={"score": 4.5, "n": 1}, output="o")
    client.flush()
    assert told.calls[1:] == [
        ("trace.update", {"output": "o", "metadata": {"success": False}}),
        score("score", 4.5),
        score("n", 1),
        score("success", 0.0),
        FLUSH,
    ]


def test_refused_session_is_not_mirrored(
    client: SentrialClient, told: Told, collector: Collector
) -> None:
    collector.script("POST", SESSIONS, 400)
    work = client.begin("u3", "chat")
    work.track_tool_call("t", {}, {})
    work.finish()
    client.flush()
    assert told.calls == []


def test_f2_call_of_the_client_for_a_session_from_elsewhere(
    client: SentrialClient, told: Told
) -> None:
    client.track_tool_call("s", "direct", {}, {})
    client.flush()
    unknown = {"name": None, "user_id": None, "input": None}
    assert told.calls == [
        ("langfuse.trace", {"id": "s", "metadata": {"sentrial_session_id": "s"}, **unknown}),
        span("direct"),
        span_end(),
        FLUSH,
    ]


def test_failing_langfuse_harms_nobody(
    client: SentrialClient, told: Told, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    told.failing = {"trace", "span", "generation", "end", "update", "score", "flush"}
    for _ in range(3):
        with client.begin("u4", "chat") as work:
            work.track_tool_call("t", {}, {})
            work.track_decision("r")
    client.flush()
    assert {name for name, _ in told.calls} == {"langfuse.trace", "langfuse.flush"}
    assert len(collector.requests()) == 12
    lines = [
        record.getMessage()
        for record in caplog.records
        if record.name == "sentrial.langfuse" and record.levelno == logging.WARNING
    ]
    assert lines == ["Langfuse: trace failed: RuntimeError: lf trace"]


def test_calls_by_hand_raise_when_loud(told: Told) -> None:
    told.failing = {"trace"}
    integration = LangfuseIntegration(langfuse_client=Notes("x", told), fail_silently=False)
    with pytest.raises(RuntimeError, match="lf trace"):
        integration.create_trace("s", "n", "u")


def test_disabled_integration_starts_nothing(collector: Collector, told: Told) -> None:
    integration = LangfuseIntegration(langfuse_client=Notes("x", told), enabled=False)
    client = client_for(collector, langfuse=integration)
    with client.begin("u", "chat"):
        pass
    client.flush()
    assert told.calls == []


def test_something_else_than_an_integration_is_one_line(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_for(collector, langfuse=object())
    with client.begin("u", "chat"):
        pass
    client.flush()
    assert messages(caplog) == ["langfuse: nothing is mirrored; pass a LangfuseIntegration"]


def test_what_does_not_fit_is_dropped(
    collector: Collector,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(_mirror, "MAX_ITEMS", 5)
    integration = LangfuseIntegration(langfuse_client=Notes("langfuse", told))
    client = client_for(collector, langfuse=integration)
    told.gate.clear()
    for n in range(50):
        client.track_tool_call("s", f"t{n}", {}, {})
    collector.wait_for(50)
    told.gate.set()
    client.flush()
    spans = [fields["name"] for name, fields in told.calls if name == "trace.span"]
    # The thread may have taken the first one out already, or not yet.
    assert spans[:5] == [f"t{n}" for n in range(5)]
    assert 5 <= len(spans) <= 6
    assert messages(caplog) == ["the mirror is full: 1 calls were not mirrored so far"]
    client.track_tool_call("s", "later", {}, {})
    client.flush()
    assert told.calls[-2][0] == "span.end"
    assert told.calls[-3][1]["name"] == "later"


def test_it_is_bounded_in_bytes(
    collector: Collector, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mirror, "MAX_BYTES", 10_000)
    integration = LangfuseIntegration(langfuse_client=Notes("langfuse", told))
    client = client_for(collector, langfuse=integration)
    told.gate.clear()
    for n in range(10):
        client.track_tool_call("s", f"t{n}", {"text": "x" * 3000}, {})
    told.gate.set()
    client.flush()
    spans = [name for name, _ in told.calls if name == "trace.span"]
    assert 1 <= len(spans) <= 5


def test_without_the_server_of_the_sessions_langfuse_still_gets_its_traces(
    collector: Collector, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mirror, "PATIENCE", 0.2)
    integration = LangfuseIntegration(langfuse_client=Notes("langfuse", told))
    client = client_for(collector, langfuse=integration)
    with collector.gate():
        with client.begin("u", "chat", "hello", event_id="e") as work:
            work.track_tool_call("t", {}, {})
        eventually(lambda: FLUSH in told.calls)
    assert told.calls[0] == (
        "langfuse.trace",
        {
            "id": None,
            "name": "chat",
            "user_id": "u",
            "input": "hello",
            "metadata": {"event_id": "e", "input": "hello"},
        },
    )
    assert [name for name, _ in told.calls[1:3]] == ["trace.span", "span.end"]


def test_values_are_those_of_the_call(collector: Collector, told: Told) -> None:
    """A snapshot: what the program changes afterwards does not show."""
    integration = LangfuseIntegration(langfuse_client=Notes("langfuse", told))
    client = client_for(collector, langfuse=integration)
    told.gate.clear()
    given = {"list": [1]}
    client.track_tool_call("s", "t", given, {})
    given["list"].append(2)
    told.gate.set()
    client.flush()
    assert told.calls[1] == span("t", None, {"list": [1]})


def test_f4_what_is_mirrored_is_redacted(collector: Collector, told: Told) -> None:
    """BEHAVIOUR F4, P8: 0.6.0 mirrors in clear what it redacts for its own server."""
    integration = LangfuseIntegration(langfuse_client=Notes("langfuse", told))
    client = client_for(collector, langfuse=integration, pii=PiiConfig(enabled=True))
    with client.begin("u", "chat", "I am jane@example.com", metadata={"mail": "j@x.org"}) as work:
        work.track_tool_call("t", {"to": "jane@example.com"}, {"from": "bob@example.com"})
        work.track_tool_call("t", {}, {}, tool_error={"message": "no jane@example.com"})
        work.track_decision("because of jane@example.com", ["bob@example.com"])
        work.track_error("jane@example.com", stack_trace="bob@example.com")
        client.track_llm_call(work, "gpt-4o", "jane@example.com", "bob@example.com")
        work.finish(output="bye jane@example.com")
    client.flush()
    shown = repr(told.calls)
    assert "@" not in shown
    assert "I am [EMAIL]" in shown
    assert FLUSH in told.calls


def test_f4_nothing_is_mirrored_before_the_rules_are_known(
    collector: Collector, told: Told
) -> None:
    custom = {"pattern": "project-[a-z]+", "label": "PROJECT"}
    config = {"enabled": True, "mode": "label", "customPatterns": [custom]}
    collector.always("GET", "/api/sdk/pii-config", Answer(json={"config": config}))
    integration = LangfuseIntegration(langfuse_client=Notes("langfuse", told))
    client = client_for(collector, langfuse=integration, pii=True)
    with collector.gate():
        client.track_tool_call("s", "t", {"name": "project-x"}, {})
        client.flush(0.2)
        assert told.calls == []
    client.flush()
    client.flush()
    assert told.calls[1] == span("t", None, {"name": "[PROJECT]"})


def test_f4_what_has_waited_too_long_for_the_rules_is_dropped(
    collector: Collector, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an id a trace may go; without the rules nothing may."""
    monkeypatch.setattr(_mirror, "PATIENCE", 0.1)
    integration = LangfuseIntegration(langfuse_client=Notes("langfuse", told))
    client = client_for(collector, langfuse=integration, pii=True)
    with collector.gate():
        client.track_tool_call("s", "early", {"name": "x"}, {})
        mirror = _mirror._here()
        eventually(lambda: mirror.left == 0)
    client.flush()
    client.track_tool_call("s", "late", {"name": "x"}, {})
    client.flush()
    assert [fields["name"] for name, fields in told.calls if name == "trace.span"] == ["late"]


def test_event_loop_does_not_wait_for_langfuse(
    collector: Collector, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In immediate delivery a thread waits for its record, but a loop has others to serve."""
    monkeypatch.setenv("SENTRIAL_DELIVERY", "immediate")
    integration = LangfuseIntegration(langfuse_client=Notes("langfuse", told))

    async def work() -> float:
        client = sentrial.AsyncSentrialClient(
            api_url=collector.url, api_key=KEY, langfuse=integration
        )
        told.gate.clear()
        started = time.monotonic()
        await client.track_tool_call("s", "t", {}, {})
        took = time.monotonic() - started
        told.gate.set()
        await client.close()
        return took

    assert in_loop(work()) < _mirror._IMMEDIATE_WAIT
    assert told.calls[1] == span("t")


def test_default_client_is_mirrored(collector: Collector, told: Told) -> None:
    integration = LangfuseIntegration(langfuse_client=Notes("langfuse", told))
    sentrial.configure(KEY, collector.url, langfuse=integration)
    with sentrial.begin("u", "chat"):
        search("x")
    sentrial.flush()
    assert told.calls[1:3] == [
        ("trace.span", told.calls[1][1] | {"name": "search", "input": {"q": "x"}}),
        span_end({"result": "found"}),
    ]
    sentrial.configure(KEY, collector.url)


@sentrial.tool
def search(q: str) -> str:
    return "found"
