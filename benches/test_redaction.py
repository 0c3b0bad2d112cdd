"""What redaction costs, where it runs and where it does not."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benches.support import Figure, probe, published_sdk, sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

_ROUNDS = 5
_SCRIPT = "redaction_probes.py"


def test_throughput(figure: Callable[[Figure], None], home: Path) -> None:
    run = probe("redaction", home, script=_SCRIPT)
    assert not run["leaked"]
    note = f"{run['bytes']:.0f} B in {run['us']:.1f} µs, PII and secrets on"
    rate = run["bytes"] / run["us"]
    figure(Figure("redaction per core", rate, 200, " MB/s", at_least=True, note=note))


def test_against_the_published_sdk(
    figure: Callable[[Figure], None], home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    python = published_sdk(tmp_path_factory.mktemp("published"))
    theirs = probe("redact_payload", home, python, script=_SCRIPT)["us"]
    delivery = probe("redaction", home, script=_SCRIPT)["us"]
    function = probe("redact_payload", home, script=_SCRIPT)["us"]
    note = f"{theirs:.0f} / {delivery:.1f} µs; 0.6.0 looks at fewer fields and for no secrets"
    name = "redaction in delivery, 2 KB: redact_payload of 0.6.0 /"
    figure(Figure(name, theirs / delivery, 20, " x", at_least=True, note=note))
    note = f"{theirs:.0f} / {function:.1f} µs"
    name = "redact_payload, 2 KB: 0.6.0 / ours"
    figure(Figure(name, theirs / function, 20, " x", at_least=True, note=note))


def test_the_caller_does_not_pay(figure: Callable[[Figure], None], home: Path) -> None:
    ratios = []
    for _ in range(_ROUNDS):
        times = []
        for pii in (None, {"enabled": True}):
            with sink() as server:
                run = probe("steady", home, url=server.url, state="up", calls=10_000, pii=pii)
            assert run["state"] == "up"
            times.append(run["track"]["p50"])
        ratios.append(times[1] / times[0])
    name = "caller's p50 with pii / without"
    figure(Figure(name, median(ratios), 1.05, " x"))


def test_no_input_takes_quadratic_time(figure: Callable[[Figure], None], home: Path) -> None:
    ratios = probe("pathological", home, script=_SCRIPT)
    worst = max(ratios, key=lambda text: ratios[text])
    name = "ten times the text: time of the worst input"
    figure(Figure(name, ratios[worst], 15, " x", note=f"{worst}, 40 000 characters"))
