"""A spool that fails while the process runs: one line, nothing else is harmed, the ledger holds."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.forks import RELEASE, check_nothing_twice, hanging_until
from tests.process.scripts import KEY, PREAMBLE
from tests.support.namespaces import can_mount, with_mounts
from tests.support.processes import clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.collector import Collector

pytestmark = pytest.mark.skipif(not can_mount(), reason="no mount namespaces here")


def run_on_a_small_disk(
    tmp_path: Path, collector: Collector, code: str, size: str = "2m"
) -> tuple[dict[str, Any], list[str]]:
    """Run a program whose spool is on a disk of that size; what it said, and its stderr."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "script.py").write_text(PREAMBLE + code)
    setup = f"mount -t tmpfs -o size={size},mode=0700 none {disk}"
    done = subprocess.run(
        with_mounts(setup, [sys.executable, "-W", "error", f"{tmp_path}/script.py"]),
        env=clean_environment(
            tmp_path / "home",
            SENTRIAL_API_URL=collector.url,
            SENTRIAL_API_KEY=KEY,
            SENTRIAL_SPOOL_DIR=str(disk),
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("spool") == done.stderr.count("the disk is full"), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    told = dict(json.loads(line) for line in done.stdout.splitlines())
    stats = told["stats"]
    places = stats["delivered"] + stats["pending"] + stats["spooled"]
    assert stats["accepted"] == places + sum(stats["dropped"].values()), stats
    return told, done.stderr.splitlines()


def test_a_disk_that_fills_up_costs_nothing_while_the_process_lives(
    tmp_path: Path, collector: Collector
) -> None:
    code = """
client = SentrialClient(spool="durable", shutdown_timeout=10)
for n in range(300):
    client.track_tool_call(f"s{n % 7}", f"t{n}", {"big": "x" * 20_000}, {})
    if n % 20 == 0:
        client.flush(0.1)
disk = os.statvfs(os.environ["SENTRIAL_SPOOL_DIR"])
say("free", disk.f_bavail * disk.f_frsize)
say("delivered", client.stats()["delivered"])
release()
client.flush(30)
"""
    with hanging_until(collector, "/release"):
        told, lines = run_on_a_small_disk(tmp_path, collector, RELEASE + code)
    assert told["free"] < 200_000, "the disk was full"
    assert told["delivered"] == 0
    assert (told["stats"]["delivered"], told["stats"]["dropped"]) == (300, {}), lines
    assert len([line for line in lines if "the disk is full" in line]) == 1, lines
    for session in range(7):
        sent = [e["toolName"] for e in collector.events() if e["sessionId"] == f"s{session}"]
        assert sent == [f"t{n}" for n in range(300) if n % 7 == session]
    check_nothing_twice(collector)


def test_a_disk_that_fills_up_while_memory_is_relieved(
    tmp_path: Path, collector: Collector
) -> None:
    """What reached the disk comes back in order; what did not stays in memory as far as it fits."""
    code = """
client = SentrialClient(shutdown_timeout=10)
for n in range(100):
    client.track_tool_call(f"s{n % 5}", f"t{n}", {"big": "x" * 900_000}, {})
    if n % 5 == 0:
        time.sleep(0.05)
eventually(lambda: client.stats()["dropped"], 30)
release()
client.flush(40)
"""
    with hanging_until(collector, "/release"):
        told, lines = run_on_a_small_disk(tmp_path, collector, RELEASE + code, "8m")
    stats = told["stats"]
    assert stats["pending"] == stats["spooled"] == 0, stats
    assert set(stats["dropped"]) == {"queue_full"}, stats
    assert stats["delivered"] == 100 - stats["dropped"]["queue_full"] > 70
    assert len([line for line in lines if "the disk is full" in line]) == 1, lines
    for session in range(5):
        sent = [e["toolName"] for e in collector.events() if e["sessionId"] == f"s{session}"]
        assert sent == sorted(sent, key=lambda name: int(name[1:]))
    check_nothing_twice(collector)
