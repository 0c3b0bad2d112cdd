"""Answers that say that the server does not work, or that there are too many requests."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from tests.delivery.helpers import client_of, in_state, lines, settled
from tests.delivery.outages import RECORDED, check_taken_once_in_order, outlast, record
from tests.support.answers import Answer, html, limited

if TYPE_CHECKING:
    from tests.support.collector import Collector


@pytest.mark.parametrize("status", [407, 408, 425, 500, 502, 503, 504, 511, 520, 599])
def test_a_status_that_means_later(
    server: Collector, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    server.always(".*", ".*", status)
    broke, _ = outlast(server, caplog, server.clear_scripts, client_of(server), word="broke")
    assert str(status) in broke


def test_a_page_of_a_gateway(server: Collector, caplog: pytest.LogCaptureFixture) -> None:
    server.always(".*", ".*", html(502, "<html><title>502 Bad Gateway</title></html>"))
    broke, _ = outlast(server, caplog, server.clear_scripts, client_of(server), word="broke")
    assert "502 Bad Gateway" in broke
    assert "<" not in broke


def asked(value: str | None) -> Answer:
    return Answer(429) if value is None else limited(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "0.5",
        "-5",
        "soon",
        "99999999999999999999999",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ],
)
def test_too_many_requests(
    server: Collector, caplog: pytest.LogCaptureFixture, value: str | None
) -> None:
    """D10. An absurd pause is an hour, a missing one the usual; a new key ends either."""
    server.always(".*", ".*", asked(value))
    [slowed] = outlast(server, caplog, server.clear_scripts, client_of(server), word="429")
    long = value is not None and ("99999" in value or "9999 " in value)
    assert ("pausing 3600.0 s" in slowed) is long


@pytest.mark.parametrize("as_date", [False, True])
def test_the_pause_that_was_asked_for_is_kept(server: Collector, *, as_date: bool) -> None:
    asked_for = limited(formatdate(time.time() + 3, usegmt=True) if as_date else 2)
    server.script("POST", ".*", asked_for)
    client = client_of(server)
    record(client)
    in_state(client, "limited")
    assert settled(client, 20)["delivered"] == RECORDED
    first, *others = server.requests()
    # One creation overtook nothing: it was on its way when the pause was asked for.
    later = [other for other in others if other.arrived - first.arrived > 0.5]
    assert min(request.arrived for request in later) - first.arrived >= 1.9
    check_taken_once_in_order(server)


def test_limits_pause_one_client_and_no_other(
    server: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    server.script("POST", ".*", limited(30))
    slow = client_of(server)
    slow.track_decision("slow", "r")
    in_state(slow, "limited")
    fast = client_of(server)
    record(fast)
    settled(fast)
    assert fast.stats()["state"] == "up"
    assert slow.stats()["pending"] == 1
    slow.api_key = slow.api_key
    settled(slow)
    assert len(lines(caplog, server, fast)) == 1
