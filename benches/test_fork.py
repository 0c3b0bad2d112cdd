"""What a fork costs the parent."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benches.support import Figure, probe, sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ROUNDS = 3


def test_added_time(figure: Callable[[Figure], None], home: Path) -> None:
    added = []
    bare, ours = [], []
    for _ in range(_ROUNDS):
        without = probe("forks", home, forks=300)
        with sink() as server:
            with_sdk = probe("forks", home, url=server.url, forks=300)
        bare.append(without["p99"])
        ours.append(with_sdk["p99"])
        added.append((with_sdk["p99"] - without["p99"]) / 1000)
    note = (
        f"{median(ours) / 1000:.2f} ms with events on their way, {median(bare) / 1000:.2f} ms bare"
    )
    figure(Figure("time added to a fork: p99", median(added), 2, " ms", note=note))
