"""What does not fit into memory waits on disk and comes back in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sentrial import SentrialClient

from tests.process.scripts import KEY, run_script
from tests.spool.programs import NEXT, files, spool_of, tools
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.support.collector import Collector

MIB = 1024 * 1024
SESSIONS = 5


def test_an_overflowing_queue_loses_nothing_and_keeps_the_order(
    collector: Collector, tmp_path: Path
) -> None:
    collector.hold()
    client = SentrialClient(api_url=collector.url, api_key=KEY, spool_dir=tmp_path / "spool")
    big = "x" * 900_000
    receipts = []
    for n in range(120):
        receipts.append(client.track_tool_call(f"s{n % SESSIONS}", f"t{n}", {"big": big}, {}))
        stats = client.stats()
        assert stats["queued_bytes"] <= 64 * MIB
        if n % 5 == 0:
            # Callers of this test produce faster than any program; the thread gets its turn.
            eventually(lambda: client.stats()["queued_bytes"] < 50 * MIB, 40)
    assert client.stats()["pending"] == 120
    eventually(lambda: client.stats()["queued_bytes"] < 50 * MIB, 40)
    collector.release()
    client.flush(50)
    stats = client.stats()
    assert (stats["delivered"], stats["pending"], stats["dropped"]) == (120, 0, {})
    for session in range(SESSIONS):
        sent = [e["toolName"] for e in collector.events() if e["sessionId"] == f"s{session}"]
        assert sent == [f"t{n}" for n in range(120) if n % SESSIONS == session]
    assert all(len(group) == 1 for group in collector.by_idempotency_key().values())
    assert all(receipt["id"] for receipt in receipts), "receipts come back with their requests"


def test_what_is_on_disk_at_the_end_is_left_there(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    collector.hold()
    code = """
client = SentrialClient(shutdown_timeout=6)
interaction = client.begin("u", "chat")
for n in range(70):
    interaction.track_tool_call(f"t{n}", {"big": "x" * 900_000}, {})
    if n % 5 == 0:
        eventually(lambda: client.stats()["queued_bytes"] < 50_000_000)
"""
    ran = run_script(run_python, collector, code)
    assert ran.stats["spooled"] == ran.stats["accepted"] == 71, ran.report()
    collector.break_connections()
    collector.release()
    collector.forget()
    ran = run_script(run_python, collector, NEXT).ok()
    assert ran.stats["replayed"] == 71
    assert [name for name in tools(collector) if name != "next"] == [f"t{n}" for n in range(70)]
    assert not files(spool_of(tmp_path))
