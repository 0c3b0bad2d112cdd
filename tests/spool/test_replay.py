"""What one process leaves, the next one sends: once, in order, as it would have been sent."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from tests.process.scripts import KEY, run_script
from tests.spool.programs import NEXT, RECORD, check_ledger, files, rows, spool_of, tools

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.support.collector import Collector


def test_what_a_process_leaves_the_next_one_delivers(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    collector.refuse()
    ran = run_script(run_python, collector, RECORD)
    stats = check_ledger(ran)
    assert (stats["accepted"], stats["spooled"]) == (12, 12)
    assert "12 requests could not be delivered" in ran.lines[-1], ran.report()
    left = rows(spool_of(tmp_path))
    assert [row["kind"] for row in left] == ["create", *["event"] * 10, "complete"]
    assert KEY not in files(spool_of(tmp_path))[0].read_bytes().decode("latin-1")

    collector.accept()
    ran = run_script(run_python, collector, NEXT).ok()
    stats = check_ledger(ran)
    assert (stats["accepted"], stats["delivered"], stats["spooled"]) == (1, 1, 0)
    assert (stats["adopted"], stats["replayed"]) == (12, 12)
    assert tools(collector) == ["next", *(f"t{n}" for n in range(10))]
    requests = [r for r in collector.requests() if r.path != "/api/sdk/events"]
    assert [request.method for request in requests] == ["POST", "PATCH"]
    assert all(len(group) == 1 for group in collector.by_idempotency_key().values())
    replayed = {request.idempotency_key for request in collector.requests()}
    assert {row["idempotency_key"] for row in left} <= replayed
    made_at = {row["idempotency_key"]: row["made_at"] for row in left}
    for request in collector.requests():
        told = datetime.fromisoformat(
            request.headers["x-sentrial-timestamp"].replace("Z", "+00:00")
        )
        since = told - datetime.fromtimestamp(0, timezone.utc)
        expected = made_at.get(request.idempotency_key)
        assert expected is None or since == timedelta(microseconds=expected)
    assert not files(spool_of(tmp_path)), "what is empty is removed"
