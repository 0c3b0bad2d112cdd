"""The real Langfuse package, of the installed version, against a Langfuse on loopback."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("langfuse")

from sentrial import LangfuseIntegration, SentrialClient
from sentrial.integrations import versions

from tests.integrations.langfuse_upstream import Upstream
from tests.support.sdk import KEY, SESSIONS, client_for
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.collector import Collector

#: Langfuse 2 and 3 leave connections open.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

OTHER_KEY = "sk"

#: Each test has a key of its own: newer clients share what they have by their public key.
_numbers = iter(range(1_000_000))


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    # Their threads end within this time.
    monkeypatch.setenv("LANGFUSE_FLUSH_INTERVAL", "0.1")
    monkeypatch.setenv("LANGFUSE_MEDIA_UPLOAD_ENABLED", "false")
    with Upstream() as running:
        yield running


@pytest.fixture
def integration(upstream: Upstream) -> Iterator[LangfuseIntegration]:
    made = LangfuseIntegration(
        public_key=f"pk-{next(_numbers)}", secret_key=OTHER_KEY, host=upstream.url
    )
    yield made
    upstream.open()
    made.shutdown()


@pytest.fixture
def client(collector: Collector, integration: LangfuseIntegration) -> Iterator[SentrialClient]:
    made = client_for(collector, langfuse=integration)
    yield made
    made.close()


INSTALLED = versions.installed("langfuse") or (0,)


def newer() -> bool:
    return INSTALLED >= (3,)


def kind_of_tools() -> str:
    return "tool" if INSTALLED >= (3, 3, 1) else "span"


def test_f1_a_whole_session(client: SentrialClient, upstream: Upstream) -> None:
    """BEHAVIOUR F1: with Langfuse 3 and newer 0.6.0 mirrors nothing."""
    with client.begin("u1", "chat", "hello", event_id="evt-12345678-x") as work:
        work.track_tool_call("t", {"a": 1}, {"b": 2}, metadata={"m": 1})
        work.track_tool_call("bad", {}, {}, tool_error={"message": "oops"})
        work.track_decision("r", ["x"], 0.5, token_count=7)
        work.set_output("bye")
        session_id = work.session_id
    client.flush()
    trace = upstream.trace()
    assert trace.name == "chat"
    assert trace.user_id == "u1"
    assert (trace.input, trace.output) == ("hello", "bye")
    assert trace.metadata["sentrial_session_id"] == session_id
    assert trace.metadata["success"] is True
    assert trace.scores == {"success": 1.0}
    tool, bad = trace.of(kind_of_tools())
    assert (tool.name, tool.input, tool.output) == ("t", {"a": 1}, {"b": 2})
    assert tool.metadata == {"m": 1}
    assert (bad.name, bad.level, bad.status_message) == ("bad", "ERROR", "oops")
    (decision,) = trace.of("generation")
    assert decision.name == "llm_decision"
    assert decision.input == {"reasoning": "r", "alternatives": ["x"]}
    assert decision.output == {"confidence": 0.5}
    assert decision.usage["total"] == 7


def test_trace_id_is_that_of_the_session(client: SentrialClient, upstream: Upstream) -> None:
    with client.begin("u", "chat") as work:
        session_id = work.session_id
    client.flush()
    expected = session_id
    if newer():
        from langfuse import Langfuse

        expected = Langfuse.create_trace_id(seed=session_id)
    assert upstream.trace().id == expected


def test_f2_errors_llm_calls_and_calls_of_the_client(
    client: SentrialClient, upstream: Upstream
) -> None:
    """BEHAVIOUR F2: 0.6.0 mirrors only three methods of the interaction."""
    session = client.create_session("Support #1", "support", "u1")
    assert session is not None
    client.track_llm_call(
        session,
        "gpt-4o",
        [{"role": "user", "content": "hi"}],
        "hello",
        prompt_tokens=3,
        completion_tokens=2,
    )
    client.track_error(session, "boom", "ValueError", tool_name="t")
    client.track_state_change(session, {"step": 2})
    client.complete_session(session, success=False, custom_metrics={"quality": 4.5})
    client.flush()
    trace = upstream.trace()
    (call,) = trace.of("generation")
    assert (call.name, call.model) == ("llm:openai:gpt-4o", "gpt-4o")
    assert call.input == [{"role": "user", "content": "hi"}]
    assert call.output == "hello"
    assert (call.usage["input"], call.usage["output"], call.usage["total"]) == (3, 2, 5)
    error, change = trace.of("event")
    assert (error.level, error.status_message) == ("ERROR", "boom")
    assert error.input["type"] == "ValueError"
    assert error.metadata["toolName"] == "t"
    assert change.name == "state_change"
    assert trace.scores == {"success": 0.0, "quality": 4.5}


def test_f2_a_failed_llm_call(client: SentrialClient, upstream: Upstream) -> None:
    with client.begin("u", "chat") as work:
        client.track_llm_call(work, "gpt-4o", error="overloaded")
    client.flush()
    (call,) = upstream.trace().of("generation")
    assert (call.level, call.status_message) == ("ERROR", "overloaded")


def test_f3_the_program_does_not_wait_for_langfuse(
    client: SentrialClient, upstream: Upstream, collector: Collector
) -> None:
    """BEHAVIOUR F3: finish() of 0.6.0 waits until Langfuse has everything."""
    upstream.hang()
    before = {thread.ident for thread in threading.enumerate()}
    for n in range(3):
        with client.begin(f"u{n}", "chat") as work:
            work.track_tool_call("t", {}, {})
    # All of it is at our own server while Langfuse has not answered anything.
    collector.wait_for(9)
    assert upstream.traces() == []
    ours = [t for t in threading.enumerate() if t.name == "sentrial-mirror"]
    assert len(ours) == 1
    assert threading.current_thread().ident in before
    upstream.open()
    client.flush()
    eventually(lambda: len(upstream.traces()) == 3)


def test_threads_and_their_sessions_are_kept_apart(
    client: SentrialClient, upstream: Upstream
) -> None:
    def work(n: int) -> None:
        with client.begin(f"u{n}", "chat", f"input {n}") as interaction:
            for _ in range(5):
                interaction.track_tool_call(f"t{n}", {}, {})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    client.flush()
    eventually(lambda: len([t for t in upstream.traces() if t.scores]) == 6)
    for trace in upstream.traces():
        n = str(trace.user_id).removeprefix("u")
        assert [found.name for found in trace.observations] == [f"t{n}"] * 5


def test_sessions_that_are_refused_are_not_mirrored(
    client: SentrialClient, upstream: Upstream, collector: Collector
) -> None:
    collector.script("POST", SESSIONS, 400)
    with client.begin("u", "refused") as work:
        work.track_tool_call("t", {}, {})
    with client.begin("u", "taken"):
        pass
    client.flush()
    assert upstream.trace().name == "taken"


def test_global_provider_is_left_alone(client: SentrialClient, upstream: Upstream) -> None:
    """DESIGN rule 1: newer Langfuse clients put theirs in its place unless told otherwise."""
    trace = pytest.importorskip("opentelemetry.trace")
    with client.begin("u", "chat"):
        pass
    client.flush()
    upstream.trace()
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def test_client_of_the_program_is_used_and_stays_open(
    collector: Collector, upstream: Upstream
) -> None:
    from langfuse import Langfuse

    options: dict[str, Any] = {}
    if INSTALLED >= (3, 2):
        from opentelemetry.sdk.trace import TracerProvider

        options["tracer_provider"] = TracerProvider(shutdown_on_exit=False)
    own = Langfuse(
        public_key=f"pk-{next(_numbers)}", secret_key=OTHER_KEY, host=upstream.url, **options
    )
    integration = LangfuseIntegration(langfuse_client=own)
    assert integration.client is own
    client = client_for(collector, langfuse=integration)
    for name in ("one", "two"):
        with client.begin("u", name):
            pass
        client.close()
        integration.shutdown()
    eventually(lambda: len([t for t in upstream.traces() if t.scores]) == 2)
    own.shutdown()


def test_the_key_of_sentrial_does_not_reach_langfuse(
    client: SentrialClient, upstream: Upstream
) -> None:
    with client.begin("u", "chat", "hello"):
        pass
    client.flush()
    upstream.trace()
    assert all(KEY.encode() not in body for body in upstream.raw)


def test_calls_by_hand(integration: LangfuseIntegration, upstream: Upstream) -> None:
    from sentrial import LangfuseTraceContext

    context = LangfuseTraceContext(integration, "sess_1", "by hand", "u", "in", {"k": 1})
    context.track_tool_call("t", {"a": 1}, {"b": 2})
    context.track_llm_call("ask", "gpt-4o", "q", "a", 1, 2, 3)
    context.finish("out", True, {"score": 2.5})
    trace = upstream.trace()
    assert (trace.name, trace.input, trace.output) == ("by hand", "in", "out")
    assert trace.scores == {"success": 1.0, "score": 2.5}
    assert len(trace.observations) == 2
