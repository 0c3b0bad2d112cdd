"""A request that is answered 500 again and again while others succeed is at fault itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.delivery.helpers import EVENTS, call, client_of, settled, tools
from tests.support.answers import Answer
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.collector import Collector


@pytest.mark.timeout(150)
def test_eight_times_500_while_others_succeed(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """The one slow test here: seven pauses from 0.5 to 30 s cannot be hurried from outside."""
    collector.script("POST", EVENTS, *[Answer(500)] * 8)
    client = client_of(collector)
    call(client, "poison", "s")
    call(client, "behind", "s")
    others = 0

    def gave_up() -> bool:
        # Others succeed between the attempts; while an attempt is due nothing else is sent, as the
        # script takes the next event whoever it is of.
        nonlocal others
        if client.stats()["dropped"]:
            return True
        others += 1
        client.complete_session(f"other{others}")
        return False

    eventually(gave_up, 120, 0.5)
    stats = settled(client)
    assert stats["dropped"] == {"rejected_500": 1}
    assert tools(collector) == ["behind"]
    poison = [r for r in collector.requests("POST", EVENTS) if r.json["toolName"] == "poison"]
    assert [request.status for request in poison] == [500] * 8
    assert len({request.idempotency_key for request in poison}) == 1
    client.flush()
    assert sum("500" in record.getMessage() for record in caplog.records) == 1
