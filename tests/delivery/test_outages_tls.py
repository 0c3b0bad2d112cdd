"""TLS that cannot be trusted, until it can."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.delivery.helpers import client_of
from tests.delivery.outages import outlast
from tests.support.collector import Collector
from tests.support.sdk import emptied

if TYPE_CHECKING:
    from pathlib import Path

PAST = dt.datetime(2001, 1, 1, tzinfo=dt.timezone.utc)


def context_for(authority: trustme.CA, name: str, **options: dt.datetime) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **options).configure_cert(context)
    return context


Fault = Callable[[trustme.CA], ssl.SSLContext | None]

FAULTS: dict[str, tuple[Fault, str]] = {
    "unknown authority": (lambda _: context_for(trustme.CA(), "127.0.0.1"), "certificate"),
    "expired": (
        lambda ours: context_for(ours, "127.0.0.1", not_before=PAST, not_after=PAST),
        "expired",
    ),
    "wrong name": (lambda ours: context_for(ours, "other.example"), "not valid for name"),
    "plain HTTP on the port": (lambda _: None, ""),
}


@pytest.mark.parametrize(("fault", "told"), FAULTS.values(), ids=FAULTS)
def test_a_server_that_cannot_be_trusted(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, fault: Fault, told: str
) -> None:
    ours = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    ours.cert_pem.write_to_path(str(ca_file))
    good = context_for(ours, "127.0.0.1")
    with Collector(ssl_context=good, honours_keys=True) as server, emptied(server):
        address = server.url
        server.speak(fault(ours))
        client = client_of(address, ca_file=ca_file, timeout=3)
        broke, _ = outlast(server, caplog, lambda: server.speak(good), client)
    assert told in broke


def test_tls_where_plain_http_is_expected(caplog: pytest.LogCaptureFixture) -> None:
    with Collector(honours_keys=True) as server, emptied(server):
        client = client_of(server.url, timeout=3)
        server.speak(context_for(trustme.CA(), "127.0.0.1"))
        outlast(server, caplog, lambda: server.speak(None), client)
