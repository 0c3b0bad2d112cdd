"""Every request is accounted for: accepted = delivered + pending + spooled + dropped, always."""

from __future__ import annotations

import gc
import itertools
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sentrial

from tests.delivery.helpers import (
    EVENTS,
    at_once,
    balanced,
    call,
    client_of,
    in_state,
    lines,
    settled,
    tools,
)
from tests.support.answers import RESET_BEFORE, Answer
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from tests.support.collector import Collector

THREADS = 8
EVENTS_EACH = 1000


@contextmanager
def sampled(*sources: Callable[[], dict[str, Any]]) -> Iterator[list[int]]:
    """Check the equation, and that nothing accepted is forgotten, all through the block."""
    over = threading.Event()
    problems: list[BaseException] = []
    samples = [0]

    def sample() -> None:
        before = [0] * len(sources)
        try:
            while not over.is_set():
                for position, source in enumerate(sources):
                    stats = balanced(source())
                    assert stats["accepted"] >= before[position], (before[position], stats)
                    before[position] = stats["accepted"]
                samples[0] += 1
                # A thread that never rests would have the interpreter for itself, and the server of
                # this test next to nothing of it.
                over.wait(0.001)
        except BaseException as problem:  # noqa: BLE001  reported below, in the test's thread
            problems.append(problem)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join(10)
    if problems:
        raise problems[0]


def in_threads(work: Callable[[int], None], count: int = THREADS) -> None:
    """Run work(0), work(1) … in threads at the same time, and raise what any of them raised."""
    together = threading.Barrier(count)
    problems: list[BaseException] = []

    def run(number: int) -> None:
        try:
            together.wait(10)
            work(number)
        except BaseException as problem:  # noqa: BLE001
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
        assert not thread.is_alive()
    if problems:
        raise problems[0]


