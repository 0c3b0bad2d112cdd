"""What a decorated function costs its caller, above the same function undecorated."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from benches.support import Figure, probe, sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ROUNDS = 5


def _medians(runs: list[dict[str, Any]], key: str) -> float:
    return median(run[key] for run in runs)


def test_tool_on_a_function_that_does_nothing(figure: Callable[[Figure], None], home: Path) -> None:
    runs = []
    for _ in range(_ROUNDS):
        with sink() as server:
            run = probe("decorated", home, url=server.url, blocks=40, block=250)
        assert run["delivered"] == run["accepted"]
        runs.append(run)
    note = f"the function itself {_medians(runs, 'bare'):.2f} µs"
    outside = _medians(runs, "outside")
    figure(Figure("@tool outside of a session: median", outside, 0.5, " µs", note=note))
    note = f"coroutine function {_medians(runs, 'inside_async'):.1f} µs"
    inside = _medians(runs, "inside")
    figure(Figure("@tool in a session: median", inside, 12, " µs", note=note))


def test_price_of_a_call(figure: Callable[[Figure], None], home: Path) -> None:
    runs = [probe("priced", home) for _ in range(_ROUNDS)]
    figure(Figure("pricing.cost, model seen before: median", _medians(runs, "again"), 10, " µs"))
    note = "unpacks the data set"
    first = _medians(runs, "first") / 1000
    figure(Figure("pricing.cost, first call", first, 50, " ms", note=note))
