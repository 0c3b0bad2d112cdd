"""How long an event loop stands still while two hundred tasks record."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benches.support import Figure, probe, sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TASKS = 200


def test_the_loop_goes_on(figure: Callable[[Figure], None], home: Path) -> None:
    with_sdk, without = [], []
    for _ in range(5):
        with sink(latency=0.02) as server:
            run = probe("loop", home, url=server.url, tasks=_TASKS)
            counts = server.counts()
        # One event warms up.
        assert (counts["sessions"], counts["events"]) == (_TASKS, _TASKS * run["steps"] + 1)
        with_sdk.append(run["stall"])
        without.append(run["idle_stall"])
    # Milliseconds, without and with what passed while the processor was given to others.
    own, whole = (median(stall[which] for stall in with_sdk) / 1000 for which in (0, 1))
    alone, whole_alone = (median(stall[which] for stall in without) / 1000 for which in (0, 1))
    # What the same tasks do to the loop without the SDK is not its doing.
    caused = max(0.0, own - alone)
    note = (
        f"with {own:.2f} ms, the same tasks without {alone:.2f} ms; "
        f"{whole:.2f} and {whole_alone:.2f} ms with waiting for a processor"
    )
    figure(Figure("asyncio, 200 tasks: longest stall caused", caused, 2, " ms", note=note))
