"""Calls that wait for the network do so for a bounded time, and not at all when it is pointless."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.delivery.helpers import (
    EVENTS,
    SESSIONS,
    at_once,
    balanced,
    call,
    client_of,
    in_state,
    settled,
    takes,
    tools,
)
from tests.support.answers import HANG, Answer
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.collector import Collector


def created(collector: Collector) -> list[str]:
    return [body["name"] for body in collector.bodies("POST", SESSIONS)]


def test_create_session_gives_up_after_wait_timeout(collector: Collector) -> None:
    client = client_of(collector, wait_timeout=0.3)
    with collector.gate(), takes(0.25, 1.5):
        assert client.create_session("n") is None
    settled(client)


def test_a_create_that_was_not_sent_yet_is_withdrawn(collector: Collector) -> None:
    client = client_of(collector, wait_timeout=0.3)
    with collector.gate():
        for n in range(64):
            call(client, "t", f"s{n}")
        eventually(lambda: collector.in_flight == 64)
        assert client.create_session("orphan") is None
        assert balanced(client.stats())["dropped"] == {"create_abandoned": 1}
    settled(client)
    assert created(collector) == []


def test_a_create_in_flight_that_fails_is_not_repeated(collector: Collector) -> None:
    collector.script("POST", SESSIONS, Answer(503, delay=0.6))
    client = client_of(collector, wait_timeout=0.2)
    assert client.create_session("orphan") is None
    stats = settled(client)
    assert stats["dropped"] == {"create_abandoned": 1}
    assert created(collector) == ["orphan"]


def test_a_create_made_while_down_never_arrives(collector: Collector) -> None:
    collector.refuse()
    client = client_of(collector)
    call(client, "t", "s")
    in_state(client, "down")
    with at_once():
        assert client.create_session("orphan") is None
    assert balanced(client.stats())["dropped"] == {"create_abandoned": 1}
    collector.accept()
    settled(client, 20)
    assert created(collector) == []
    assert tools(collector) == ["t"]


def test_a_create_that_waits_when_the_server_goes_down_gives_up(refusing: str) -> None:
    client = client_of(refusing, wait_timeout=30)
    with takes(0, 8):
        assert client.create_session("orphan") is None
    assert settled(client)["dropped"] == {"create_abandoned": 1}


def test_create_session_returns_the_id_as_a_string(collector: Collector) -> None:
    client = client_of(collector)
    assert client.create_session("n", "a", "u") == "sess_u_a_1"
    collector.script("POST", SESSIONS, Answer(json={"id": 12345}))
    assert client.create_session("n") == "12345"
    assert [b["userId"] for b in collector.bodies("POST", SESSIONS)] == ["u", "anonymous"]


def test_create_session_is_none_when_the_server_refuses_it(collector: Collector) -> None:
    collector.script("POST", SESSIONS, 400)
    client = client_of(collector)
    with at_once(1):
        assert client.create_session("n") is None
    assert settled(client)["dropped"] == {"session_rejected": 1}


def test_reading_session_id_is_bounded_and_it_comes_later(collector: Collector) -> None:
    client = client_of(collector, wait_timeout=0.3)
    with collector.gate():
        interaction = client.begin("u", "chat")
        with takes(0.25, 1.5):
            assert interaction.session_id is None
        with takes(0.25, 1.5):
            assert sentrial.get_session_context() is None
        with takes(0.25, 1.5):
            assert sentrial.get_current_session_id() is None
        assert client.stats()["dropped"] == {}, "begin() survives"
    settled(client)
    assert interaction.session_id == "sess_u_chat_1"
    assert sentrial.get_current_session_id() == "sess_u_chat_1"
    interaction.finish()


def test_wait_timeout_zero_never_waits(collector: Collector) -> None:
    client = client_of(collector, wait_timeout=0)
    with collector.gate(), at_once():
        assert client.create_session("n") is None
        assert client.begin("u", "chat").session_id is None
    settled(client)


@pytest.mark.parametrize("timeout", [0, 0.3])
def test_flush_waits_at_most_its_timeout(collector: Collector, timeout: float) -> None:
    client = client_of(collector)
    with collector.gate():
        call(client, "t", "s")
        collector.wait_for(1)
        with takes(timeout * 0.9, timeout + 1):
            assert client.flush(timeout) is None  # type: ignore[func-returns-value]
        with takes(timeout * 0.9, timeout + 1):
            sentrial.flush(timeout)
    client.flush()
    assert client.stats()["pending"] == 0


def test_flush_does_not_wait_for_what_came_after_it_was_called(collector: Collector) -> None:
    client = client_of(collector)
    call(client, "first", "s")
    over = threading.Event()

    def go_on() -> None:
        n = 0
        while not over.is_set():
            call(client, f"t{(n := n + 1)}", "s")
            over.wait(0.0005)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        with takes(0, 5):
            client.flush(20)
    finally:
        over.set()
        thread.join(10)
    assert "first" in tools(collector)
    settled(client, 20)


@pytest.mark.parametrize("close", ["shutdown", "close", "__exit__"])
def test_shutdown_is_bounded_by_shutdown_timeout(collector: Collector, close: str) -> None:
    client = client_of(collector, shutdown_timeout=0.4)
    with collector.gate():
        call(client, "t", "s")
        collector.wait_for(1)
        with takes(0.35, 1.5):
            if close == "__exit__":
                with client:
                    pass
            else:
                assert getattr(client, close)() is None
    settled(client)


def test_shutdown_goes_on_while_answers_arrive(collector: Collector) -> None:
    collector.always("POST", EVENTS, Answer(delay=0.2))
    client = client_of(collector, shutdown_timeout=0.6)
    for n in range(8):
        call(client, f"t{n}", "s")
    with takes(1.4, 6):
        client.close()
    assert len(tools(collector)) == 8


def test_shutdown_goes_on_no_longer_than_shutdown_max(collector: Collector) -> None:
    collector.always("POST", EVENTS, Answer(delay=0.2))
    client = client_of(collector, shutdown_timeout=0.5, shutdown_max=1)
    for n in range(30):
        call(client, f"t{n}", "s")
    with takes(0.9, 2.5):
        client.close()
    assert client.stats()["pending"] > 0
    collector.clear_scripts()
    settled(client)


@pytest.mark.parametrize("close", ["shutdown", "close"])
def test_a_client_works_on_after_it_was_closed(collector: Collector, close: str) -> None:
    client = client_of(collector)
    for turn in range(3):
        call(client, f"t{turn}", "s")
        getattr(client, close)()
        assert tools(collector)[-1] == f"t{turn}"
    call(client, "without another close", "s")
    settled(client)
    with client.begin("u", "chat") as interaction:
        call(interaction, "inside")
    settled(client)
    assert tools(collector)[-2:] == ["without another close", "inside"]


WAITING: dict[str, Callable[[sentrial.SentrialClient, sentrial.Interaction], Any]] = {
    "create_session": lambda client, _: client.create_session("n"),
    "session_id": lambda _, interaction: interaction.session_id,
    "get_session_context": lambda *_: sentrial.get_session_context(),
    "get_current_session_id": lambda *_: sentrial.get_current_session_id(),
    "receipt": lambda client, _: dict(call(client, "t", "s")) or None,
    "flush": lambda client, _: client.flush(30),
    "sentrial.flush": lambda *_: sentrial.flush(30),
    "shutdown": lambda client, _: client.shutdown(),
    "close": lambda client, _: client.close(),
}


@pytest.mark.parametrize("wait", WAITING.values(), ids=WAITING.keys())
def test_waiting_calls_return_at_once_while_the_server_is_down(
    refusing: str, wait: Callable[[sentrial.SentrialClient, sentrial.Interaction], Any]
) -> None:
    client = client_of(refusing, wait_timeout=30, shutdown_timeout=30)
    interaction = client.begin("u", "chat")
    in_state(client, "down")
    with at_once():
        assert wait(client, interaction) is None
    balanced(client.stats())


def test_a_flush_that_waits_when_the_server_goes_down_returns(refusing: str) -> None:
    client = client_of(refusing)
    call(client, "t", "s")
    with takes(0, 8):
        client.flush(30)
    assert client.stats()["state"] == "down"


def test_the_module_functions_wait_for_the_other_clients_all_the_same(
    collector: Collector, refusing: str
) -> None:
    collector.always("POST", EVENTS, Answer(delay=0.3))
    broken, working = client_of(refusing), client_of(collector)
    call(broken, "lost", "s")
    in_state(broken, "down")
    for n in range(3):
        call(working, f"t{n}", "s")
    sentrial.flush(30)
    assert len(tools(collector)) == 3


def test_waiting_lets_other_threads_run(collector: Collector) -> None:
    client = client_of(collector, timeout=1)
    collector.script("POST", EVENTS, HANG)
    call(client, "t", "s")
    over = threading.Event()
    turns = [0]

    def count() -> None:
        while not over.is_set():
            turns[0] += 1
            over.wait(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        client.flush(0.5)
    finally:
        over.set()
        thread.join(10)
    assert turns[0] > 50
    settled(client)
