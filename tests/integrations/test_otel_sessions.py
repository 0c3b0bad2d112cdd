"""When sessions of traces begin and end, and what bounds them."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("opentelemetry.sdk.trace")

from opentelemetry import trace
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags
from sentrial import SentrialClient
from sentrial.integrations import otel_traces
from sentrial.otel import SentrialSpanProcessor

from tests.integrations.otel_support import Traced
from tests.support.answers import Answer
from tests.support.sdk import EVENTS, KEY, SESSIONS
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context

    from tests.support.collector import Collector

CHAT = {"gen_ai.request.model": "gpt-4o"}


@pytest.fixture
def traced(collector: Collector) -> Iterator[Traced]:
    made = Traced(collector)
    yield made
    made.close()


def elsewhere(trace_id: int = 0xABC) -> Context:
    """Return a context whose span lives in another process."""
    remote = SpanContext(trace_id, 0x1234, is_remote=True, trace_flags=TraceFlags(1))
    return trace.set_span_in_context(trace.NonRecordingSpan(remote))


def test_d15_session_ends_with_its_root(traced: Traced) -> None:
    """PROTOCOL 4 D15, BEHAVIOUR O4: 0.6.0 ends sessions only at shutdown."""
    with traced.tracer.start_as_current_span("request"):
        traced.span("chat", CHAT)
        assert traced.completions() == []
    (completed,) = traced.completions()
    assert (completed["status"], completed["success"]) == ("completed", True)
    assert completed["durationMs"] >= 0
    assert len(traced.processor._traces) == 0


def test_d15_session_fails_with_its_root(traced: Traced) -> None:
    with pytest.raises(RuntimeError):
        traced.fail("request", RuntimeError("lost"), CHAT)
    (completed,) = traced.completions()
    assert (completed["status"], completed["success"]) == ("failed", False)
    assert completed["failureReason"] == "RuntimeError: lost"


def test_failed_child_alone_does_not_fail_the_session(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("request"):
        with traced.tracer.start_as_current_span("chat") as span:
            span.set_attributes(CHAT)
            span.set_status(StatusCode.ERROR, "overloaded")
        traced.span("chat", CHAT)
    assert traced.completions()[0]["status"] == "completed"


def test_root_of_this_process_is_the_root(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("request", context=elsewhere()):
        traced.span("chat", CHAT)
    (bodies,) = traced.sessions().values()
    assert bodies[0]["metadata"]["trace_id"] == f"{0xABC:032x}"
    assert bodies[-1]["status"] == "completed"


def test_session_ends_with_the_last_of_two_roots(traced: Traced) -> None:
    first = traced.tracer.start_span("one", context=elsewhere())
    second = traced.tracer.start_span("two", context=elsewhere())
    inside_second = trace.set_span_in_context(second)
    first.set_status(StatusCode.ERROR, "first failed")
    first.end()
    traced.span("chat", CHAT, context=inside_second)
    assert traced.completions() == []
    second.end()
    (completed,) = traced.completions()
    assert completed["failureReason"] == "first failed"


def test_later_root_of_a_completed_trace_is_another_session(traced: Traced) -> None:
    for _ in range(2):
        with traced.tracer.start_as_current_span("request", context=elsewhere()):
            traced.span("chat", CHAT)
    assert [len(bodies) for bodies in traced.sessions().values()] == [3, 3]


def test_span_that_ends_after_its_root_finds_its_session(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("request"):
        late = traced.tracer.start_span("chat", attributes=CHAT)
        traced.span("chat", CHAT)
    late.end()
    (bodies,) = traced.sessions().values()
    kinds = [body.get("eventType") or body.get("status") for body in bodies]
    assert kinds == [None, "tool_call", "completed", "tool_call"]


def test_user_known_only_to_the_root(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("request", attributes={"user.id": "u5"}):
        traced.span("chat", CHAT)
    assert traced.sent()[0][1]["userId"] == "u5"


def test_own_user_attribute(collector: Collector) -> None:
    traced = Traced(collector, user_id_attribute="app.user")
    traced.span("chat", {**CHAT, "app.user": 7, "user.id": "other"})
    assert traced.sent()[0][1]["userId"] == "7"
    traced.close()


def test_shutdown_completes_open_sessions(collector: Collector) -> None:
    traced = Traced(collector)
    root = traced.tracer.start_span("request")
    inside = trace.set_span_in_context(root)
    traced.span("chat", CHAT, context=inside)
    traced.processor.shutdown()
    traced.processor.shutdown()
    assert [body["status"] for body in traced.completions()] == ["completed"]


def test_shutdown_fails_a_session_whose_last_failure_was_not_explained(
    collector: Collector,
) -> None:
    traced = Traced(collector)
    root = traced.tracer.start_span("request")
    with traced.tracer.start_as_current_span("chat", context=trace.set_span_in_context(root)) as s:
        s.set_attributes(CHAT)
        s.set_status(StatusCode.ERROR, "overloaded")
    traced.processor.shutdown()
    assert traced.completions()[0]["failureReason"] == "overloaded"


def test_o4_open_traces_are_bounded(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otel_traces, "MAX_OPEN", 3)
    traced = Traced(collector)
    roots = []
    for _ in range(5):
        root = traced.tracer.start_span("request")
        traced.span("chat", CHAT, context=trace.set_span_in_context(root))
        roots.append(root)
    assert len(traced.processor._traces) == 3
    assert len(traced.completions()) == 2
    for root in roots:
        root.end()
    assert len(traced.completions()) == 5
    traced.close()


def test_o4_traces_age() -> None:
    now = 0.0
    given_up: list[Any] = []
    traces = otel_traces.Traces(given_up.append, clock=lambda: now)
    traces.root_started(1, None)
    stale = traces.known(1)
    now = otel_traces.MAX_AGE + 1
    traces.root_started(2, None)
    assert given_up == [stale]
    assert len(traces) == 1


def test_completed_traces_are_forgotten() -> None:
    now = 0.0
    traces = otel_traces.Traces(lambda _: None, clock=lambda: now)
    traces.root_started(1, None)
    trace_1 = traces.of(1)
    trace_1.session = object()  # type: ignore[assignment]  # any session
    assert traces.root_ended(1) is trace_1
    assert traces.of(1) is trace_1
    now = otel_traces.KEPT + 1
    traces.root_started(2, None)
    assert traces.of(1) is not trace_1


def test_o5_ending_a_span_does_not_wait_for_the_server(traced: Traced) -> None:
    with traced.collector.gate():
        traced.span("chat", CHAT)
        assert traced.collector.requests() == [] or traced.collector.in_flight <= 1
        assert traced.processor.client.stats()["pending"] == 3
    assert len(traced.sent()) == 3


def test_o8_refused_session_records_nothing_for_null(traced: Traced) -> None:
    traced.collector.script("POST", SESSIONS, 400)
    with traced.tracer.start_as_current_span("request"):
        traced.span("chat", CHAT)
        traced.span("chat", CHAT)
    assert [path for path, _ in traced.sent()] == ["/sessions"]
    traced.span("chat", CHAT)
    assert len(traced.events()) == 1


def test_o9_the_sdk_does_not_trace_itself(collector: Collector) -> None:
    """A filter that makes spans, as instrumented code called by it would, is not recorded."""
    provider: Any = None

    def traced_filter(span: Any) -> bool:
        with provider.get_tracer("t").start_as_current_span("inside the filter"):
            return True

    traced = Traced(collector, custom_filter=traced_filter, filter_ai_spans=False)
    provider = traced.provider
    traced.span("anything")
    assert [event["reasoning"] for event in traced.events()] == ["OTel span: anything"]
    traced.close()


def test_custom_filter_decides_before_the_other(collector: Collector) -> None:
    answers = {"yes": True, "no chat": False, "chat": None, "none": None}
    traced = Traced(collector, custom_filter=lambda span: answers[span.name])
    for name in answers:
        traced.span(name)
    assert len(traced.events()) == 2
    traced.close()


def test_failing_filter_harms_nobody(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(span: Any) -> bool:
        raise KeyError(span.name)

    traced = Traced(collector, custom_filter=broken)
    traced.span("chat", CHAT)
    traced.span("chat", CHAT)
    assert len(traced.events()) == 2
    warned = [
        r for r in caplog.records if r.name == "sentrial.otel" and r.levelno == logging.WARNING
    ]
    assert len(warned) == 1
    traced.close()


def test_threads_of_one_trace_share_one_session(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("request") as root:
        inside = trace.set_span_in_context(root)
        barrier = threading.Barrier(8)

        def work() -> None:
            barrier.wait()
            for _ in range(20):
                traced.span("chat", CHAT, context=inside)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    (bodies,) = traced.sessions().values()
    assert len(bodies) == 1 + 160 + 1


def test_force_flush_tells_the_truth(collector: Collector) -> None:
    traced = Traced(collector)
    traced.collector.always("POST", EVENTS, Answer(503))
    traced.span("chat", CHAT)
    assert traced.processor.force_flush(200) is False
    traced.collector.clear_scripts()
    assert eventually(traced.processor.force_flush)
    traced.close()


def test_given_client_is_used_with_its_options(collector: Collector) -> None:
    """BEHAVIOUR P8: the processor of 0.6.0 has a client of its own, without `pii`."""
    client = SentrialClient(api_url=collector.url, api_key=KEY)
    processor = SentrialSpanProcessor(client=client)
    assert processor.client is client
    assert (processor.api_key, processor.api_url) == (KEY, collector.url)


def test_key_is_not_shown(collector: Collector) -> None:
    assert KEY not in repr(SentrialSpanProcessor(api_key=KEY, api_url=collector.url))


def test_project(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    def project(**options: Any) -> str:
        return SentrialSpanProcessor(api_key=KEY, api_url=collector.url, **options).project

    assert project() == "otel-traces"
    monkeypatch.setenv("SENTRIAL_PROJECT", "from-env")
    assert project() == "from-env"
    assert project(project="given") == "given"
