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


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 451])
def test_a_page_that_refuses_is_not_the_api_either(
    server: Collector, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """A proxy that blocks an address answers with a page; the API refuses with JSON."""
    page = html(status, "<!-- x --><html><title>Blocked by policy</title></html>")
    server.always(".*", ".*", page)
    broke, _ = outlast(server, caplog, server.clear_scripts, client_of(server), word="broke")
    assert f'a page instead of the API\'s answer ({status}, "Blocked by policy")' in broke


def test_half_an_answer_to_a_session_is_none(
    server: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """The server has stored the session: asked for again with its key, it is stored once."""
    server.always(".*", ".*", truncated())
    outlast(server, caplog, server.clear_scripts, client_of(server), word="broke")


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

UNREADABLE = {
    "half": truncated(),
    "less than announced": Answer(content_length=5000, close=True),
    "plain json labelled as gzip": Answer(headers={"Content-Encoding": "gzip"}),
    "noise labelled as gzip": Answer(
        body=b"\x1f\x8b\x08\xff", headers={"Content-Encoding": "gzip"}
    ),
    "an unknown coding": Answer(headers={"Content-Encoding": "br"}),
    "no chunk": Answer(raw=CHUNKED + b'zz\r\n{"id": 1}\r\n'),
    "half a chunk": Answer(raw=CHUNKED + b"ff\r\n{"),
}


@pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE)
def test_what_the_status_says_is_delivered_is_not_sent_again(
    server: Collector, caplog: pytest.LogCaptureFixture, answer: Answer
) -> None:
    server.always("POST", "/api/sdk/events", answer)
    server.always("PATCH", ".*", answer)
    client = client_of(server)
    record(client)
    stats = settled(client)
    assert (stats["delivered"], stats["retries"], stats["dropped"]) == (RECORDED, 0, {})
    assert lines(caplog, server, client) == []


@pytest.mark.parametrize("name", ["plain json labelled as gzip", "less than announced"])
def test_an_id_that_is_there_is_read(server: Collector, name: str) -> None:
    server.always(".*", ".*", UNREADABLE[name])
    client = client_of(server)
    record(client)
    assert settled(client)["delivered"] == RECORDED
    check_taken_once_in_order(server)


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
