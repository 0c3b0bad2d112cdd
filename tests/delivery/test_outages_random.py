"""Random faults: whatever fails, what is stored in the end is what was recorded."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.delivery.helpers import balanced, client_of, lines
from tests.support.answers import (
    HANG,
    LOST_ANSWER,
    RESET_BEFORE,
    RESET_MIDDLE,
    Answer,
    html,
    limited,
    redirect,
    truncated,
)
from tests.support.waiting import eventually

if TYPE_CHECKING:
    import sentrial

    from tests.support.collector import Collector

THREADS = 8
AT_ONCE = 3
SHARE = 0.3

FAULTS: list[Answer | int] = [
    408,
    425,
    500,
    502,
    503,
    504,
    limited(0.1),
    limited(0.1, 503),
    html(502),
    html(),
    redirect("http://127.0.0.1:9/login", 302),
    truncated(),
    HANG,
    RESET_BEFORE,
    RESET_MIDDLE,
    LOST_ANSWER,
    Answer(delay=0.2),
    Answer(close=True),
    Answer(reset="middle", keeps=True),
]

Ledger = dict[str, list[str]]


def work(client: sentrial.SentrialClient, thread: int, until: float, ledger: Ledger) -> None:
    """Record sessions, some of them interleaved, and write down what was recorded."""
    chance = random.Random(thread)  # noqa: S311  the same work every time
    number = 0
    while time.monotonic() < until:
        users = [f"u{thread}x{number + n}" for n in range(AT_ONCE)]
        number += AT_ONCE
        interactions = [client.begin(user, "soak") for user in users]
        steps: list[list[str]] = [["POST"] for _ in users]
        for step in range(chance.randrange(3, 12)):
            at = chance.randrange(AT_ONCE)
            interactions[at].track_tool_call(f"t{step}", {"thread": thread}, {"ok": True})
            steps[at].append(f"t{step}")
            time.sleep(chance.random() * 0.1)
        for interaction, done in zip(interactions, steps, strict=True):
            interaction.finish()
            done.append("PATCH")
        ledger.update(zip(users, steps, strict=True))


def recorded(client: sentrial.SentrialClient, seconds: float) -> Ledger:
    """Work in several threads for a while, with the counters in balance at every moment."""
    ledgers: list[Ledger] = [{} for _ in range(THREADS)]
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=work, args=(client, number, until, ledger))
        for number, ledger in enumerate(ledgers)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        balanced(client.stats())
        time.sleep(0.05)
    return {user: steps for one in ledgers for user, steps in one.items()}


def stored(server: Collector) -> Ledger:
    """Tell what the server has taken in, by user."""
    found: Ledger = {}
    for request in server.requests():
        if request.taken:
            user = str(request.session_id).removeprefix("sess_").partition("_")[0]
            found.setdefault(user, []).append(request.json.get("toolName") or request.method)
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.soak)])
def test_a_third_of_the_requests_fails_and_nothing_is_lost_doubled_or_out_of_order(
    server: Collector, caplog: pytest.LogCaptureFixture, seconds: int
) -> None:
    server.disturb(SHARE, FAULTS, seed=20)
    client = client_of(server, timeout=1.0)
    ledger = recorded(client, seconds)
    failed = sum(not request.accepted for request in server.requests())
    server.clear_scripts()
    eventually(lambda: client.stats()["pending"] == 0, 100, what="nothing pending")
    stats = balanced(client.stats())
    assert stats["dropped"] == {}
    assert stats["delivered"] == sum(map(len, ledger.values()))
    assert stored(server) == ledger
    assert failed > 10
    assert stats["retries"] >= failed // 2
    # That the server no longer asks for less is said after a minute of calm.
    said = [line for line in lines(caplog, server, client) if "slowed down" not in line]
    broke = ["recovered" not in line for line in said]
    assert broke == [number % 2 == 0 for number in range(len(said))], said
