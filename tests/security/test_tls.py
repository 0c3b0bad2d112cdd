"""TLS: an authority of one's own works, an unknown one fails and says why."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
import trustme

from tests.support.collector import Collector
from tests.support.sdk import KEY, client_for, loud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import RunPython

USE = """
    import sentrial

    client = sentrial.SentrialClient(fail_silently=False, max_retries=0)
    client.track_decision("s", "r")
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def server_for(authority: trustme.CA, *names: str) -> Collector:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return Collector(ssl_context=context)


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[Collector]:
    with server_for(authority, "127.0.0.1", "localhost") as running:
        yield running


@pytest.mark.parametrize("by", ["url", "url_by_name"])
def test_a_ca_file_is_trusted(server: Collector, ca_file: Path, by: str) -> None:
    client = loud(getattr(server, by), ca_file=ca_file)
    assert client.track_decision("s", "r")["sessionId"] == "s"
    assert server.requests()[0].token == KEY


def test_in_the_background_too(server: Collector, ca_file: Path) -> None:
    client = client_for(server, ca_file=str(ca_file))
    assert client.create_session("n") == "sess_anonymous_n_1"
    client.close()


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_ca_file_from_the_environment(
    server: Collector, ca_file: Path, run_python: RunPython, name: str
) -> None:
    env = {name: str(ca_file), "SENTRIAL_API_URL": server.url, "SENTRIAL_API_KEY": KEY}
    run_python(USE, env=env).ok()
    assert len(server.requests()) == 1


def test_the_argument_beats_the_environment(
    monkeypatch: pytest.MonkeyPatch, server: Collector, ca_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca_file))
    loud(server, ca_file=ca_file).track_decision("s", "r")
    with pytest.raises(sentrial.APIConnectionError):
        loud(server).track_decision("s", "r")


def test_an_unknown_authority_fails_and_says_so(server: Collector) -> None:
    with pytest.raises(sentrial.APIConnectionError) as caught:
        loud(server).track_decision("s", "r")
    assert "certificate" in str(caught.value).lower()
    assert server.requests() == []


def test_without_roots_of_the_system_there_are_those_of_the_package(
    server: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    """As in a bare container: a client can be built, and judges certificates."""
    (tmp_path / "none").mkdir()
    env = {"SSL_CERT_DIR": str(tmp_path / "none"), "SENTRIAL_API_KEY": KEY}
    done = run_python(USE, env=env | {"SENTRIAL_API_URL": server.url})
    last = done.stderr.splitlines()[-1]
    assert "APIConnectionError" in last
    assert "unknown authority" in last
    assert server.requests() == []


def test_another_ca_file_does_not_know_it_either(server: Collector, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with pytest.raises(sentrial.APIConnectionError, match=r"(?i)certificate"):
        loud(server, ca_file=other).track_decision("s", "r")


def test_a_certificate_of_another_host_fails(authority: trustme.CA, ca_file: Path) -> None:
    with (
        server_for(authority, "other.example") as server,
        pytest.raises(sentrial.APIConnectionError, match=r"(?i)certificate|name"),
    ):
        loud(server, ca_file=ca_file).track_decision("s", "r")


@pytest.mark.parametrize("content", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nx"])
def test_a_ca_file_that_is_none_is_named(
    server: Collector, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "missing-or-wrong.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(sentrial.SentrialError, match="missing-or-wrong"):
        loud(server, ca_file=path).track_decision("s", "r")


def test_plain_http_to_a_tls_port_and_back(
    server: Collector, collector: Collector, ca_file: Path
) -> None:
    options: dict[str, Any] = {"ca_file": ca_file}
    for url in (f"http://127.0.0.1:{server.port}", f"https://127.0.0.1:{collector.port}"):
        with pytest.raises(sentrial.APIConnectionError):
            loud(url, **options, timeout=3).track_decision("s", "r")
    assert collector.requests("POST") == []
