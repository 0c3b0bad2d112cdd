"""Langfuse's HTTP interface, where its own client cannot be made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sentrial import LangfuseIntegration, _lifecycle
from sentrial.integrations import langfuse, langfuse_ingestion, versions
from sentrial.integrations.langfuse_ingestion import Ingestion

from tests.integrations.langfuse_upstream import Upstream
from tests.support.answers import Answer
from tests.support.sdk import client_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.collector import Collector

PATH = "/api/public/ingestion"
SECRET = "sk-lf-very-secret"  # noqa: S105  made up


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def langfuse_at(collector: Collector) -> Ingestion:
    answering(collector)
    return Ingestion("pk", SECRET, collector.url)


def answering(collector: Collector, *first: Answer | int) -> None:
    """Let it answer so at first, and take everything from then on."""
    collector.clear_scripts()
    collector.script("POST", PATH, *first)
    collector.always("POST", PATH, Answer(json={"successes": [], "errors": []}))


def sent(collector: Collector) -> list[list[dict[str, Any]]]:
    return [body["batch"] for body in collector.bodies("POST", PATH)]


def one_of_each(client: Ingestion) -> None:
    trace = client.trace(id="sess_1", name="n", user_id="u", input="i", metadata={"a": 1})
    span = trace.span(name="tool", input={"q": 1}, metadata=None)
    span.end(output={"o": 1}, level="ERROR", status_message="m")
    trace.generation(
        name="g",
        model="m",
        input=[1],
        output="o",
        usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        metadata=None,
    )
    trace.event(name="e", input={}, metadata=None, level="ERROR", status_message="x")
    trace.update(output="out", metadata={"success": True})
    trace.score(name="success", value=1.0, comment=None)


@pytest.mark.parametrize("told", ["ahead", "by an error"])
def test_it_takes_over_when_no_thread_can_be_started(
    collector: Collector, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    """At the end of a program Python 3.12 starts no thread, and clients of Langfuse need some."""
    monkeypatch.setattr(versions, "is_importable", lambda _: True)
    if told == "ahead":
        monkeypatch.setattr(_lifecycle, "refuses_threads", True)
    else:

        def refused(_: object) -> None:
            raise RuntimeError("can't create new thread at interpreter shutdown")

        monkeypatch.setattr(langfuse, "_make_of_langfuse", refused)
    integration = LangfuseIntegration(public_key="pk", secret_key=SECRET, host=upstream.url)
    client = client_for(collector, langfuse=integration)
    with client.begin("u1", "chat", "hello") as work:
        work.track_tool_call("t", {"a": 1}, {"b": 2}, metadata={"m": 1})
        work.track_tool_call("bad", {}, {}, tool_error={"message": "oops"})
        work.track_decision("r", ["x"], 0.5, token_count=7)
        work.set_output("bye")
        session_id = work.session_id
    client.close()
    assert isinstance(integration.client, Ingestion)
    (trace,) = upstream.traces()
    assert trace.id == langfuse_ingestion.trace_id(session_id)
    assert (trace.name, trace.user_id) == ("chat", "u1")
    assert (trace.input, trace.output) == ("hello", "bye")
    assert trace.metadata["success"] is True
    assert trace.scores == {"success": 1.0}
    tool, bad = trace.of("span")
    assert (tool.name, tool.input, tool.output) == ("t", {"a": 1}, {"b": 2})
    assert (bad.level, bad.status_message) == ("ERROR", "oops")
    (decision,) = trace.of("generation")
    assert decision.usage["total"] == 7


def test_other_errors_of_a_client_are_not_taken_for_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr(versions, "is_importable", lambda _: True)
    monkeypatch.setattr(langfuse, "_make_of_langfuse", broken)
    integration = LangfuseIntegration(public_key="pk", secret_key=SECRET, fail_silently=False)
    with pytest.raises(RuntimeError, match="something else"):
        integration.create_trace("s", "n", "u")


@pytest.mark.skipif((versions.installed("langfuse") or (0,))[0] != 2, reason="needs Langfuse 2")
def test_it_says_what_langfuse_2_says(upstream: Upstream) -> None:
    from langfuse import Langfuse

    own = Langfuse(public_key="pk", secret_key=SECRET, host=upstream.url)
    ours = Ingestion("pk", SECRET, upstream.url)
    told = []
    for client in (own, ours):
        upstream.raw.clear()
        one_of_each(client)
        client.flush()
        batches = [json.loads(body)["batch"] for body in upstream.raw]
        told.append([without_chance(event) for batch in batches for event in batch])
    own.shutdown()
    for event in told[1]:
        # Ours comes when the call is over, and says so.
        if event["type"] == "generation-create":
            assert event["body"].pop("endTime")
    assert told[0] == told[1]


def without_chance(event: dict[str, Any]) -> dict[str, Any]:
    body = {
        key: "*" if key in ("timestamp", "startTime", "endTime") else value
        for key, value in event["body"].items()
        if key != "id" or event["type"] == "trace-create"
    }
    assert event["id"]
    assert event["timestamp"].endswith("Z")
    return {"type": event["type"], "body": body}


def test_the_trace_has_the_id_that_the_installed_version_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(versions, "installed", lambda _: (2, 60))
    assert langfuse_ingestion.trace_id("sess_1") == "sess_1"
    monkeypatch.setattr(versions, "installed", lambda _: (3, 1))
    assert langfuse_ingestion.trace_id("sess_1") == "8ac3c66dc34f8a4c3d25dd9a8abb2917"
    assert langfuse_ingestion.trace_id(None) != langfuse_ingestion.trace_id(None)


def test_it_authenticates_with_both_keys(langfuse_at: Ingestion, collector: Collector) -> None:
    langfuse_at.put("sdk-log", {})
    langfuse_at.flush()
    (request,) = collector.requests("POST", PATH)
    # base64 of "pk:" and the secret.
    assert request.headers["authorization"] == "Basic cGs6c2stbGYtdmVyeS1zZWNyZXQ="


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_work_later_is_sent_later(
    langfuse_at: Ingestion, collector: Collector, status: int
) -> None:
    answering(collector, status)
    one_of_each(langfuse_at)
    with pytest.raises(OSError, match=str(status)):
        langfuse_at.flush()
    langfuse_at.flush()
    first, second = sent(collector)
    assert first == second


def test_without_an_answer_it_is_sent_later(langfuse_at: Ingestion, collector: Collector) -> None:
    answering(collector, Answer(reset="before"))
    langfuse_at.put("sdk-log", {"n": 1})
    with pytest.raises(OSError):  # noqa: PT011  the words are the platform's
        langfuse_at.flush()
    langfuse_at.flush()
    first, second = sent(collector)
    assert first == second


def test_what_is_refused_is_not_sent_again(langfuse_at: Ingestion, collector: Collector) -> None:
    answering(collector, 401)
    langfuse_at.put("sdk-log", {})
    with pytest.raises(OSError, match="401") as refused:
        langfuse_at.flush()
    assert SECRET not in repr(refused.value)
    langfuse_at.flush()
    assert len(sent(collector)) == 1


def test_single_events_that_are_refused_are_an_error(
    langfuse_at: Ingestion, collector: Collector
) -> None:
    answer = {"successes": [], "errors": [{"id": "1", "status": 400, "message": "bad body"}]}
    answering(collector, Answer(207, json=answer))
    langfuse_at.put("sdk-log", {})
    with pytest.raises(OSError, match=r"refused 1 of the events: .*bad body"):
        langfuse_at.flush()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_keys_go_to_no_other_address(
    langfuse_at: Ingestion, collector: Collector, upstream: Upstream, status: int
) -> None:
    answering(collector, Answer(status, headers={"Location": upstream.url + PATH}))
    langfuse_at.put("sdk-log", {})
    with pytest.raises(OSError, match=str(status)):
        langfuse_at.flush()
    assert upstream.raw == []


def test_batches_are_bounded(
    langfuse_at: Ingestion, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(langfuse_ingestion, "MAX_BATCH_BYTES", 2_000)
    for n in range(langfuse_ingestion.MAX_BATCH):
        langfuse_at.put("sdk-log", {"n": n, "long": "x" * (3_000 if n == 50 else 300)})
    # So many are sent without waiting for a flush.
    told = [event["body"]["n"] for batch in sent(collector) for event in batch]
    assert told == list(range(100))
    sizes = [len(json.dumps(batch)) for batch in sent(collector)]
    assert sorted(sizes)[-2] < 2_500 < max(sizes)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"public_key": "pk"}, "secret_key"),
        ({"secret_key": SECRET}, "public_key"),
        ({"public_key": "pk", "secret_key": SECRET, "host": "file:///etc"}, "http"),
    ],
)
def test_what_it_cannot_use_is_an_error(
    options: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PUBLIC_KEY", "SECRET_KEY", "HOST", "BASE_URL"):
        monkeypatch.delenv(f"LANGFUSE_{name}", raising=False)
    with pytest.raises(ValueError, match=said) as error:
        Ingestion(**options)
    assert SECRET not in str(error.value)


def test_it_knows_the_variables_of_langfuse(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.always("POST", PATH, Answer(json={}))
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", SECRET)
    monkeypatch.setenv("LANGFUSE_HOST", collector.url)
    client = Ingestion()
    client.put("sdk-log", {})
    client.shutdown()
    assert len(sent(collector)) == 1
