"""What the spool costs, and how fast it empties."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median
from typing import TYPE_CHECKING, Any

from benches.support import HERE, Figure, sink
from tests.support.collector import refused_url
from tests.support.processes import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_EVENTS = 100_000


def _probe(name: str, home: Path, **options: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(HERE / "spool_probes.py"), name, json.dumps(options)],
        env=clean_environment(home),
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_durable_against_spill(figure: Callable[[Figure], None], home: Path) -> None:
    ratios, notes = [], []
    for _ in range(3):
        runs = {}
        for mode in ("spill", "durable"):
            with sink() as server:
                runs[mode] = _probe("calls", home, url=server.url, spool=mode, calls=20_000)
        ratios.append(runs["durable"]["p50"] / runs["spill"]["p50"])
        notes.append(f"{runs['spill']['p50']:.1f} → {runs['durable']['p50']:.1f} µs")
    figure(Figure("durable / spill, one call at p50", median(ratios), 2, " x", note=notes[-1]))


def test_draining(figure: Callable[[Figure], None], home: Path) -> None:
    with sink() as server, refused_url() as nowhere:
        left = _probe("leave", home, url=nowhere, events=_EVENTS)
        assert (left["pending"], left["dropped"]) == (_EVENTS, {})
        _move_to(home, nowhere, server.url)
        run = _probe("drain", home, url=server.url, own=20_000, events=_EVENTS)
    share = run["drained"] / run["own"]
    note = f"{run['drained']:,.0f} of {run['own']:,.0f} events/s"
    name = "draining 100 000 spooled events / normal delivery"
    figure(Figure(name, share, 0.5, " x", at_least=True, note=note))


def _move_to(home: Path, old: str, new: str) -> None:
    """Let the rows belong to another address: a port cannot first refuse and then be the sink's."""
    import sqlite3

    (file,) = (home / "state" / "sentrial" / "spool").glob("*.db")
    db = sqlite3.connect(file)
    db.execute("UPDATE clients SET url = ? WHERE url = ?", (new, old))
    db.commit()
    db.close()


def test_a_burst(figure: Callable[[Figure], None], home: Path) -> None:
    runs = []
    for _ in range(3):
        with sink(latency=0.05) as server:
            runs.append(_probe("burst", home, url=server.url, events=_EVENTS, threads=8))
    p99 = median(run["p99"] for run in runs)
    note = f"p50 {median(run['p50'] for run in runs):.1f} µs"
    figure(Figure("100 000 events, 8 threads, 50 ms: callers' p99", p99, 100, " µs", note=note))
    dropped = sum(sum(run["dropped"].values()) for run in runs)
    figure(Figure("requests of three such bursts that were dropped", dropped, 0, ""))
