"""D10, C2, C10: the server is heard, and asking twice changes nothing."""

from __future__ import annotations

import logging
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.answers import RESET_BEFORE, RESET_MIDDLE, Answer, limited, truncated
from tests.support.sdk import EVENTS, SESSIONS, client_for, loud, messages
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.collector import Collector


def pause(collector: Collector) -> float:
    """Seconds between the answer to the first attempt and the second attempt."""
    first, second = collector.wait_for(2, timeout=15)[:2]
    assert first.answered is not None
    return second.arrived - first.answered


@pytest.mark.parametrize("batching", [None, False])
@pytest.mark.parametrize("status", [429, 503])
def test_d10_retry_after_is_honoured(collector: Collector, status: int, batching: Any) -> None:
    collector.script("POST", EVENTS, limited(2, status))
    client = client_for(collector, batching=batching)
    client.track_decision("s", "r")
    assert pause(collector) >= 1.95
    client.flush()
    assert client.stats()["delivered"] == 1


def test_d10_retry_after_may_be_a_date(collector: Collector) -> None:
    import time

    collector.script("POST", EVENTS, limited(formatdate(time.time() + 3, usegmt=True)))
    client = client_for(collector)
    client.track_decision("s", "r")
    assert pause(collector) >= 1.5
    client.flush()


def test_d10_a_limited_client_pauses_as_a_whole(collector: Collector) -> None:
    collector.script("POST", EVENTS, limited(1.5))
    client = client_for(collector)
    client.track_decision("first", "r")
    eventually(lambda: client.stats()["state"] == "limited")
    client.track_decision("second", "r")
    assert pause(collector) >= 1.4
    client.flush()
    assert client.stats()["delivered"] == 2


def test_d10_the_servers_message_is_shown_once(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    said = {"error": "Unprocessable", "message": "toolName is too long"}
    collector.always("POST", EVENTS, Answer(422, json=said))
    client = client_for(collector)
    with caplog.at_level(logging.WARNING, "sentrial"):
        for number in range(10):
            client.track_decision("s", f"{number}")
        client.flush()
    (line,) = messages(caplog)
    assert "toolName is too long" in line
    assert client.stats()["dropped"] == {"rejected_422": 10}
    assert "toolName is too long" in client.stats()["last_error"]


def test_d10_a_loud_client_shows_it_too(collector: Collector) -> None:
    said = {"error": "Too Many Requests", "message": "quota used up until noon"}
    answer = Answer(429, json=said, headers={"Retry-After": "9"})
    collector.always("POST", EVENTS, answer)
    with pytest.raises(sentrial.RateLimitError, match="quota used up until noon") as caught:
        loud(collector).track_decision("s", "r")
    assert caught.value.retry_after == 9


LOST = {"before": RESET_BEFORE, "502": Answer(502), "500": Answer(500), "408": Answer(408)}
#: They say that an event is stored, and keep the id of a session.
HALF = {"middle": RESET_MIDDLE, "truncated": truncated()}


@pytest.mark.parametrize(
    ("path", "lost"),
    [
        *(pytest.param(EVENTS, lost, id=f"event, {name}") for name, lost in LOST.items()),
        *(pytest.param(SESSIONS, x, id=f"session, {name}") for name, x in (LOST | HALF).items()),
    ],
)
@pytest.mark.parametrize("batching", [None, False])
def test_c10_a_repeated_request_is_the_same_request(
    collector: Collector, lost: Answer, path: str, batching: Any
) -> None:
    collector.script("POST", path, lost)
    client = client_for(collector, batching=batching)
    if path == EVENTS:
        client.track_decision("s", "r")
    else:
        client.begin("u", "agent").finish()
    collector.wait_for(2, method="POST", path=path, timeout=15)
    client.flush()
    first, second = collector.requests("POST", path)
    assert first.idempotency_key
    assert first.idempotency_key == second.idempotency_key
    assert first.body == second.body
    assert first.headers["x-sentrial-timestamp"] == second.headers["x-sentrial-timestamp"]
    stats = client.stats()
    assert stats["accepted"] == stats["delivered"]


def test_c10_different_requests_have_different_keys(collector: Collector) -> None:
    clients = [client_for(collector) for _ in range(3)]
    for client in clients:
        for _ in range(30):
            client.track_decision("s", "the same")
        client.flush()
    assert len(collector.by_idempotency_key()) == 90
