"""Import time, size on disk, resident memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from benches.support import HERE, Figure, probing, sink
from tests.support.collector import refused_url
from tests.support.processes import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typing_extensions import Self

    from benches.support import Probe

_MIB = 1 << 20
_CALLS = 1_000_000


def test_import(figure: Callable[[Figure], None], home: Path) -> None:
    bare, ours = [], []
    for _ in range(21):
        bare.append(_run("pass", home))
        ours.append(_run("import sentrial", home))
    # The first of each warms the caches.
    extra = (median(ours[1:]) - median(bare[1:])) * 1000
    note = f"{median(ours[1:]) * 1000:.1f} - {median(bare[1:]) * 1000:.1f} ms"
    figure(Figure("import sentrial over python -c pass", extra, 15, " ms", note=note))
    loaded = (
        "import sys, sentrial; "
        "print([m for m in ('asyncio', 'dataclasses', 'inspect', 'logging') if m in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", loaded],
        env=clean_environment(home),
        cwd=home,
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.strip() == "[]"


def _run(code: str, home: Path) -> float:
    environment = clean_environment(home)
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=home, check=True)
    return time.perf_counter() - started


def test_wheel(figure: Callable[[Figure], None]) -> None:
    named = os.environ.get("SENTRIAL_BENCH_WHEEL")
    wheels = [HERE / named] if named else sorted((HERE.parent / "dist").glob("sentrial-*.whl"))
    if not wheels:
        pytest.skip("no wheel in dist/; `make wheel` builds it")
    size = max(wheel.stat().st_size for wheel in wheels) / 1e6
    figure(Figure("wheel", size, 6, " MB", note=wheels[-1].name))


def test_resident_memory(figure: Callable[[Figure], None], home: Path) -> None:
    extra = []
    for _ in range(3):
        with probing("bare", home) as bare:
            bare.report()
            before = bare.resident()
        with sink() as server, probing("first_event", home, url=server.url) as ours:
            stats = ours.report()
            assert stats["delivered"] == stats["accepted"] == 3
            extra.append((ours.resident() - before) / _MIB)
    name = "resident above bare Python after the first event"
    figure(Figure(name, median(extra), 8, " MiB"))


@pytest.mark.parametrize(
    ("what", "size", "sessions"),
    [("1 KB in, 1 KB out", 1024, 64), ("a few bytes in and out", 0, 64)],
)
def test_outage(
    figure: Callable[[Figure], None], home: Path, what: str, size: int, sessions: int
) -> None:
    options: dict[str, Any] = {"calls": _CALLS, "size": size, "sessions": sessions}
    with refused_url() as url, probing("offer", home, url=url, **options) as running:
        running.report()
        before = running.resident()
        with _Watch(running) as watch:
            running.go_on()
            report = running.report()
        after = running.resident()
    stats = report["stats"]
    assert stats["accepted"] == _CALLS + sessions
    assert stats["pending"] + sum(stats["dropped"].values()) == stats["accepted"]
    grown = (max(watch.peak, after) - before) / _MIB
    note = f"queued {stats['queued_bytes'] / _MIB:.1f} MiB, {stats['pending']} requests"
    name = f"1 000 000 events refused ({what}): growth"
    figure(Figure(name, grown, 64 + 32, " MiB", note=note))
    name = f"1 000 000 events refused ({what}): p50"
    note = f"p99 {report['p99']:.1f} µs, max {report['max'] / 1000:.2f} ms"
    figure(Figure(name, report["p50"], 50, " µs", note=note))


class _Watch:
    """Looks at a probe's memory while it runs."""

    def __init__(self, running: Probe) -> None:
        self._running = running
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.peak = 0

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.peak = max(self.peak, self._running.resident())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()
