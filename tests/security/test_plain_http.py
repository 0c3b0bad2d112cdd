"""Plain http: to loopback freely, to private hosts with one warning, elsewhere not at all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import sentrial

from tests.support.sdk import KEY, messages

if TYPE_CHECKING:
    from tests.support.collector import Collector

PUBLIC = [
    "http://api.sentrial.com",
    "http://example.com:8080/base",
    "http://8.8.8.8",
    "http://1.1.1.1:3001",
    "http://172.32.0.1",
    "http://192.169.0.1",
    "http://11.0.0.1",
    "http://[2606:4700::1111]",
    "http://localhost.example.com",
    "http://127.0.0.1.example.com",
    "http://10.0.0.1.example.com",
    "http://internal.example.com",
    "http://example.localx",
    "http://127.0.0.1@example.com",
]

LOOPBACK = [
    "http://127.0.0.1:3001",
    "http://127.1.2.3",
    "http://localhost:3001",
    "http://LOCALHOST",
    "http://[::1]:3001",
    "http://app.localhost",
]

PRIVATE = [
    "http://10.1.2.3",
    "http://172.16.0.1",
    "http://172.31.255.1",
    "http://192.168.1.5:3001",
    "http://169.254.1.1",
    "http://[fe80::1]",
    "http://[fd00::1]",
    "http://sentrial",
    "http://sentrial:3001",
    "http://printer.local",
    "http://api.internal",
    "http://sentrial.tools.svc",
    "http://sentrial.tools.svc.cluster.local",
    "http://sentrial.test",
]


@pytest.mark.parametrize("url", PUBLIC)
@pytest.mark.parametrize("make", [sentrial.SentrialClient, sentrial.configure])
def test_a_public_host_is_refused(url: str, make: type[sentrial.SentrialClient]) -> None:
    with pytest.raises(sentrial.ConfigurationError) as caught:
        make(api_url=url, api_key=KEY)
    assert caught.value.parameter == "api_url"


@pytest.mark.parametrize("url", PUBLIC[:4])
def test_from_the_environment_too(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SENTRIAL_API_URL", url)
    with pytest.raises(sentrial.ConfigurationError, match="api_url"):
        sentrial.SentrialClient(api_key=KEY)


@pytest.mark.parametrize("url", PUBLIC[:4])
def test_permission_can_be_given(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    with caplog.at_level(logging.WARNING, "sentrial"):
        assert sentrial.SentrialClient(url, KEY, allow_http=True).api_url == url
        monkeypatch.setenv("SENTRIAL_ALLOW_HTTP", "1")
        assert sentrial.SentrialClient(url, KEY).api_url == url
    assert messages(caplog) == []


@pytest.mark.parametrize("url", LOOPBACK)
def test_loopback_needs_nothing(caplog: pytest.LogCaptureFixture, url: str) -> None:
    with caplog.at_level(logging.WARNING, "sentrial"):
        sentrial.SentrialClient(url, KEY)
    assert messages(caplog) == []


@pytest.mark.parametrize("url", PRIVATE)
def test_a_private_host_is_one_warning(caplog: pytest.LogCaptureFixture, url: str) -> None:
    with caplog.at_level(logging.WARNING, "sentrial"):
        client = sentrial.SentrialClient(url, KEY)
    assert client.api_url == url
    (line,) = messages(caplog)
    assert "http" in line
    assert KEY not in line


@pytest.mark.parametrize("url", ["https://example.com", "https://8.8.8.8", "https://sentrial"])
def test_https_is_always_fine(caplog: pytest.LogCaptureFixture, url: str) -> None:
    with caplog.at_level(logging.WARNING, "sentrial"):
        sentrial.SentrialClient(url, KEY)
    assert messages(caplog) == []


def test_a_key_is_not_sent_by_mistake_before_the_check(collector: Collector) -> None:
    with pytest.raises(sentrial.ConfigurationError):
        sentrial.SentrialClient("http://example.com", KEY, proxy=collector.url)
    assert collector.connections == 0
