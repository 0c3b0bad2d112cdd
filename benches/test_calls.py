"""What the caller pays."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import orjson

from benches.support import Figure, probe, sink
from tests.support.collector import refused_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ROUNDS = 5

_Run = dict[str, Any]


def _medians(runs: list[_Run], name: str, key: str) -> float:
    values: list[float] = [run[name][key] for run in runs]
    return median(values)


def _ratio(runs: list[_Run]) -> float:
    ratios: list[float] = [run["track"]["p50"] / run["orjson"]["p50"] for run in runs]
    return median(ratios)


def _sides(runs: list[_Run]) -> str:
    return f"{_medians(runs, 'track', 'p50'):.1f} / {_medians(runs, 'orjson', 'p50'):.1f} µs"


def test_tight(figure: Callable[[Figure], None], home: Path) -> None:
    runs = []
    for _ in range(_ROUNDS):
        with sink() as server:
            run = probe("calls", home, url=server.url, rounds=20, block=500)
            sent = orjson.dumps(server.counts()["last_event"])
        assert run["delivered"] == run["accepted"]
        # What orjson writes is what was sent, but for the session's id.
        assert abs(len(sent) - run["body_bytes"]) < 64
        assert run["rounds_with_a_backlog"] > 0.9, "the sender was not busy"
        runs.append(run)
    note = f"{_sides(runs)}, body {runs[0]['body_bytes']} B"
    figure(Figure("track_tool_call, sender busy: p50 / orjson", _ratio(runs), 8, " x", note=note))
    p99 = _medians(runs, "track", "p99")
    figure(Figure("track_tool_call, sender busy: p99", p99, 100, " µs"))


def test_paced(figure: Callable[[Figure], None], home: Path) -> None:
    runs = []
    for _ in range(_ROUNDS):
        with sink() as server:
            run = probe("calls", home, url=server.url, rounds=8, block=100, pause=0.002)
        assert run["delivered"] == run["accepted"]
        runs.append(run)
    name = "paced, one call per 2 ms: p50 / orjson paced"
    figure(Figure(name, _ratio(runs), 2.5, " x", note=_sides(runs)))


def test_the_server_does_not_matter(figure: Callable[[Figure], None], home: Path) -> None:
    runs: dict[str, list[_Run]] = {"0 ms": [], "50 ms": [], "hanging": [], "refusing": []}
    for _ in range(_ROUNDS):
        with sink() as server:
            runs["0 ms"].append(_steady(home, server.url))
        with sink(latency=0.05) as server:
            runs["50 ms"].append(_steady(home, server.url))
        with sink(hang=True) as server:
            runs["hanging"].append(_steady(home, server.url))
        with refused_url() as url:
            runs["refusing"].append(_steady(home, url, "down"))
    assert not any(run["dropped"] for each in runs.values() for run in each)

    spreads = []
    for four in zip(*runs.values(), strict=True):
        times = [run["track"]["p50"] for run in four]
        spreads.append(max(times) / min(times))
    each_p50 = (f"{name} {_medians(each, 'track', 'p50'):.1f}" for name, each in runs.items())
    note = ", ".join(each_p50) + " µs"
    name = "caller's p50 over the four servers: max / min"
    figure(Figure(name, median(spreads), 1.3, " x", note=note))

    # On a machine with other work every loop is preempted for milliseconds: that is in the note.
    for server_, each in runs.items():
        worst = _medians(each, "track", "undisturbed_max") / 1000
        note = (
            f"with preemptions {_medians(each, 'track', 'max') / 1000:.1f} ms, "
            f"json.dumps in the same loop {_medians(each, 'machine', 'max') / 1000:.1f} ms"
        )
        name = f"longest of 10 000 not preempted, server {server_}"
        figure(Figure(name, worst, 2, " ms", note=note))
    for server_, each in runs.items():
        pair = _medians(each, "begin_finish", "p50")
        figure(Figure(f"begin() + finish(), server {server_}: p50", pair, 30, " µs"))


def _steady(home: Path, url: str, state: str = "up") -> _Run:
    run = probe("steady", home, url=url, state=state, calls=10_000)
    assert run["state"] == state
    return run
