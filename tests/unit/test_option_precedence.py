"""Where an option comes from: argument before environment before default, seen by its effect."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.answers import HANG, Answer
from tests.support.sdk import EVENTS, KEY, SESSIONS, client_for, last_body, loud

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.collector import Collector


def seconds(work: Callable[[], Any]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def test_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sentrial.SentrialClient(api_key=KEY).api_url == "https://api.sentrial.com"
    monkeypatch.setenv("SENTRIAL_API_URL", " https://env.example/base// ")
    assert sentrial.SentrialClient(api_key=KEY).api_url == "https://env.example/base"
    given = sentrial.SentrialClient("https://given.example/", KEY)
    assert given.api_url == "https://given.example"
    assert sentrial.SentrialClient("", KEY).api_url == "https://env.example/base"
    monkeypatch.setenv("SENTRIAL_API_URL", "  ")
    assert sentrial.SentrialClient(api_key=KEY).api_url == "https://api.sentrial.com"


def test_the_key(monkeypatch: pytest.MonkeyPatch, collector: Collector) -> None:
    monkeypatch.setenv("SENTRIAL_API_KEY", "sentrial_live_env\n")
    assert sentrial.SentrialClient().api_key == "sentrial_live_env"
    assert sentrial.SentrialClient(api_key="").api_key == "sentrial_live_env"
    given = client_for(collector, api_key=" sentrial_live_given ")
    assert given.api_key == "sentrial_live_given"
    given.track_decision("s", "r")
    given.flush()
    assert collector.requests()[0].headers["authorization"] == "Bearer sentrial_live_given"


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_timeout(monkeypatch: pytest.MonkeyPatch, collector: Collector, source: str) -> None:
    collector.always("POST", EVENTS, HANG)
    monkeypatch.setenv("SENTRIAL_TIMEOUT", "20" if source == "argument" else "0.3")
    client = loud(collector, timeout=0.3 if source == "argument" else None)

    def call() -> None:
        with pytest.raises(sentrial.APITimeoutError):
            client.track_decision("s", "r")

    assert 0.25 < seconds(call) < 3


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_max_retries(monkeypatch: pytest.MonkeyPatch, collector: Collector, source: str) -> None:
    collector.always("POST", EVENTS, 500)
    monkeypatch.setenv("SENTRIAL_MAX_RETRIES", "0" if source == "argument" else "1")
    client = loud(collector, max_retries=1 if source == "argument" else None)
    with pytest.raises(sentrial.ServerError):
        client.track_decision("s", "r")
    assert len(collector.requests()) == 2


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_wait_timeout(monkeypatch: pytest.MonkeyPatch, collector: Collector, source: str) -> None:
    collector.always("POST", SESSIONS, HANG)
    monkeypatch.setenv("SENTRIAL_WAIT_TIMEOUT", "9" if source == "argument" else "0.3")
    client = client_for(collector, wait_timeout=0.3 if source == "argument" else None)
    results = []
    assert 0.25 < seconds(lambda: results.append(client.create_session("n"))) < 3
    assert results == [None]


def test_a_wait_timeout_of_zero_never_waits(collector: Collector) -> None:
    collector.always("POST", SESSIONS, Answer(delay=1))
    client = client_for(collector, wait_timeout=0)
    assert seconds(lambda: client.create_session("n")) < 0.5


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_shutdown_timeout(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, source: str
) -> None:
    collector.always("POST", EVENTS, HANG)
    monkeypatch.setenv("SENTRIAL_SHUTDOWN_TIMEOUT", "9" if source == "argument" else "0.3")
    client = client_for(collector, shutdown_timeout=0.3 if source == "argument" else None)
    client.track_decision("s", "r")
    assert 0.25 < seconds(client.close) < 2.5


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_shutdown_max(monkeypatch: pytest.MonkeyPatch, collector: Collector, source: str) -> None:
    collector.always("POST", EVENTS, Answer(delay=0.1))
    monkeypatch.setenv("SENTRIAL_SHUTDOWN_MAX", "15" if source == "argument" else "0.5")
    client = client_for(collector, shutdown_max=0.5 if source == "argument" else None)
    for number in range(60):
        client.track_decision("s", f"{number}")
    assert 0.4 < seconds(client.close) < 2.5


@pytest.mark.parametrize(("value", "peak"), [(None, 1), (3, 3)])
def test_session_concurrency(collector: Collector, value: int | None, peak: int) -> None:
    client = client_for(collector, session_concurrency=value)
    with collector.gate():
        for number in range(8):
            client.track_decision("s", f"{number}")
        collector.wait_for(peak)
    client.flush()
    assert collector.peak_in_flight == peak
    assert len(collector.requests()) == 8


def test_max_event_bytes(collector: Collector) -> None:
    small, usual = client_for(collector, max_event_bytes=4096), client_for(collector)
    for client in (small, usual):
        client.track_tool_call("s", "t", {"text": "x" * 100_000}, {"text": "y" * 100_000})
        client.flush()
    cut, whole = (len(request.body) for request in collector.requests())
    assert cut < 10_000
    assert whole > 200_000


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_project_id(monkeypatch: pytest.MonkeyPatch, collector: Collector, source: str) -> None:
    monkeypatch.setenv("SENTRIAL_PROJECT_ID", "other" if source == "argument" else "mine")
    client = client_for(collector, project_id="mine" if source == "argument" else None)
    client.create_session("n")
    assert last_body(client, collector)["projectId"] == "mine"


def test_allow_http(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "http://api.example.com"
    assert sentrial.SentrialClient(address, KEY, allow_http=True).api_url == address
    monkeypatch.setenv("SENTRIAL_ALLOW_HTTP", "1")
    assert sentrial.SentrialClient(address, KEY).api_url == address
    with pytest.raises(sentrial.ConfigurationError, match="api_url"):
        sentrial.SentrialClient(address, KEY, allow_http=False)


@pytest.mark.parametrize(
    ("variable", "options", "immediate"),
    [
        (None, {}, False),
        ("immediate", {}, True),
        ("IMMEDIATE", {}, True),
        ("background", {}, False),
        ("background", {"batching": False}, True),
        ("immediate", {"batching": True}, False),
        ("background", {"fail_silently": False}, True),
        ("immediate", {"fail_silently": False, "batching": True}, False),
    ],
)
def test_the_mode_of_delivery(
    monkeypatch: pytest.MonkeyPatch,
    collector: Collector,
    variable: str | None,
    options: dict[str, Any],
    *,
    immediate: bool,
) -> None:
    if variable is not None:
        monkeypatch.setenv("SENTRIAL_DELIVERY", variable)
    client = client_for(collector, **options)
    collector.always("POST", EVENTS, Answer(delay=0.3))
    waited = seconds(lambda: client.track_decision("s", "r")) > 0.25
    assert waited is immediate
    client.flush()


BAD_ARGUMENTS = [
    *[(name, bad) for name in ("timeout", "wait_timeout", "shutdown_timeout", "shutdown_max")
      for bad in (-1, float("nan"), float("inf"), "5", True)],
    ("timeout", 0),
    *[(name, bad) for name in ("max_retries", "max_state_bytes") for bad in (-1, 1.5, "3", True)],
    *[(name, 0) for name in ("session_concurrency", "max_event_bytes")],
    ("spool", "sometimes"),
    ("proxy", "ftp://proxy"),
    ("spool_dir", 7),
    ("ca_file", 7),
    ("api_url", "ftp://api.sentrial.com"),
    ("api_url", "api.sentrial.com"),
    ("api_key", "sentrial_live_a b"),
    ("api_key", "sentrial_live_a\nb"),
]  # fmt: skip


@pytest.mark.parametrize("make", [sentrial.SentrialClient, sentrial.configure])
@pytest.mark.parametrize(("name", "bad"), BAD_ARGUMENTS)
def test_a_bad_argument_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, make: Any, name: str, bad: Any
) -> None:
    monkeypatch.setattr("sentrial.client._default", None)
    with pytest.raises(sentrial.ConfigurationError) as caught:
        make(**({"api_key": KEY} | {name: bad}))
    assert caught.value.parameter == name
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("variable", "parameter", "bad"),
    [
        ("SENTRIAL_API_URL", "api_url", "ftp://api.sentrial.com"),
        ("SENTRIAL_API_KEY", "api_key", "sentrial_live_a b"),
    ],
)
def test_a_bad_address_or_key_from_the_environment_raises_too(
    monkeypatch: pytest.MonkeyPatch, variable: str, parameter: str, bad: str
) -> None:
    monkeypatch.setenv("SENTRIAL_API_KEY", KEY)
    monkeypatch.setenv(variable, bad)
    with pytest.raises(sentrial.ConfigurationError) as caught:
        sentrial.SentrialClient()
    assert caught.value.parameter == parameter


def test_a_path_can_be_given_as_one(tmp_path: Path) -> None:
    sentrial.SentrialClient(api_key=KEY, spool_dir=tmp_path, ca_file=tmp_path / "ca.pem")


def test_pathlib_is_not_needed(tmp_path: Path) -> None:
    sentrial.SentrialClient(api_key=KEY, spool_dir=str(tmp_path))
