"""``before_send``: the program looks at each payload before it is queued."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sentrial import AsyncSentrialClient

from tests.delivery.helpers import KEY, client_of, settled

if TYPE_CHECKING:
    from collections.abc import Callable

    import sentrial

    from tests.support.collector import Collector


def hooked(collector: Collector, hook: Callable[[Any], Any]) -> sentrial.SentrialClient:
    return client_of(collector, before_send=hook)


def test_it_sees_and_changes_every_payload(collector: Collector) -> None:
    seen = []

    def hook(payload: dict[str, Any]) -> dict[str, Any]:
        seen.append((threading.current_thread().name, sorted(payload)))
        return {**payload, "added": "postgres://u:secret-word@h/x"}

    made = hooked(collector, hook)
    with made.begin("u", "e") as interaction:
        interaction.track_decision("why")
    settled(made)
    assert len(seen) == 3
    assert {name for name, _ in seen} == {threading.current_thread().name}
    for request in collector.requests():
        assert request.json["added"] == "postgres://u:[SECRET:url_password]@h/x"
    assert collector.events()[0]["sessionId"]


def test_none_drops_and_is_counted(collector: Collector) -> None:
    made = hooked(collector, lambda p: None if p.get("toolName") == "no" else p)
    assert made.track_tool_call("s", "no", {}, {}) == {}
    made.track_tool_call("s", "yes", {}, {})
    stats = settled(made)
    assert stats["dropped"] == {"before_send": 1}
    assert [event["toolName"] for event in collector.events()] == ["yes"]


@pytest.mark.parametrize("answer", ["raise", "no dict", "empty"])
def test_a_failing_hook_withholds(
    collector: Collector, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    def hook(payload: dict[str, Any]) -> Any:
        if answer == "raise":
            raise KeyError(payload["toolInput"]["secret"])
        return "text" if answer == "no dict" else {}

    made = hooked(collector, hook)
    for _ in range(3):
        made.track_tool_call("s", "t", {"secret": "hidden"}, {})
    stats = settled(made)
    if answer == "empty":
        assert collector.events() == [{"sessionId": "s"}] * 3
        return
    assert stats["dropped"] == {"before_send": 3}
    assert not collector.requests()
    logged = [line for line in caplog.messages if "before_send" in line]
    assert len(logged) == 1
    assert "hidden" not in caplog.text


def test_a_session_it_drops_takes_its_events_along(collector: Collector) -> None:
    made = hooked(collector, lambda p: None if "agentName" in p else p)
    assert made.create_session("n") is None
    with made.begin("u", "e") as interaction:
        interaction.track_decision("x")
    assert interaction.session_id is None
    stats = settled(made)
    assert stats["dropped"]["before_send"] == 2
    assert not collector.requests()


def test_what_stops_the_program_is_not_swallowed(collector: Collector) -> None:
    def hook(_: dict[str, Any]) -> Any:
        raise KeyboardInterrupt

    made = hooked(collector, hook)
    with pytest.raises(KeyboardInterrupt):
        made.track_tool_call("s", "t", {}, {})


def test_it_sees_the_payloads_of_the_async_client(collector: Collector) -> None:
    """P8: one withholds by raising, the other goes on; both are counted."""

    def hook(payload: dict[str, Any]) -> dict[str, Any]:
        if payload.get("toolName") == "no":
            raise KeyError
        return {**payload, "added": "postgres://u:secret-word@h/x"}

    async def use() -> dict[str, Any]:
        async with AsyncSentrialClient(collector.url, KEY, before_send=hook) as made:
            await made.track_tool_call("s", "no", {}, {})
            await made.track_tool_call("s", "yes", {}, {})
            await made.flush()
            return dict(made.stats())

    stats = asyncio.run(use())
    assert stats["dropped"] == {"before_send": 1}
    [event] = collector.events()
    assert event["added"] == "postgres://u:[SECRET:url_password]@h/x"
