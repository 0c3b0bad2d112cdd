"""Successful answers that are none: pages, halves, floods and nonsense."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

import pytest

from tests.delivery.helpers import call, client_of, lines, settled
from tests.delivery.outages import RECORDED, check_taken_once_in_order, outlast, record
from tests.support.answers import Answer, empty, html, truncated

if TYPE_CHECKING:
    from tests.support.collector import Collector

PAGES = {
    "sign-in page": html(),
    "page with a doctype": html(200, "\n<!DOCTYPE HTML>\n<html lang=en><body>Hello</body></html>"),
    "page, 201": html(201),
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_is_not_the_api(
    server: Collector, caplog: pytest.LogCaptureFixture, page: Answer
) -> None:
    """A network that wants a sign-in first answers everything with its page."""
    server.always(".*", ".*", page)
    broke, _ = outlast(server, caplog, server.clear_scripts, client_of(server), word="broke")
    assert "a page instead of the API's answer" in broke


HALVES = {
    "half an answer": truncated(),
    "less than announced": Answer(content_length=5000, close=True),
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_half_an_answer_is_none(
    server: Collector, caplog: pytest.LogCaptureFixture, half: Answer
) -> None:
    """The server has stored the request: sent again with its key, it is stored once."""
    server.always(".*", ".*", half)
    outlast(server, caplog, server.clear_scripts, client_of(server), word="broke")


ODD = {
    "empty": empty(),
    "no content": empty(204),
    "text": Answer(body="OK", headers={"Content-Type": "text/html"}),
    "broken json": Answer(body='{"id": "evt_'),
    "list": Answer(json=["evt"]),
    "number": Answer(json=7),
    "null": Answer(json=None),
    "no utf-8": Answer(body=b"\xff\xfe{}"),
    "more than announced": Answer(content_length=2, close=True),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_whatever_else_is_answered_to_an_event_it_is_stored(
    server: Collector, caplog: pytest.LogCaptureFixture, odd: Answer
) -> None:
    server.always("POST", "/api/sdk/events", odd)
    server.always("PATCH", ".*", odd)
    client = client_of(server)
    record(client)
    stats = settled(client)
    assert (stats["delivered"], stats["dropped"]) == (RECORDED, {})
    check_taken_once_in_order(server)
    assert lines(caplog, server, client) == []


@pytest.mark.parametrize("odd", ["broken json", "list", "empty", "null"])
def test_a_session_without_an_id_is_asked_for_again(server: Collector, odd: str) -> None:
    server.script("POST", "/api/sdk/sessions", *[ODD[odd]] * 2)
    client = client_of(server)
    record(client)
    assert settled(client, 20)["delivered"] == RECORDED
    check_taken_once_in_order(server)


def test_a_gigabyte_is_not_read(server: Collector) -> None:
    server.always("POST", "/api/sdk/events", Answer(flood=1 << 30))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    client = client_of(server)
    receipts: list[Any] = [call(client, f"t{number}", f"s{number}") for number in range(4)]
    assert settled(client, 30)["delivered"] == 4
    assert receipts[0] == {}
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 * 1024, f"{grown} KiB"
