"""Names and address families."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.delivery.helpers import balanced, call, client_of, in_state, lines, settled
from tests.delivery.outages import RECORDED, check_taken_once_in_order, outlast, record
from tests.support.collector import Collector
from tests.support.sdk import emptied

if TYPE_CHECKING:
    from collections.abc import Iterator


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="the machine has no IPv6 on loopback")


@pytest.fixture
def server6() -> Iterator[Collector]:
    with Collector(host="::1", honours_keys=True) as running, emptied(running):
        yield running


@needs_ipv6
def test_an_ipv6_address(server6: Collector, caplog: pytest.LogCaptureFixture) -> None:
    server6.refuse()
    outlast(server6, caplog, server6.accept, client_of(server6.url))


@needs_ipv6
def test_a_name_of_which_only_the_second_address_listens(server6: Collector) -> None:
    client = client_of(server6.url_by_name)
    record(client)
    assert settled(client)["delivered"] == RECORDED
    check_taken_once_in_order(server6)


def test_a_name_of_two_addresses_neither_of_which_listens(
    server: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    server.refuse()
    outlast(server, caplog, server.accept, client_of(server.url_by_name))


def test_a_name_that_does_not_resolve(caplog: pytest.LogCaptureFixture) -> None:
    client = client_of("http://nowhere.invalid", allow_http=True, shutdown_timeout=0.1)
    call(client, "t", "s")
    in_state(client, "down", 30)
    stats = balanced(client.stats())
    assert (stats["pending"], stats["dropped"]) == (1, {})
    said = [line for line in lines(caplog, client.api_url, client) if "broke" in line]
    assert len(said) == 1
