"""A loud client raises what happened, as the documented exception, and nothing else does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.answers import HANG, RESET_BEFORE, RESET_MIDDLE, Answer, empty, html, limited
from tests.support.sdk import EVENTS, SESSIONS, client_for, loud

if TYPE_CHECKING:
    from tests.support.collector import Collector

CLASSES: list[tuple[int, type[sentrial.APIError]]] = [
    (400, sentrial.BadRequestError),
    (413, sentrial.BadRequestError),
    (422, sentrial.BadRequestError),
    (401, sentrial.AuthenticationError),
    (403, sentrial.PermissionDeniedError),
    (404, sentrial.NotFoundError),
    (409, sentrial.APIError),
    (429, sentrial.RateLimitError),
    (500, sentrial.ServerError),
    (501, sentrial.ServerError),
    (502, sentrial.ServerError),
    (503, sentrial.ServerError),
]

CALLS = {
    "create_session": lambda client: client.create_session("n"),
    "begin": lambda client: client.begin("u", "agent"),
    "track_tool_call": lambda client: client.track_tool_call("s", "t", {}, {}),
    "track_decision": lambda client: client.track_decision("s", "r"),
    "track_error": lambda client: client.track_error("s", "m"),
    "complete_session": lambda client: client.complete_session("s"),
    "close_session": lambda client: client.close_session("s"),
    "update_session": lambda client: client.update_session("s", status="x"),
}


@pytest.mark.parametrize(("status", "expected"), CLASSES)
def test_each_status_raises_its_class(
    collector: Collector, status: int, expected: type[sentrial.APIError]
) -> None:
    body = {"error": "Name", "message": "what the server said"}
    collector.always("POST", EVENTS, Answer(status, json=body, headers={"X-Request-Id": "req_7"}))
    with pytest.raises(sentrial.APIError) as caught:
        loud(collector).track_decision("s", "r")
    error = caught.value
    assert type(error) is expected
    assert (error.status_code, error.error, error.message) == (
        status,
        "Name",
        "what the server said",
    )
    assert (error.body, error.request_id) == (body, "req_7")
    assert "what the server said" in str(error)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("status", [401, 500])
def test_every_call_raises(collector: Collector, name: str, status: int) -> None:
    collector.always(".*", ".*", status)
    with pytest.raises(sentrial.APIError) as caught:
        CALLS[name](loud(collector))
    assert caught.value.status_code == status


def test_the_old_nested_body_is_read_too(collector: Collector) -> None:
    nested = {"error": {"code": "bad_request", "message": "name is required"}}
    collector.always("POST", EVENTS, Answer(400, json=nested))
    with pytest.raises(sentrial.BadRequestError) as caught:
        loud(collector).track_decision("s", "r")
    assert (caught.value.error, caught.value.message) == ("bad_request", "name is required")


@pytest.mark.parametrize(
    ("answer", "body"),
    [(Answer(403, body="Blocked"), "Blocked"), (empty(403), None)],
)
def test_a_body_that_is_no_json(collector: Collector, answer: Answer, body: object) -> None:
    collector.always("POST", EVENTS, answer)
    with pytest.raises(sentrial.PermissionDeniedError) as caught:
        loud(collector).track_decision("s", "r")
    assert caught.value.body == body


def test_a_page_is_the_word_of_a_proxy_and_no_refusal(collector: Collector) -> None:
    collector.always("POST", EVENTS, html(403, "<title>Blocked</title>"))
    with pytest.raises(sentrial.APIConnectionError, match=r'403, "Blocked"'):
        loud(collector, max_retries=0).track_decision("s", "r")


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0.5", 0.5)])
def test_a_rate_limit_says_how_long_to_wait(
    collector: Collector, header: str, seconds: float
) -> None:
    collector.always("POST", EVENTS, limited(header))
    with pytest.raises(sentrial.RateLimitError) as caught:
        loud(collector).track_decision("s", "r")
    assert caught.value.retry_after == seconds
    assert "Slow down" in str(caught.value)


def test_a_rate_limit_without_a_time(collector: Collector) -> None:
    collector.always("POST", EVENTS, 429)
    with pytest.raises(sentrial.RateLimitError) as caught:
        loud(collector).track_decision("s", "r")
    assert caught.value.retry_after is None


@pytest.mark.parametrize("answer", [RESET_BEFORE, RESET_MIDDLE], ids=["before", "middle"])
def test_a_broken_connection(collector: Collector, answer: Answer) -> None:
    collector.always("POST", EVENTS, answer)
    with pytest.raises(sentrial.APIConnectionError) as caught:
        loud(collector).track_decision("s", "r")
    assert isinstance(caught.value, ConnectionError)
    assert not isinstance(caught.value, TimeoutError)


def test_a_refused_connection(refusing: str) -> None:
    with pytest.raises(sentrial.APIConnectionError, match="refused"):
        loud(refusing).track_decision("s", "r")


def test_a_name_nobody_knows() -> None:
    client = loud("http://nowhere.invalid", allow_http=True)
    with pytest.raises(sentrial.APIConnectionError):
        client.track_decision("s", "r")


def test_a_server_that_never_answers(collector: Collector) -> None:
    collector.always("POST", EVENTS, HANG)
    with pytest.raises(sentrial.APITimeoutError, match=r"0\.3 s") as caught:
        loud(collector, timeout=0.3).track_decision("s", "r")
    assert isinstance(caught.value, (TimeoutError, ConnectionError))


def test_an_answer_that_trickles_is_bounded_as_a_whole(collector: Collector) -> None:
    collector.always("POST", EVENTS, Answer(trickle=0.05))
    started = time.monotonic()
    with pytest.raises(sentrial.APITimeoutError):
        loud(collector, timeout=0.5).track_decision("s", "r")
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "answer",
    [Answer(json={}), Answer(json=[]), Answer(json={"id": None}), html(200), empty(204)],
)
def test_a_session_without_a_usable_id(collector: Collector, answer: Answer) -> None:
    collector.always("POST", SESSIONS, answer)
    with pytest.raises(sentrial.SentrialError):
        loud(collector).create_session("n")


@pytest.mark.parametrize("answer", [Answer(body="OK"), empty(200), empty(204), Answer(json=[1])])
def test_an_event_answered_2xx_is_delivered_whatever_the_body(
    collector: Collector, answer: Answer
) -> None:
    collector.always("POST", EVENTS, answer)
    client = loud(collector)
    assert client.track_decision("s", "r") == {}
    assert client.stats()["delivered"] == 1


def test_a_page_is_no_answer_of_the_api(collector: Collector) -> None:
    collector.always("POST", EVENTS, html(200))
    client = loud(collector)
    with pytest.raises(sentrial.APIConnectionError, match="a page instead of"):
        client.track_decision("s", "r")
    assert client.stats()["delivered"] == 0


def test_a_failure_is_retried_before_it_is_raised(collector: Collector) -> None:
    collector.script("POST", EVENTS, 503)
    client = loud(collector, max_retries=1)
    assert client.track_decision("s", "r")["sessionId"] == "s"
    first, second = collector.requests()
    assert first.idempotency_key == second.idempotency_key
    assert first.idempotency_key


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 501])
def test_what_a_retry_cannot_cure_is_raised_at_once(collector: Collector, status: int) -> None:
    collector.always("POST", EVENTS, status)
    with pytest.raises(sentrial.APIError):
        loud(collector, max_retries=3).track_decision("s", "r")
    assert len(collector.requests()) == 1


def test_every_call_is_tried_also_while_the_key_is_refused(collector: Collector) -> None:
    collector.script("POST", EVENTS, 401, 401)
    client = loud(collector)
    for _ in range(2):
        with pytest.raises(sentrial.AuthenticationError):
            client.track_decision("s", "r")
    assert client.track_decision("s", "r")["sessionId"] == "s"


def test_what_gave_up_is_counted_and_not_sent_later(collector: Collector) -> None:
    collector.script("POST", EVENTS, 500)
    client = loud(collector)
    with pytest.raises(sentrial.ServerError):
        client.track_decision("s", "lost")
    client.track_decision("s", "fine")
    stats = client.stats()
    assert (stats["accepted"], stats["delivered"], stats["dropped"]) == (2, 1, {"gave_up": 1})
    assert [body["reasoning"] for body in collector.events()] == ["fine"]


@pytest.mark.parametrize("user_error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_the_users_own_exception_is_not_replaced(
    collector: Collector, user_error: BaseException
) -> None:
    collector.always("PATCH", ".*", 500)
    with (
        pytest.raises(type(user_error)) as caught,
        loud(collector).begin("u", "agent"),
    ):
        raise user_error
    assert caught.value is user_error


def test_without_an_exception_of_the_user_the_failure_to_finish_is_raised(
    collector: Collector,
) -> None:
    collector.always("PATCH", ".*", 500)
    with pytest.raises(sentrial.ServerError), loud(collector).begin("u", "agent"):
        pass


def test_a_silent_immediate_client_raises_nothing(collector: Collector) -> None:
    client = client_for(collector, batching=False, max_retries=0)
    collector.always(".*", ".*", 500)
    results: list[Any] = [client.create_session("n"), client.track_decision("s", "r")]
    with client.begin("u", "agent") as interaction:
        results += [interaction.session_id, interaction.track_error("m")]
    assert results == [None, {}, None, {}]
