"""Redirects: nothing goes to another origin, and no POST or PATCH becomes a GET."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import sentrial

from tests.support.answers import Answer, redirect
from tests.support.collector import Collector
from tests.support.sdk import EVENTS, KEY, SESSIONS, client_for, loud

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def elsewhere() -> Iterator[Collector]:
    with Collector() as other:
        yield other


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("form", ["{url}{path}", "//127.0.0.1:{port}{path}"])
def test_another_origin_gets_neither_key_nor_body(
    collector: Collector, elsewhere: Collector, status: int, form: str
) -> None:
    to = form.format(url=elsewhere.url, port=elsewhere.port, path=EVENTS)
    collector.always("POST", EVENTS, redirect(to, status))
    client = loud(collector)
    with pytest.raises(sentrial.APIConnectionError) as caught:
        client.track_tool_call("s", "t", {"secret": 1}, {})
    assert elsewhere.connections == 0
    assert client.stats()["delivered"] == 0
    assert str(status) in str(caught.value)


def test_another_name_of_the_same_server_is_another_origin(collector: Collector) -> None:
    collector.always("POST", EVENTS, redirect(f"{collector.url_by_name}/other", 307))
    with pytest.raises(sentrial.APIConnectionError):
        loud(collector).track_decision("s", "r")
    assert [request.path for request in collector.requests()] == [EVENTS]


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_no_request_becomes_a_get(collector: Collector, status: int, method: str) -> None:
    collector.always("POST|PATCH", "/api/.*", redirect("/elsewhere", status))
    collector.always("GET", ".*", Answer(json={"id": "sess_get"}))
    client = loud(collector)
    call = client.complete_session if method == "PATCH" else client.create_session
    with pytest.raises(sentrial.APIConnectionError):
        call("s")
    assert [request.method for request in collector.requests()] == [method]
    assert client.stats()["delivered"] == 0


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_captive_portal_loses_nothing(
    collector: Collector, elsewhere: Collector, status: int
) -> None:
    collector.script("POST", EVENTS, redirect(f"{elsewhere.url}/login", status))
    client = client_for(collector)
    client.track_decision("s", "r")
    collector.wait_for(2, timeout=10)
    client.flush()
    stats = client.stats()
    assert (stats["delivered"], stats["dropped"]) == (1, {})
    assert elsewhere.connections == 0


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("absolute", [True, False])
def test_the_same_origin_is_followed_with_method_body_and_key(
    collector: Collector, status: int, *, absolute: bool
) -> None:
    to = "/v2/api/sdk/events"
    collector.script("POST", EVENTS, redirect(collector.url + to if absolute else to, status))
    collector.always("POST", to, Answer(json={"id": "evt_1"}))
    client = loud(collector)
    assert client.track_decision("s", "r") == {"id": "evt_1"}
    first, second = collector.requests()
    assert (second.method, second.path, second.body) == ("POST", to, first.body)
    assert second.token == KEY
    assert second.idempotency_key == first.idempotency_key


def test_a_session_is_created_through_a_redirect(collector: Collector) -> None:
    collector.script("POST", SESSIONS, redirect("/v2", 308))
    collector.always("POST", "/v2", Answer(json={"id": "sess_v2"}))
    assert loud(collector).create_session("n") == "sess_v2"


def test_a_loop_of_redirects_ends(collector: Collector) -> None:
    collector.always("POST", EVENTS, redirect(EVENTS, 307))
    started = time.monotonic()
    with pytest.raises(sentrial.APIConnectionError):
        loud(collector).track_decision("s", "r")
    assert time.monotonic() - started < 3
    assert len(collector.requests()) == 4, "at most 3 are followed"


def test_a_second_hop_to_another_origin_is_not_followed(
    collector: Collector, elsewhere: Collector
) -> None:
    collector.script("POST", EVENTS, redirect("/hop", 307))
    collector.always("POST", "/hop", redirect(f"{elsewhere.url}/end", 307))
    with pytest.raises(sentrial.APIConnectionError):
        loud(collector).track_decision("s", "r")
    assert elsewhere.connections == 0


@pytest.mark.parametrize("to", ["", "http://", "http://[", "\x7f", "javascript:alert(1)", "//"])
def test_a_location_that_is_none(collector: Collector, to: str) -> None:
    collector.script("POST", EVENTS, *[redirect(to, 307)] * 4)
    with pytest.raises(sentrial.APIConnectionError):
        loud(collector).track_decision("s", "r")
