"""How fast it arrives."""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING

from benches.support import Figure, bare_loop, probe, published_sdk, sink
from tests.support.local_server import running_local_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

_IN_FLIGHT = 64
_MOST_IN_FLIGHT = 256
_MOST_LINES = 2
_FAULTS: list[tuple[str, float, dict[str, float]]] = [
    ("1 % of 429 with Retry-After: 0", 0.7, {"status": 429, "rate": 0.01, "retry_after": 0}),
    ("30 % of 502", 0.4, {"status": 502, "rate": 0.3}),
    ("5 % of resets", 0.5, {"reset_rate": 0.05}),
]


def test_latency_is_hidden(figure: Callable[[Figure], None], home: Path) -> None:
    rates = []
    for _ in range(3):
        with sink(latency=0.05) as server:
            run = probe("deliver", home, url=server.url, sessions=500, events=40_000)
            counts = server.counts()
        assert (counts["sessions"], counts["events"]) == (500, 40_000)
        assert _IN_FLIGHT < counts["peak"] <= _MOST_IN_FLIGHT
        rates.append(40_000 / run["seconds"])
    name = "50 ms latency, 500 sessions: events/s"
    figure(Figure(name, median(rates), 4000, "", at_least=True))


def test_no_latency(figure: Callable[[Figure], None], home: Path) -> None:
    rates, cpu, delivery, ratios, least = [], [], [], [], []
    for _ in range(3):
        with sink() as server:
            run = probe("deliver", home, url=server.url, sessions=200, events=20_000)
            counts = server.counts()
            assert counts["events"] == 20_000
            body = json.dumps(counts["last_event"], separators=(",", ":")).encode()
            bare = bare_loop(
                f"{server.url}/api/sdk/events", body, connections=_IN_FLIGHT, requests=20_000
            )
        rates.append(20_000 / run["seconds"])
        cpu.append(run["cpu"] / 2)
        delivery.append(run["delivery"] / 2)
        least.append(bare["cpu"] / 2)
        ratios.append(bare["seconds"] / run["seconds"])
    figure(Figure("0 ms latency: events/s", median(rates), 1606, "", at_least=True))
    note = f"a bare reqwest loop {median(least):.2f} s; delivery alone {median(delivery):.2f} s"
    name = "0 ms latency: processor time per 10 000 events"
    figure(Figure(name, median(cpu), 0.45, " s", note=note))
    name = f"0 ms latency: rate / bare reqwest loop, {_IN_FLIGHT} connections"
    figure(Figure(name, median(ratios), 0.5, " x", at_least=True))


def test_faults_slow_down_and_stop_nothing(figure: Callable[[Figure], None], home: Path) -> None:
    def rate(**faults: float) -> float:
        with sink(check=True, **faults) as server:
            run = probe("deliver", home, url=server.url, sessions=200, events=20_000)
            counts = server.counts()
        assert (counts["sessions"], counts["events"]) == (200, 20_000)
        assert (counts["doubled"], counts["disordered"], run["dropped"]) == (0, 0, {})
        assert run["lines"] <= _MOST_LINES
        return 20_000 / float(run["seconds"])

    shares: dict[str, list[float]] = {}
    for _ in range(3):
        undisturbed = rate()
        for name, _, faults in _FAULTS:
            shares.setdefault(name, []).append(rate(**faults) / undisturbed)
    for name, least, _ in _FAULTS:
        share = median(shares[name])
        figure(Figure(f"{name}: share of the rate", share, least, " x", at_least=True))


def test_against_thepublished_sdk(
    figure: Callable[[Figure], None], home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    python = published_sdk(tmp_path_factory.mktemp("published"))
    ratios, ours, theirs = [], [], []
    for number in range(3):
        with running_local_server(home / str(number)) as server:
            theirs_run = probe(
                "published", home, python, url=server.url, key=server.key, sessions=50, events=2500
            )
            their_events = sum(int(session["eventCount"]) for session in server.sessions())
            assert their_events == 2500
            run = probe(
                "deliver", home, url=server.url, key=server.key, sessions=200, events=20_000
            )
            counted = sum(int(session["eventCount"]) for session in server.sessions())
            assert counted - their_events == 20_000
        ours.append(20_000 / run["seconds"])
        theirs.append(2500 / theirs_run["seconds"])
        ratios.append(ours[-1] / theirs[-1])
    note = f"{median(ours):,.0f} / {median(theirs):,.0f} events/s"
    name = "20 000 events to the local server / 0.6.0 immediate"
    figure(Figure(name, median(ratios), 5, " x", at_least=True, note=note))
