"""Without an API key: sent bare to loopback; elsewhere an error if loud, else one warning."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.sdk import client_for, messages

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector

ELSEWHERE = "https://api.sentrial.com"

NO_OP = """
    import json, os, sentrial

    {how}
    session = client.create_session("n")
    with client.begin("u", "agent", input="q") as interaction:
        results = [session, interaction.session_id, sentrial.get_session_context()]
        results.append(interaction.track_decision("r"))
    results += [client.track_tool_call("s", "t", {{}}, {{}}), client.complete_session("s")]
    client.flush()
    client.close()
    sentrial.flush()
    print(json.dumps([results, len(os.listdir("/proc/self/task"))]))
"""


@pytest.mark.parametrize("by", ["url", "url_by_name"])
def test_on_loopback_requests_go_without_the_header(collector: Collector, by: str) -> None:
    client = client_for(getattr(collector, by), api_key=None)
    assert client.create_session("n") == "sess_anonymous_n_1"
    client.flush()
    assert "authorization" not in collector.requests()[0].headers


def test_a_loud_client_on_loopback_needs_none_either(collector: Collector) -> None:
    client = client_for(collector, api_key=None, fail_silently=False)
    assert client.track_decision("s", "r")["sessionId"] == "s"


@pytest.mark.parametrize("options", [{}, {"batching": True}, {"batching": False}])
def test_elsewhere_a_loud_client_raises_before_any_traffic(options: dict[str, Any]) -> None:
    with pytest.raises(sentrial.AuthenticationError, match="SENTRIAL_API_KEY") as caught:
        sentrial.SentrialClient(ELSEWHERE, fail_silently=False, **options)
    assert caught.value.status_code == 401
    assert caught.value.body is None


def test_elsewhere_configure_raises_if_loud_and_keeps_the_old_default(
    collector: Collector,
) -> None:
    sentrial.configure(api_key="sentrial_live_old", api_url=collector.url)
    with pytest.raises(sentrial.AuthenticationError):
        sentrial.configure(api_url=ELSEWHERE, fail_silently=False)
    sentrial.begin("u", "agent").finish()
    sentrial.flush()
    assert len(collector.requests()) == 2


@pytest.mark.parametrize(
    "how",
    [
        f"client = sentrial.SentrialClient({ELSEWHERE!r})",
        "from sentrial.decorators import get_current_client; client = get_current_client()",
        "sentrial.configure(); from sentrial.client import _default as client",
        "os.environ['SENTRIAL_API_KEY'] = '  '; client = sentrial.SentrialClient()",
    ],
)
def test_elsewhere_a_silent_client_does_nothing_after_one_warning(
    run_python: RunPython, how: str
) -> None:
    done = run_python(NO_OP.format(how=how))
    assert done.exit == 0
    results, threads = json.loads(done.stdout)
    assert results == [None, None, None, {}, {}, {}]
    assert threads == 1
    (line,) = done.stderr.splitlines()
    assert "SENTRIAL_API_KEY" in line


def test_the_warning_says_how_to_set_the_key(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "sentrial"):
        client = sentrial.SentrialClient()
        for _ in range(5):
            client.track_decision("s", "r")
    (line,) = messages(caplog)
    assert "SENTRIAL_API_KEY" in line
    assert "api_key" in line
    assert client.stats()["disabled"] == 5


def test_a_key_given_later_brings_the_client_to_life(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    """A client without a key is a no-op, and `api_key = ...` is how a client gets one."""
    monkeypatch.setenv("SENTRIAL_ALLOW_HTTP", "1")
    client = client_for("http://sentrial.test", api_key=None, proxy=collector.url)
    assert client.create_session("n") is None
    client.api_key = "sentrial_live_later"
    assert client.create_session("n") is not None
    assert collector.requests()[0].headers["authorization"] == "Bearer sentrial_live_later"


def test_a_key_taken_away_leaves_nothing_to_send_with(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    monkeypatch.setenv("SENTRIAL_ALLOW_HTTP", "1")
    client = client_for("http://sentrial.test", proxy=collector.url)
    client.api_key = None
    client.track_decision("s", "nothing goes out without authentication")
    client.flush(1)
    assert collector.requests() == []
    assert client.api_key is None
