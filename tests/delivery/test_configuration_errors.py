"""Configuration that cannot work is refused at once, with the name of the parameter."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import client as client_module

from tests.delivery.helpers import KEY, call, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.collector import Collector

LOOPBACK = "http://127.0.0.1:9"

SECONDS = ["timeout", "wait_timeout", "shutdown_timeout", "shutdown_max"]
COUNTS = ["max_retries", "session_concurrency", "max_state_bytes", "max_event_bytes"]
BAD_SECONDS = [-1, -0.001, float("nan"), float("inf"), float("-inf"), "5", "x", [], True]
BAD_COUNTS = [-1, -(10**30), 1.5, float("nan"), float("inf"), "3", {}, True]

MAKERS: dict[str, Callable[..., Any]] = {
    "constructor": sentrial.SentrialClient,
    "configure": sentrial.configure,
}


@pytest.fixture(autouse=True)
def fresh_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_default", None)


@pytest.fixture(params=MAKERS.values(), ids=MAKERS.keys())
def make(request: pytest.FixtureRequest) -> Callable[..., Any]:
    maker: Callable[..., Any] = request.param
    return maker


def check_names(caught: pytest.ExceptionInfo[Any], parameter: str) -> None:
    assert caught.value.parameter == parameter
    assert str(caught.value).startswith(f"{parameter}: ")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, sentrial.SentrialError)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", BAD_SECONDS, ids=repr)
def test_bad_seconds(make: Callable[..., Any], name: str, value: Any) -> None:
    with pytest.raises(sentrial.ConfigurationError) as caught:
        make(api_url=LOOPBACK, api_key=KEY, **{name: value})
    check_names(caught, name)


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", BAD_COUNTS, ids=repr)
def test_bad_counts(make: Callable[..., Any], name: str, value: Any) -> None:
    with pytest.raises(sentrial.ConfigurationError) as caught:
        make(api_url=LOOPBACK, api_key=KEY, **{name: value})
    check_names(caught, name)


@pytest.mark.parametrize("name", ["timeout", "session_concurrency", "max_event_bytes"])
def test_zero_where_it_makes_no_sense(make: Callable[..., Any], name: str) -> None:
    with pytest.raises(sentrial.ConfigurationError) as caught:
        make(api_url=LOOPBACK, api_key=KEY, **{name: 0})
    check_names(caught, name)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "not a url",
        "example.com",
        "//example.com",
        "http://",
        "https://",
        "http://[::1",
        "http://exa mple.com",
        "https://example.com:99999",
        "http://example.com",
        "http://8.8.8.8",
    ],
)
def test_bad_addresses(make: Callable[..., Any], url: str) -> None:
    with pytest.raises(sentrial.ConfigurationError) as caught:
        make(api_url=url, api_key=KEY)
    check_names(caught, "api_url")


@pytest.mark.parametrize("name", ["api_url", "api_key", "spool", "proxy", "project_id"])
@pytest.mark.parametrize("value", [5, b"bytes", ["list"], object()], ids=repr)
def test_text_of_another_type(make: Callable[..., Any], name: str, value: Any) -> None:
    given = {"api_url": LOOPBACK, "api_key": KEY} | {name: value}
    with pytest.raises((sentrial.ConfigurationError, TypeError), match=name):
        make(**given)


@pytest.mark.parametrize(
    "key",
    [
        "sentrial_live_a b",
        "sentrial_live_a\tb",
        "sentrial_live_a\nb",
        "sentrial_live_a\r\nX-Injected: 1",
        "sentrial_live_\0",
        "sentrial_live_a\x7fb",
    ],
    ids=repr,
)
def test_keys_with_white_space_or_control_characters_inside(
    make: Callable[..., Any], key: str
) -> None:
    with pytest.raises(sentrial.ConfigurationError) as caught:
        make(api_url=LOOPBACK, api_key=key)
    check_names(caught, "api_key")
    assert key not in str(caught.value)
    assert "live_a" not in str(caught.value).replace("sentrial_live_…", "")


def test_white_space_around_a_key_is_no_error(collector: Collector) -> None:
    client = sentrial.SentrialClient(api_url=f" {collector.url}/ ", api_key=f"  {KEY}\r\n")
    call(client, "t", "s")
    client.flush()
    assert [request.token for request in collector.requests()] == [KEY]


def test_a_key_of_another_shape_is_sent_as_it_is_after_one_warning(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    key = "sk-a-key-of-some-other-kind"
    client = sentrial.SentrialClient(api_url=collector.url, api_key=key)
    for n in range(3):
        call(client, f"t{n}", "s")
    client.flush()
    assert {request.token for request in collector.requests()} == {key}
    (warning,) = said(caplog)
    assert "does not look like a Sentrial key" in warning
    assert "some-other" not in warning


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"flush_interval": -1}, "flush_interval"),
        ({"flush_interval": float("nan")}, "flush_interval"),
        ({"flush_threshold": 0}, "flush_threshold"),
        ({"max_queue_size": -5}, "max_queue_size"),
        ({"max_queue_size": "many"}, "max_queue_size"),
        ({"flush_intervall": 1}, "flush_intervall"),
        ("yes", "batching"),
        (7, "batching"),
    ],
)
def test_bad_batching(make: Callable[..., Any], config: Any, name: str) -> None:
    with pytest.raises(sentrial.ConfigurationError, match=name):
        make(api_url=LOOPBACK, api_key=KEY, batching=config)


@pytest.mark.parametrize(
    ("variable", "value", "parameter"),
    [
        ("SENTRIAL_API_URL", "ftp://example.com", "api_url"),
        ("SENTRIAL_API_KEY", "sentrial_live_a b", "api_key"),
    ],
)
def test_a_bad_address_or_key_in_the_environment_raises_too(
    make: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    parameter: str,
) -> None:
    monkeypatch.setenv("SENTRIAL_API_URL", LOOPBACK)
    monkeypatch.setenv("SENTRIAL_API_KEY", KEY)
    monkeypatch.setenv(variable, value)
    with pytest.raises(sentrial.ConfigurationError) as caught:
        make()
    check_names(caught, parameter)


@pytest.mark.parametrize(
    "variable",
    [
        "SENTRIAL_TIMEOUT",
        "SENTRIAL_MAX_RETRIES",
        "SENTRIAL_SHUTDOWN_TIMEOUT",
        "SENTRIAL_WAIT_TIMEOUT",
        "SENTRIAL_SHUTDOWN_MAX",
        "SENTRIAL_DELIVERY",
        "SENTRIAL_SPOOL",
        "SENTRIAL_ALLOW_HTTP",
    ],
)
def test_another_malformed_variable_is_one_warning_and_the_default(
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, "banana")
    client = sentrial.SentrialClient(api_url=collector.url, api_key=KEY)
    assert len(said(caplog)) == 1, caplog.text
    assert variable in said(caplog)[0]
    call(client, "t", "s")
    client.flush()
    assert len(collector.requests()) == 1


def test_the_default_client_made_by_itself_never_raises(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, collector: Collector
) -> None:
    monkeypatch.setenv("SENTRIAL_API_URL", "ftp://example.com")
    with sentrial.begin("u", "chat") as interaction:
        assert call(interaction, "t") == {}
    assert interaction.session_id is None
    sentrial.begin("u", "chat").finish()
    sentrial.flush()
    assert len(said(caplog)) == 1, caplog.text
    assert "api_url" in said(caplog)[0]
    sentrial.configure(api_url=collector.url, api_key=KEY)
    sentrial.begin("u", "chat").finish()
    sentrial.flush()
    assert len(collector.requests()) == 2


def test_a_missing_key_is_one_warning_or_loud_an_error_before_any_traffic(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    client = sentrial.SentrialClient(api_url="https://api.example.invalid")
    assert len(said(caplog)) == 1
    assert "SENTRIAL_API_KEY" in said(caplog)[0]
    assert call(client, "t", "s") == {}
    assert client.begin("u", "chat").finish() == {}
    assert client.stats()["accepted"] == 0
    with pytest.raises(sentrial.AuthenticationError):
        sentrial.SentrialClient(api_url="https://api.example.invalid", fail_silently=False)
