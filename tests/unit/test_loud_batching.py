"""Loud with batching: calls do not wait, and `flush()` or `close()` raises the first failure."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest
import sentrial

from tests.support.answers import Answer
from tests.support.sdk import EVENTS, client_for

if TYPE_CHECKING:
    from tests.support.collector import Collector


def loud_batching(collector: Collector) -> sentrial.SentrialClient:
    held = {"flush_interval": 60, "flush_threshold": 1000}
    return client_for(collector, fail_silently=False, batching=held)


@pytest.mark.parametrize("end", ["flush", "shutdown", "close"])
def test_the_first_failure_is_raised_with_the_count(collector: Collector, end: str) -> None:
    collector.script("POST", EVENTS, 422, 400, 422)
    client = loud_batching(collector)
    for number in range(4):
        assert client.track_decision("s", f"{number}") == {}
    with pytest.raises(sentrial.BadRequestError) as caught:
        getattr(client, end)()
    assert caught.value.status_code == 422
    if sys.version_info >= (3, 11):
        assert "3 requests" in "".join(caught.value.__notes__)
    assert client.stats()["delivered"] == 1


def test_the_count_is_in_the_text_on_every_python(collector: Collector) -> None:
    collector.script("POST", EVENTS, 422, 422)
    client = loud_batching(collector)
    client.track_decision("s", "1")
    client.track_decision("s", "2")
    with pytest.raises(sentrial.BadRequestError) as caught:
        client.flush()
    if sys.version_info < (3, 11):
        assert "2 requests" in str(caught.value)
    else:
        assert "2 requests" in f"{caught.value}{caught.value.__notes__}"


def test_it_is_raised_once(collector: Collector) -> None:
    collector.script("POST", EVENTS, 422)
    client = loud_batching(collector)
    client.track_decision("s", "r")
    with pytest.raises(sentrial.BadRequestError):
        client.flush()
    client.flush()
    client.close()


def test_leaving_the_block_raises_it_unless_the_user_has_one(collector: Collector) -> None:
    collector.script("POST", EVENTS, 422)
    with pytest.raises(sentrial.BadRequestError), loud_batching(collector) as client:
        client.track_decision("s", "r")
    collector.script("POST", EVENTS, 422)
    with (  # noqa: PT012 - the block is what is tested
        pytest.raises(ValueError, match=r"^mine$"),
        loud_batching(collector) as client,
    ):
        client.track_decision("s", "r")
        raise ValueError("mine")


def test_no_call_waits(collector: Collector) -> None:
    collector.always("POST", EVENTS, Answer(delay=0.5))
    client = client_for(collector, fail_silently=False, batching={"flush_threshold": 2})
    started = time.monotonic()
    for number in range(6):
        client.track_decision("s", f"{number}")
    assert time.monotonic() - started < 0.4


def test_a_refused_key_is_raised_at_the_flush(collector: Collector) -> None:
    collector.script("POST", EVENTS, 401)
    client = loud_batching(collector)
    client.track_decision("s", "r")
    with pytest.raises(sentrial.AuthenticationError):
        client.flush()
    client.api_key = "sentrial_live_another"


def test_an_invalid_argument_is_raised_by_the_call_itself(collector: Collector) -> None:
    with pytest.raises(sentrial.ConfigurationError, match="session_id"):
        loud_batching(collector).track_decision(None, "r")


def test_success_raises_nothing(collector: Collector) -> None:
    client = loud_batching(collector)
    client.track_decision("s", "r")
    client.flush()
    client.close()


def test_the_module_level_flush_raises_for_the_default_client(collector: Collector) -> None:
    collector.script("POST", EVENTS, 422)
    sentrial.configure(
        "sentrial_live_x", collector.url, fail_silently=False, batching={"flush_threshold": 1000}
    )
    from sentrial.decorators import get_current_client

    get_current_client().track_decision("s", "r")
    with pytest.raises(sentrial.BadRequestError):
        sentrial.flush()
