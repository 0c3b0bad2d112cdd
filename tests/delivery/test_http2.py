"""HTTP/2 where the server offers it: one connection for all sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from tests.delivery.helpers import KEY, call, client_of, settled
from tests.support.http2 import Http2Server
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SESSIONS = 40


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[Http2Server]:
    with Http2Server(authority) as running:
        yield running


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def test_sessions_share_a_connection_at_the_same_time(server: Http2Server, ca_file: Path) -> None:
    client = client_of(server.url, ca_file=ca_file)
    assert call(client, "first", "s")["id"] == "evt_1"
    server.together = SESSIONS
    for n in range(SESSIONS):
        call(client, f"t{n}", f"s{n}")
    stats = settled(client)
    assert (stats["delivered"], stats["retries"], stats["dropped"]) == (SESSIONS + 1, 0, {})
    assert server.connections == 1
    assert len(server.bodies) == SESSIONS + 1
    for headers in server.headers:
        assert headers[":method"] == "POST"
        assert headers[":path"] == "/api/sdk/events"
        assert headers["authorization"] == f"Bearer {KEY}"
        assert headers["idempotency-key"]
    assert len({headers["idempotency-key"] for headers in server.headers}) == SESSIONS + 1
    client.close()


def test_what_waits_on_a_connection_that_breaks_is_sent_again(
    server: Http2Server, ca_file: Path
) -> None:
    client = client_of(server.url, ca_file=ca_file)
    call(client, "first", "s")
    settled(client)
    server.together = SESSIONS + 1
    for n in range(SESSIONS):
        call(client, f"t{n}", f"s{n}")
    eventually(lambda: len(server.bodies) == SESSIONS + 1)
    server.together = 1
    server.break_connections()
    stats = settled(client, 20)
    assert (stats["delivered"], stats["dropped"]) == (SESSIONS + 1, {})
    assert server.connections > 1
    keys = [headers["idempotency-key"] for headers in server.headers]
    assert (len(keys), len(set(keys))) == (2 * SESSIONS + 1, SESSIONS + 1)
    client.close()
