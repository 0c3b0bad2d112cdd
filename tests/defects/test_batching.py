"""D9, B1-B3, B5, B8-B10: batching in the client, where it loses, reorders and repeats nothing."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import BatcherConfig

from tests.support.answers import Answer
from tests.support.sdk import EVENTS, KEY, client_for, messages

if TYPE_CHECKING:
    from tests.support.collector import Collector

HELD: dict[str, Any] = {"flush_interval": 60.0, "flush_threshold": 1000}


def test_d9_a_config_turns_batching_on_by_itself(collector: Collector) -> None:
    client = client_for(collector, batching=BatcherConfig(**HELD))
    assert type(client.track_decision("s", "held")) is dict
    other = client_for(collector)
    other.track_decision("other", "sent")
    other.flush()
    assert [body["sessionId"] for body in collector.bodies()] == ["other"]
    client.flush()
    assert len(collector.events()) == 2


@pytest.mark.parametrize("interval", [0.01, 60.0])
def test_b1_a_session_is_completed_after_its_events(collector: Collector, interval: float) -> None:
    collector.always("POST", EVENTS, Answer(delay=0.15))
    client = client_for(collector, batching={"flush_interval": interval, "flush_threshold": 2})
    client.track_decision("s", "1")
    client.track_decision("s", "2")
    collector.wait_for(1)
    client.track_decision("s", "3")
    client.complete_session("s")
    client.flush()
    *events, done = collector.requests()
    assert [event.json["reasoning"] for event in events] == ["1", "2", "3"]
    assert done.method == "PATCH"
    assert all(event.answered is not None and event.answered <= done.arrived for event in events)


def test_b1_also_when_it_is_completed_by_an_interaction(collector: Collector) -> None:
    collector.always("POST", EVENTS, Answer(delay=0.1))
    client = client_for(collector, batching={"flush_interval": 0.05, "flush_threshold": 2})
    with client.begin("u", "agent") as interaction:
        for number in range(5):
            interaction.track_decision(f"{number}")
    client.flush()
    requests = collector.requests()
    assert [request.method for request in requests] == ["POST"] * 6 + ["PATCH"]
    assert [request.json["reasoning"] for request in requests[1:6]] == list("01234")


def test_b2_the_caller_does_not_pay_at_the_threshold(collector: Collector) -> None:
    client = client_for(collector, batching={"flush_interval": 60, "flush_threshold": 5})
    slowest = 0.0
    with collector.gate():
        for number in range(50):
            started = time.perf_counter()
            client.track_decision("s", f"{number}")
            slowest = max(slowest, time.perf_counter() - started)
        collector.wait_for(1)
    assert slowest < 0.2
    client.flush()
    assert len(collector.events()) == 50


def test_b3_a_loud_client_is_told_of_batched_events(collector: Collector) -> None:
    collector.script("POST", EVENTS, 422)
    client = client_for(collector, fail_silently=False, batching=HELD)
    client.track_decision("s", "r")
    with pytest.raises(sentrial.BadRequestError):
        client.flush()


def test_b5_d13_configuring_again_sends_what_the_former_client_held(
    collector: Collector,
) -> None:
    sentrial.configure("sentrial_live_former", collector.url, batching=HELD)
    with sentrial.begin("u", "agent") as interaction:
        interaction.track_decision("held")
        sentrial.configure("sentrial_live_later", collector.url)
        # No flush, no exit and no end of the session: 0.6.0 waits for one of them.
        collector.wait_for(2, timeout=5)
    sentrial.flush()
    assert {request.token for request in collector.requests()} == {"sentrial_live_former"}


@pytest.mark.parametrize("batching", [HELD, None])
def test_b8_a_queued_event_is_a_snapshot(collector: Collector, batching: Any) -> None:
    client = client_for(collector, batching=batching)
    chat: list[dict[str, Any]] = [{"role": "user", "content": ["hi"]}]
    metadata = {"k": [1]}
    with collector.gate():
        client.track_tool_call("s", "t", {"chat": chat}, {"chat": chat}, metadata=metadata)
        chat[0]["content"].append("later")
        chat.append({"role": "assistant", "content": ["later"]})
        metadata["k"].append(2)
    client.flush()
    (body,) = collector.bodies()
    expected = {"chat": [{"role": "user", "content": ["hi"]}]}
    assert body["toolInput"] == body["toolOutput"] == expected
    assert body["stateAfter"]["t_result"] == expected
    assert body["metadata"] == {"k": [1]}


@pytest.mark.parametrize("end", ["shutdown", "close", "flush"])
@pytest.mark.parametrize("batching", [HELD, True, None])
def test_b9_events_after_the_end_do_not_vanish(
    collector: Collector, batching: Any, end: str
) -> None:
    client = client_for(collector, batching=batching)
    client.track_decision("s", "before")
    getattr(client, end)()
    client.track_decision("s", "after")
    client.close()
    assert [body["reasoning"] for body in collector.events()] == ["before", "after"]
    stats = client.stats()
    assert (stats["accepted"], stats["delivered"]) == (2, 2)


def test_b9_events_after_the_end_go_out_by_the_interval_too(collector: Collector) -> None:
    client = client_for(collector, batching={"flush_interval": 0.1, "flush_threshold": 1000})
    client.close()
    client.track_decision("s", "after")
    collector.wait_for(1, timeout=5)


def test_b10_dropping_at_capacity_is_one_line_and_counted(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_for(collector, batching={**HELD, "max_queue_size": 10})
    with caplog.at_level(logging.WARNING, "sentrial"):
        for number in range(1000):
            client.track_decision("s", f"{number}")
        client.flush()
    assert len(messages(caplog)) == 1
    assert "990" in messages(caplog)[0] or "full" in messages(caplog)[0]
    stats = client.stats()
    assert (stats["delivered"], stats["dropped"]) == (10, {"queue_full": 990})


def test_b10_an_outage_is_not_a_line_per_event(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_for(collector, batching=True)
    collector.refuse()
    with caplog.at_level(logging.WARNING, "sentrial"):
        for number in range(100):
            client.track_decision("s", f"{number}")
        client.flush(3)
        client.track_decision("s", "more")
    assert len(messages(caplog)) <= 1


def test_d13_a_replaced_client_is_collected(collector: Collector) -> None:
    import gc
    import weakref

    from sentrial.decorators import get_current_client

    sentrial.configure(KEY, collector.url, batching=HELD)
    get_current_client().track_decision("s", "r")
    former = weakref.ref(get_current_client())
    sentrial.configure(KEY, collector.url)
    sentrial.flush()
    gc.collect()
    assert former() is None
    assert len(collector.events()) == 1