def test_eight_threads_of_a_thousand_events_are_exact(collector: Collector) -> None:
    client = client_of(collector)

    def record(number: int) -> None:
        for part in range(4):
            with client.begin(f"u{number}", f"part{part}") as interaction:
                for n in range(EVENTS_EACH // 4):
                    call(interaction, f"{number}-{part * EVENTS_EACH // 4 + n}")

    with sampled(client.stats, sentrial.stats) as samples:
        in_threads(record)
        client.flush(50)
    assert samples[0] > 10
    total = THREADS * (EVENTS_EACH + 8)
    stats = balanced(client.stats())
    assert stats["accepted"] == stats["delivered"] == total
    assert (stats["pending"], stats["dropped"], stats["in_flight"]) == (0, {}, 0)
    assert stats["queued_bytes"] == 0
    requests = collector.requests()
    assert len(requests) == len({request.idempotency_key for request in requests}) == total
    seen = Counter(tools(collector))
    assert seen == Counter(f"{t}-{n}" for t in range(THREADS) for n in range(EVENTS_EACH))
    for requests in collector.by_session().values():
        steps = [int(r.json["toolName"].split("-")[1]) for r in requests if r.path == EVENTS]
        assert steps == sorted(steps)


def test_exact_over_failures_of_every_kind(collector: Collector) -> None:
    answers = itertools.cycle([200] * 20 + [400, 404, RESET_BEFORE, 422, Answer(delay=0.01), 403])
    collector.script("POST", EVENTS, *itertools.islice(answers, 1500))
    client = client_of(collector)

    def record(number: int) -> None:
        for n in range(150):
            call(client, f"{number}-{n}", f"s{number}-{n % 20}")

    with sampled(client.stats, sentrial.stats):
        in_threads(record)
        stats = settled(client, 50)
    assert stats["accepted"] == THREADS * 150
    status = Counter(request.status for request in collector.requests())
    assert stats["delivered"] == status[200]
    assert stats["dropped"] == {f"rejected_{code}": status[code] for code in (400, 403, 404, 422)}
    assert len(collector.by_idempotency_key()) == stats["accepted"]


def test_process_totals_count_clients_that_are_gone(collector: Collector) -> None:
    before = balanced(sentrial.stats())
    for n in range(5):
        client = client_of(collector)
        client.begin(f"u{n}", "chat").finish()
        call(client, None if n == 4 else "t", None if n == 4 else "s")  # type: ignore[arg-type]
        del client
    gc.collect()

    def grown() -> dict[str, Any]:
        now = balanced(sentrial.stats())
        return {name: now[name] - before[name] for name in ("accepted", "delivered", "pending")}

    # Other clients of this test run may still be working on their own leftovers.
    eventually(lambda: grown()["delivered"] >= 14, what="14 more delivered")
    assert grown()["accepted"] == 15
    dropped = sentrial.stats()["dropped"]["invalid"] - before["dropped"].get("invalid", 0)
    assert dropped == 1


def test_process_totals_never_shrink_while_clients_come_and_go(collector: Collector) -> None:
    def record(number: int) -> None:
        for n in range(40):
            client = client_of(collector)
            call(client, "t", f"s{number}-{n}")
            client.flush(10)

    before = sentrial.stats()["accepted"]
    with sampled(sentrial.stats):
        in_threads(record, 4)
    assert sentrial.stats()["accepted"] - before == 160
    collector.wait_for(160)


def test_clients_are_counted_apart(collector: Collector, refusing: str) -> None:
    working, broken = client_of(collector), client_of(refusing)
    for n in range(10):
        call(working, f"t{n}", "s")
        call(broken, f"t{n}", "s")
    settled(working)
    stats = balanced(broken.stats())
    assert (stats["accepted"], stats["delivered"], stats["pending"]) == (10, 0, 10)


def test_a_full_queue_drops_the_oldest_and_says_so_once(
    refusing: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = {"max_queue_size": 50, "flush_threshold": 1000, "flush_interval": 60}
    client = client_of(refusing, batching=config)
    with sampled(client.stats), at_once(5):
        for n in range(500):
            assert call(client, f"t{n}", f"s{n % 5}") == {}
    stats = balanced(client.stats())
    assert stats["accepted"] == 500
    assert stats["dropped"] == {"queue_full": 450}
    assert stats["pending"] == 50
    full = [line for line in lines(caplog, refusing, client) if "full" in line]
    assert len(full) == 1, caplog.text


def test_what_survives_a_full_queue_are_the_newest(collector: Collector) -> None:
    collector.refuse()
    config = {"max_queue_size": 20, "flush_threshold": 1000, "flush_interval": 60}
    client = client_of(collector, batching=config)
    for n in range(100):
        call(client, f"t{n}", "s")
    assert client.stats()["dropped"] == {"queue_full": 80}
    collector.accept()
    client.flush(20)
    assert tools(collector) == [f"t{n}" for n in range(80, 100)]
    assert settled(client)["delivered"] == 20


def test_a_second_overflow_is_a_line_of_its_own(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    config = {"max_queue_size": 20, "flush_threshold": 1000, "flush_interval": 60}
    client = client_of(collector, batching=config)
    for turn in (1, 2):
        for n in range(50):
            call(client, f"t{n}", "s")
        client.flush(20)
        full = [line for line in lines(caplog, collector, client) if "full" in line]
        assert len(full) == turn
    assert settled(client)["dropped"] == {"queue_full": 60}


def test_the_bound_holds_in_bytes_without_batching(refusing: str) -> None:
    client = client_of(refusing, spool="off")
    big = "x" * 300_000
    for n in range(260):
        client.track_tool_call(f"s{n}", "t", {"big": big}, None)
    stats = balanced(client.stats())
    assert stats["queued_bytes"] <= 64 * 1024 * 1024
    assert stats["dropped"]["queue_full"] > 0
    assert stats["pending"] > 0


def test_disabled_calls_are_not_accepted(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTRIAL_DISABLED", "Yes")
    client = client_of(collector, fail_silently=False)
    interaction = client.begin("u", "chat")
    assert call(interaction, "t") == {}
    assert interaction.finish() == {}
    assert client.create_session("n") is None
    assert interaction.session_id is None
    client.flush()
    stats = balanced(client.stats())
    assert (stats["accepted"], stats["state"]) == (0, "disabled")
    assert stats["disabled"] >= 3
    assert collector.requests() == []


def test_an_interaction_collected_unfinished_is_counted_and_not_completed(
    collector: Collector,
) -> None:
    client = client_of(collector)
    interaction = client.begin("u", "chat")
    call(interaction, "t")
    del interaction
    gc.collect()
    stats = settled(client)
    assert stats["abandoned"] == 1
    assert stats["delivered"] == 2
    assert collector.requests("PATCH") == []
    assert sentrial.get_session_context() is None


def test_retries_are_not_requests(collector: Collector) -> None:
    collector.always(".*", ".*", 503)
    client = client_of(collector)
    for n in range(10):
        call(client, f"t{n}", "s")
    in_state(client, "down")
    collector.clear_scripts()
    stats = settled(client, 20)
    assert (stats["accepted"], stats["delivered"]) == (10, 10)
    assert stats["retries"] == len(collector.requests()) - 10
