"""Redirects: to the server itself they are followed, any other is an outage and goes nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.delivery.helpers import client_of
from tests.delivery.outages import outlast
from tests.support.answers import redirect
from tests.support.collector import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def elsewhere() -> Iterator[Collector]:
    with Collector() as other:
        yield other


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_to_another_origin(
    server: Collector, elsewhere: Collector, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    server.always(".*", ".*", redirect(f"{elsewhere.url}/login", status))
    broke, _ = outlast(server, caplog, server.clear_scripts, client_of(server))
    assert f"({status}) to another origin" in broke
    assert elsewhere.connections == 0


@pytest.mark.parametrize("status", [301, 302])
def test_to_itself_in_a_way_that_would_change_the_method(
    server: Collector, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    server.always("POST|PATCH", "/api/.*", redirect("/moved", status))
    broke, _ = outlast(server, caplog, server.clear_scripts, client_of(server))
    assert f"({status})" in broke
    assert not server.requests(path="/moved")


@pytest.mark.parametrize("status", [307, 308])
def test_in_a_loop(server: Collector, caplog: pytest.LogCaptureFixture, status: int) -> None:
    server.always(".*", "/api/.*", redirect("/there", status))
    server.always(".*", "/there", redirect("/api/back", status))
    broke, _ = outlast(server, caplog, server.clear_scripts, client_of(server))
    assert "too many redirects" in broke
