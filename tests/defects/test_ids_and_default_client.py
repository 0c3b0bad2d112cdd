"""D11, D12, C11, C12: nothing goes to the wrong address, under a wrong id or without a key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.sdk import KEY, client_for

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector

UNCONFIGURED = """
    import json, os, sentrial

    @sentrial.tool
    def search(query):
        return query.upper()

    def use():
        sentrial.set_session_context("sess_1")
        return search("prompt of a user")

    results = [search("prompt"), use()]
    with sentrial.begin(user_id="u", event="agent", input="prompt of a user"):
        results.append(search("prompt"))
    sentrial.flush()
    from sentrial.decorators import get_current_client
    stats = get_current_client().stats()
    print(json.dumps([results, len(os.listdir("/proc/self/task")), stats["accepted"]]))
"""


def test_d11_completing_no_session_patches_no_session(collector: Collector) -> None:
    client = client_for(collector)
    for nothing in (None, ""):
        assert client.complete_session(nothing) == {}
        assert client.close_session(nothing) == {}
        assert client.update_session(nothing, status="failed") == {}
    client.flush()
    assert collector.requests() == []
    assert client.stats()["dropped"] == {"invalid": 6}


@pytest.mark.parametrize(
    ("session", "segment"),
    [
        ("a/../../admin", "a%2F..%2F..%2Fadmin"),
        ("x?admin=1", "x%3Fadmin%3D1"),
        ("x#y", "x%23y"),
        ("x y", "x%20y"),
        ("x%2e", "x%252e"),
        ("né", "n%C3%A9"),
        ("x\r\nHost: evil", "x%0D%0AHost%3A%20evil"),
    ],
)
def test_d11_ids_are_escaped_in_the_path(collector: Collector, session: str, segment: str) -> None:
    client = client_for(collector)
    client.complete_session(session)
    client.flush()
    (request,) = collector.requests()
    assert request.target.upper() == f"/api/sdk/sessions/{segment}".upper()
    assert request.session_named() == session


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize(
    "call",
    [
        lambda c, s: c.track_tool_call(s, "t", {}, {}),
        lambda c, s: c.track_decision(s, "r"),
        lambda c, s: c.track_error(s, "m"),
    ],
)
@pytest.mark.parametrize("batching", [None, True, False])
def test_c12_no_event_without_a_session_id(
    collector: Collector, call: Any, nothing: Any, batching: Any
) -> None:
    client = client_for(collector, batching=batching)
    assert call(client, nothing) == {}
    client.flush()
    assert collector.requests() == []


def test_c12_a_session_that_could_not_be_created_sends_nothing(collector: Collector) -> None:
    collector.always("POST", "/api/sdk/sessions", 400)
    client = client_for(collector)
    session = client.create_session("n")
    assert session is None
    client.track_decision(session, "r")
    client.complete_session(session)
    with client.begin("u", "agent") as interaction:
        interaction.track_decision("r")
    client.flush()
    assert {request.path for request in collector.requests()} == {"/api/sdk/sessions"}


@pytest.mark.parametrize("key", [KEY, f"  {KEY}\n", "sentrial_test_abc"])
def test_d12_a_key_given_first_is_the_key(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, key: str
) -> None:
    monkeypatch.setenv("SENTRIAL_API_URL", collector.url)
    client = sentrial.SentrialClient(key)
    assert (client.api_key, client.api_url) == (key.strip(), collector.url)
    client.track_decision("s", "r")
    client.flush()
    assert collector.requests()[0].token == key.strip()


def test_d12_the_documented_order_still_holds(collector: Collector) -> None:
    client = sentrial.SentrialClient(collector.url, KEY, False)
    assert (client.api_url, client.api_key, client.fail_silently) == (collector.url, KEY, False)


def test_c11_without_a_key_nothing_is_sent_to_production(run_python: RunPython) -> None:
    done = run_python(UNCONFIGURED)
    assert done.exit == 0
    results, threads, accepted = json.loads(done.stdout)
    assert results == ["PROMPT", "PROMPT OF A USER", "PROMPT"]
    assert (threads, accepted) == (1, 0)
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "SENTRIAL_API_KEY" in done.stderr
    assert done.elapsed < 5
