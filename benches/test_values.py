"""What values cost the caller: those that earlier calls recorded, and large ones."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from benches.support import Figure, probe, sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ROUNDS = 3


def _runs(name: str, home: Path, **options: Any) -> list[dict[str, float]]:
    runs = []
    for _ in range(_ROUNDS):
        with sink() as server:
            runs.append(probe(name, home, script="value_probes.py", url=server.url, **options))
    return runs


def test_what_others_recorded(figure: Callable[[Figure], None], home: Path) -> None:
    for name, outputs, entries in (("100 outputs of 100 KB", 100, 0), ("10 000 keys", 0, 10_000)):
        runs = _runs("state", home, outputs=outputs, entries=entries)
        before, after = (median(run[key] for run in runs) for key in ("before", "after"))
        note = f"{before:.1f} → {after:.1f} µs"
        if outputs:
            times = after / before
            figure(Figure(f"a small call after {name} / before", times, 2, " x", note=note))
        else:
            figure(Figure(f"a small call after {name} in the state", after, 300, " µs", note=note))


def test_large_values(figure: Callable[[Figure], None], home: Path) -> None:
    runs = _runs("large", home)
    for name in runs[0]:
        figure(Figure(f"a call with {name}", median(run[name] for run in runs), 2, " ms"))
