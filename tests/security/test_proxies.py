"""Proxies: from the environment and by option; the key goes to the API, not to the proxy."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import sentrial
import trustme

from tests.security.forward_proxy import ForwardProxy
from tests.support.collector import Collector
from tests.support.sdk import EVENTS, KEY, loud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import RunPython

#: Loopback would not show whether the proxy was asked; this name is known to nobody.
PLAIN = "http://sentrial.internal"

USE = """
    import sentrial

    client = sentrial.SentrialClient(fail_silently=False, max_retries=0)
    client.track_decision("s", "r")
"""


@pytest.fixture
def proxy(collector: Collector) -> Iterator[ForwardProxy]:
    with ForwardProxy(collector.port) as running:
        yield running


def test_the_option_is_used(collector: Collector, proxy: ForwardProxy) -> None:
    loud(PLAIN, proxy=proxy.url).track_decision("s", "r")
    (request,) = collector.requests()
    assert request.target == f"{PLAIN}{EVENTS}"
    assert request.token == KEY


def test_the_option_may_leave_the_scheme_out(collector: Collector, proxy: ForwardProxy) -> None:
    loud(PLAIN, proxy=f"127.0.0.1:{proxy.port}").track_decision("s", "r")
    assert len(collector.requests()) == 1


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_the_environment_is_used(
    collector: Collector, proxy: ForwardProxy, run_python: RunPython, name: str
) -> None:
    env = {name: proxy.url, "SENTRIAL_API_URL": PLAIN, "SENTRIAL_API_KEY": KEY}
    done = run_python(USE, env=env)
    assert done.exit == 0, done.stderr
    assert collector.requests()[0].token == KEY
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "app.localhost", "localhost."])
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_this_machine_is_reached_directly(
    collector: Collector, proxy: ForwardProxy, run_python: RunPython, name: str, host: str
) -> None:
    """Also past a proxy on this machine: neither key nor payload of a local server go to it."""
    env = {name: proxy.url, "SENTRIAL_API_KEY": KEY}
    run_python(USE, env=env | {"SENTRIAL_API_URL": f"http://{host}:{collector.port}"}).ok()
    assert len(collector.requests()) == 1
    assert proxy.heads == []


LISTS = {
    "star": "*",
    "star in a list": "a.test, *",
    "name": "sentrial.internal",
    "ending": ".internal",
    "star and ending": "*.internal",
    "port": "sentrial.internal:80",
    "blanks": "a.test sentrial.internal",
    "semicolons": "a.test;sentrial.internal",
    "upper case": "SENTRIAL.Internal.",
}


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("value", LISTS.values(), ids=LISTS)
def test_no_proxy_is_honoured(
    proxy: ForwardProxy, run_python: RunPython, name: str, value: str
) -> None:
    env = {"HTTP_PROXY": proxy.url, name: value}
    done = run_python(USE, env=env | {"SENTRIAL_API_URL": PLAIN, "SENTRIAL_API_KEY": KEY})
    assert "look-up failed" in done.stderr
    assert proxy.heads == []


@pytest.mark.parametrize(
    "value", ["::::", "none://x", "http://us er:p#x@[bad", "socks5://a.test:1"]
)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_malformed_variable_stops_nothing_and_is_one_warning(
    collector: Collector, run_python: RunPython, name: str, value: str
) -> None:
    env = {name: value, "SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY}
    done = run_python(USE, env=env)
    assert done.exit == 0, done.stderr
    assert len(collector.requests()) == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name}: ")


def test_the_option_beats_the_environment(
    collector: Collector, proxy: ForwardProxy, refusing: str, run_python: RunPython
) -> None:
    code = USE.replace("max_retries=0", f"max_retries=0, proxy={proxy.url!r}")
    env = {"HTTP_PROXY": refusing, "NO_PROXY": "sentrial.internal"}
    done = run_python(code, env=env | {"SENTRIAL_API_URL": PLAIN, "SENTRIAL_API_KEY": KEY})
    assert done.exit == 0, done.stderr
    assert len(collector.requests()) == 1


def test_the_environment_at_the_time_of_the_client_counts(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, proxy: ForwardProxy
) -> None:
    """A program that reads its .env after the first event must not send past the proxy."""
    loud(collector).track_decision("s", "first")
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    loud(PLAIN).track_decision("s", "second")
    assert len(collector.requests()) == 2


def test_https_goes_through_a_tunnel_that_shows_neither_key_nor_body(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("sentrial.internal").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    with Collector(ssl_context=context) as server, ForwardProxy(server.port) as proxy:
        client = loud("https://sentrial.internal", proxy=proxy.url, ca_file=ca_file)
        client.track_decision("s", "words of the user")
        assert server.requests()[0].token == KEY
    (head,) = proxy.heads
    assert head.startswith("CONNECT sentrial.internal:443 ")
    assert KEY not in head
    assert "authorization" not in head.lower().replace("proxy-authorization", "")


def test_credentials_of_a_proxy_reach_it_and_show_nowhere(
    collector: Collector, proxy: ForwardProxy, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"http://user:hunter2-hunter2@127.0.0.1:{proxy.port}"
    client = loud(PLAIN, proxy=address)
    client.track_decision("s", "r")
    assert "proxy-authorization: basic" in proxy.heads[0].lower()
    assert "hunter2" not in repr(client) + str(client.stats()) + caplog.text


def test_credentials_of_a_dead_proxy_show_nowhere(
    refusing: str, caplog: pytest.LogCaptureFixture
) -> None:
    address = refusing.replace("http://", "http://user:hunter2-hunter2@")
    client = loud(PLAIN, proxy=address)
    with caplog.at_level("DEBUG"), pytest.raises(sentrial.APIConnectionError) as caught:
        client.track_decision("s", "r")
    shown = repr(caught.value) + str(caught.value) + repr(client.stats()) + caplog.text
    assert "hunter2" not in shown


def test_without_a_proxy_there_is_none(refusing: str) -> None:
    with pytest.raises(sentrial.APIConnectionError):
        loud(refusing, proxy="").track_decision("s", "r")
