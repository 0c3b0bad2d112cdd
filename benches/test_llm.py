"""What a wrapped LLM client costs over the bare one, against a provider on loopback."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from statistics import median
from typing import TYPE_CHECKING, Any

from benches.support import HERE, Figure, probe, sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_ROUNDS = 5
_CALLS = 300
_STREAMS = 20


@contextlib.contextmanager
def upstream() -> Iterator[str]:
    """Start the provider in a process of its own; its URL."""
    command = [sys.executable, str(HERE / "provider.py")]
    with subprocess.Popen(
        command, cwd=HERE.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def test_wrapped_calls(figure: Callable[[Figure], None], home: Path) -> None:
    runs: list[dict[str, Any]] = []
    for _ in range(_ROUNDS):
        with sink() as server, upstream() as provider:
            run = probe(
                "wrapped",
                home,
                url=server.url,
                upstream=provider,
                calls=_CALLS,
                warm_up=20,
                streams=_STREAMS,
            )
        # One event per call of the wrapped client, and the session's two requests.
        assert run["delivered"] == _CALLS + 20 + _STREAMS + 2
        runs.append(run)

    def sides(bare: str, wrapped: str) -> str:
        wrapped_side, bare_side = [median(run[side] for run in runs) for side in (wrapped, bare)]
        return f"{wrapped_side:.1f} / {bare_side:.1f} µs"

    over = median(run["over"] for run in runs)
    note = f"median of the pairs; {sides('bare', 'wrapped')}"
    figure(Figure("wrapped call over the bare one: p50", over, 75, " µs", note=note))
    over = median(run["wrapped_piece"] - run["bare_piece"] for run in runs)
    note = f"{sides('bare_piece', 'wrapped_piece')}, {runs[0]['pieces']} chunks a stream"
    figure(Figure("wrapped stream over the bare one, per chunk: p50", over, 5, " µs", note=note))
