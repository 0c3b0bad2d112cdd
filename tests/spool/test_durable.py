"""`spool="durable"`: what was recorded 50 ms ago survives any death of the process."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from sentrial import SentrialClient

from tests.process.scripts import KEY, run_script
from tests.spool.programs import NEXT, count_from_outside, files, rows, spool_of, tools
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.support.collector import Collector

KILLED = """
client = SentrialClient(spool="durable")
interaction = client.begin("u", "chat", input="hello")
for n in range(100):
    call(interaction, f"t{n}")
client.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_flush_waits_for_the_commit_and_nothing_is_lost_then(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    collector.refuse()
    ran = run_script(run_python, collector, KILLED)
    assert ran.finished.exit == -signal.SIGKILL, ran.report()
    assert [row["kind"] for row in rows(spool_of(tmp_path))] == ["create", *["event"] * 100]
    collector.accept()
    ran = run_script(run_python, collector, NEXT).ok()
    assert (ran.stats["adopted"], ran.stats["replayed"]) == (101, 101)
    assert tools(collector) == ["next", *(f"t{n}" for n in range(100))]
    assert not files(spool_of(tmp_path))


def test_an_event_is_safe_after_50_ms_without_any_further_call(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    collector.hold()
    code = """
client = SentrialClient(spool="durable")
for n in range(20):
    call(client, f"t{n}", f"s{n % 3}")
time.sleep(0.25)  # the interval is 50 ms; the machine of the tests may be busy
os._exit(0)
"""
    run_script(run_python, collector, code)
    assert len(rows(spool_of(tmp_path))) == 20
    collector.release()
    ran = run_script(run_python, collector, NEXT).ok()
    assert ran.stats["replayed"] == 20
    for session in range(3):
        sent = [e["toolName"] for e in collector.events() if e["sessionId"] == f"s{session}"]
        assert sent == [f"t{n}" for n in range(20) if n % 3 == session]


def test_what_was_delivered_is_not_sent_again(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    code = """
client = SentrialClient(spool="durable")
interaction = client.begin("u", "chat")
for n in range(20):
    call(interaction, f"t{n}")
interaction.finish()
client.flush()
time.sleep(0.25)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ran = run_script(run_python, collector, code)
    assert ran.finished.exit == -signal.SIGKILL, ran.report()
    before = len(collector.requests())
    ran = run_script(run_python, collector, NEXT).ok()
    assert ran.stats["adopted"] == 0
    assert len(collector.requests()) == before + 1
    assert not files(spool_of(tmp_path))


def test_a_session_created_before_the_death_keeps_its_id(
    collector: Collector, run_python: RunPython
) -> None:
    code = """
client = SentrialClient(spool="durable")
interaction = client.begin("u", "chat")
for n in range(5):
    call(interaction, f"t{n}")
time.sleep(0.3)
os.kill(os.getpid(), signal.SIGKILL)
"""
    collector.hold()
    run_script(run_python, collector, code)
    created = collector.requests("POST", "/api/sdk/sessions")[0]
    collector.release()
    ran = run_script(run_python, collector, NEXT).ok()
    assert ran.stats["replayed"] == 6
    again = collector.requests("POST", "/api/sdk/sessions")
    assert {request.idempotency_key for request in again} == {created.idempotency_key}
    of_it = [event for event in collector.events() if event["toolName"] != "next"]
    assert len({event["sessionId"] for event in of_it}) == 1
    assert {r.headers["x-sentrial-timestamp"] for r in again} == {
        created.headers["x-sentrial-timestamp"]
    }


def test_the_ledger_counts_rows_still_to_be_sent_as_pending(
    collector: Collector, tmp_path: Path
) -> None:
    collector.hold()
    with SentrialClient(
        api_url=collector.url, api_key=KEY, spool="durable", spool_dir=tmp_path / "spool"
    ) as client:
        for n in range(10):
            client.track_tool_call(f"s{n}", "t", {}, {})
        eventually(lambda: count_from_outside(tmp_path / "spool") == 10)
        stats = client.stats()
        assert (stats["accepted"], stats["pending"], stats["spooled"]) == (10, 10, 0)
        collector.release()
        client.flush()
        assert client.stats()["delivered"] == 10
        eventually(lambda: count_from_outside(tmp_path / "spool") == 0)


def test_a_call_never_waits_for_the_disk(collector: Collector, tmp_path: Path) -> None:
    client = SentrialClient(
        api_url=collector.url, api_key=KEY, spool="durable", spool_dir=tmp_path / "spool"
    )
    worst = 0.0
    for n in range(2000):
        before = time.perf_counter()
        client.track_tool_call(f"s{n % 7}", "t", {}, {})
        worst = max(worst, time.perf_counter() - before)
    client.flush()
    assert worst < 0.5
    assert client.stats()["delivered"] == 2000
