"""D4, C1: a server that accepts and never answers does not hold up the agent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.answers import HANG, Answer
from tests.support.sdk import EVENTS, client_for

if TYPE_CHECKING:
    from tests.support.collector import Collector


def test_d4_a_stalled_server_does_not_hang_the_agent(collector: Collector) -> None:
    collector.always(".*", ".*", HANG)
    client = client_for(collector, shutdown_timeout=0.3)
    started = time.monotonic()
    with client.begin("u", "agent", input="q") as interaction:
        for _ in range(50):
            interaction.track_tool_call("t", {}, {})
    assert time.monotonic() - started < 0.5
    client.close()
    assert time.monotonic() - started < 2.5


@pytest.mark.parametrize("batching", [None, True])
def test_c1_a_track_call_is_no_round_trip(collector: Collector, batching: bool | None) -> None:
    collector.always("POST", EVENTS, Answer(delay=0.5))
    client = client_for(collector, batching=batching)
    started = time.monotonic()
    for _ in range(20):
        client.track_decision("s", "r")
    assert time.monotonic() - started < 0.4
    collector.clear_scripts()


def test_c1_immediate_delivery_has_a_time_out(collector: Collector) -> None:
    collector.always("POST", EVENTS, HANG)
    client = client_for(collector, batching=False, timeout=0.3, max_retries=0)
    started = time.monotonic()
    assert client.track_decision("s", "r") == {}
    assert 0.25 < time.monotonic() - started < 3


def test_c1_reading_a_receipt_is_bounded(collector: Collector) -> None:
    collector.always("POST", EVENTS, HANG)
    client = client_for(collector, wait_timeout=0.3)
    receipt = client.track_decision("s", "r")
    started = time.monotonic()
    assert dict(receipt) == {}
    assert 0.2 < time.monotonic() - started < 3


def test_c1_a_server_that_is_down_costs_an_agent_nothing(collector: Collector) -> None:
    client = client_for(collector)
    collector.refuse()
    started = time.monotonic()
    with client.begin("u", "agent") as interaction:
        for _ in range(100):
            interaction.track_decision("r")
    assert time.monotonic() - started < 0.5
