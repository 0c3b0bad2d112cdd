"""The forms of `batching=`, and what each of them holds back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import BatcherConfig

from tests.support.sdk import KEY, client_for
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.collector import Collector

LONG = {"flush_interval": 60.0, "flush_threshold": 100}


@pytest.mark.parametrize(
    "form",
    [
        LONG,
        {**LONG, "enabled": True},
        BatcherConfig(**LONG),
        BatcherConfig(enabled=True, **LONG),
        BatcherConfig(True, 60.0, 100),
    ],
)
def test_these_turn_batching_on(collector: Collector, form: Any) -> None:
    client = client_for(collector, batching=form)
    receipt = client.track_decision("s", "r")
    assert receipt == {}
    assert type(receipt) is dict
    other = client_for(collector)
    other.track_decision("other", "sent at once")
    other.flush()
    assert [body["sessionId"] for body in collector.bodies()] == ["other"]
    client.flush()
    assert len(collector.requests()) == 2


@pytest.mark.parametrize(
    "form", [None, {**LONG, "enabled": False}, BatcherConfig(enabled=False, **LONG)]
)
def test_these_do_not(collector: Collector, form: Any) -> None:
    client = client_for(collector, batching=form)
    client.track_decision("s", "r")
    collector.wait_for(1, timeout=5)


def test_a_config_switched_off_afterwards_is_off(collector: Collector) -> None:
    config = BatcherConfig(**LONG)
    config.enabled = False
    client_for(collector, batching=config).track_decision("s", "r")
    collector.wait_for(1, timeout=5)


def test_true_stands_for_the_documented_defaults(collector: Collector) -> None:
    client = client_for(collector, batching=True)
    with collector.gate():
        for number in range(9):
            client.track_decision("s", f"{number}")
        # The tenth reaches the threshold; without it the interval of 1 s would send them.
        client.track_decision("s", "9")
        collector.wait_for(1, timeout=0.9)
    client.flush()
    assert len(collector.requests()) == 10


def test_the_interval_sends_what_is_held(collector: Collector) -> None:
    config = {"flush_interval": 0.2, "flush_threshold": 100}
    client = client_for(collector, batching=config)
    client.track_decision("s", "r")
    collector.wait_for(1, timeout=5)


def test_completing_a_session_sends_its_events_first(collector: Collector) -> None:
    client = client_for(collector, batching=LONG)
    client.track_decision("s", "one")
    client.track_decision("s", "two")
    client.complete_session("s")
    requests = collector.wait_for(3, timeout=5)
    assert [request.method for request in requests] == ["POST", "POST", "PATCH"]


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (7, "batching"),
        ("yes", "batching"),
        ({"interval": 1}, "batching"),
        ({"flush_interval": -1}, "batching.flush_interval"),
        ({"flush_interval": 0}, "batching.flush_interval"),
        ({"flush_interval": float("nan")}, "batching.flush_interval"),
        ({"flush_interval": "1"}, "batching.flush_interval"),
        ({"flush_threshold": 0}, "batching.flush_threshold"),
        ({"flush_threshold": 1.5}, "batching.flush_threshold"),
        ({"max_queue_size": 0}, "batching.max_queue_size"),
        (BatcherConfig(max_queue_size=-5), "batching.max_queue_size"),
    ],
)
def test_a_bad_value_is_named(bad: Any, name: str) -> None:
    with pytest.raises(sentrial.ConfigurationError) as caught:
        sentrial.SentrialClient(api_key=KEY, batching=bad)
    assert caught.value.parameter == name


def test_the_queue_is_bounded_and_the_oldest_goes(collector: Collector) -> None:
    config = {**LONG, "max_queue_size": 5}
    client = client_for(collector, batching=config)
    for number in range(20):
        client.track_decision("s", f"{number}")
    stats = client.stats()
    assert (stats["accepted"], stats["pending"], stats["dropped"]) == (20, 5, {"queue_full": 15})
    client.flush()
    assert [body["reasoning"] for body in collector.events()] == ["15", "16", "17", "18", "19"]


def test_begin_and_create_are_not_held_back(collector: Collector) -> None:
    client = client_for(collector, batching=LONG)
    assert client.create_session("n") == "sess_anonymous_n_1"
    with client.begin("u", "agent") as interaction:
        assert interaction.session_id == "sess_u_agent_1"
    eventually(lambda: len(collector.requests()) == 3)


def test_the_order_of_a_session_holds_with_batching(collector: Collector) -> None:
    client = client_for(collector, batching={"flush_interval": 0.01, "flush_threshold": 3})
    with client.begin("u", "agent") as interaction:
        for number in range(50):
            interaction.track_decision(f"{number}")
    client.flush()
    requests = collector.by_session(accepted=False)["sess_u_agent_1"]
    assert [r.json["reasoning"] for r in requests[1:-1]] == [str(n) for n in range(50)]
    assert requests[-1].method == "PATCH"
