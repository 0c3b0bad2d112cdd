"""A proxy on the way that does not let anything through."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

import trustme

from tests.delivery.helpers import KEY, client_of
from tests.delivery.outages import outlast
from tests.security.forward_proxy import ForwardProxy
from tests.support.collector import Collector
from tests.support.sdk import emptied

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_proxy_that_wants_a_password(server: Collector, caplog: pytest.LogCaptureFixture) -> None:
    server.always(".*", ".*", 407)
    client = client_of("http://127.0.0.1:9", proxy=server.url)
    broke, _ = outlast(server, caplog, server.clear_scripts, client, word="broke")
    assert "407" in broke


def test_a_proxy_that_refuses_the_tunnel(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    ours = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    ours.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("127.0.0.1").configure_cert(context)
    with (
        Collector(ssl_context=context, honours_keys=True) as api,
        emptied(api),
        contextlib.ExitStack() as working,
    ):
        refusing = Collector().start()
        refusing.always("CONNECT", ".*", 407)

        def mend() -> None:
            refusing.stop()
            working.enter_context(ForwardProxy(api.port, refusing.port))

        client = client_of(api.url, proxy=refusing.url, ca_file=ca_file)
        outlast(api, caplog, mend, client, word="broke")
        assert KEY not in str([request.headers for request in refusing.requests()])
