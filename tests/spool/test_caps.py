"""The spool's bounds: 2 GiB in a folder, seven days for a request."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

import pytest
from sentrial import SentrialClient

from tests.process.scripts import KEY, run_script
from tests.spool.programs import (
    NEXT,
    check_ledger,
    count_from_outside,
    files,
    rows,
    spool_of,
    tools,
)
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.support.collector import Collector

MAX_BYTES = 2 * 1024 * 1024 * 1024
DAY = 24 * 3600
EVENTS = 20

#: A program that records events of a session whose id is known, and ends by itself.
EVENTS_OF_ONE_SESSION = f"""
client = SentrialClient(shutdown_timeout=0.3)
for n in range({EVENTS}):
    call(client, f"t{{n}}", "s")
"""


def make_old(file: Path, count: int, days: float) -> None:
    """Let the first rows of a file have been made that long ago."""
    made_at = int((time.time() - days * DAY) * 1e6)
    db = sqlite3.connect(file)
    with db:
        db.execute(
            "UPDATE requests SET made_at = ? "
            "WHERE id IN (SELECT id FROM requests ORDER BY id LIMIT ?)",
            (made_at, count),
        )
    db.close()


def date_back(file: Path, made_at: float) -> None:
    """Let all rows of a file have been made at that time, in seconds since 1970."""
    db = sqlite3.connect(file)
    with db:
        db.execute("UPDATE requests SET made_at = ?", (int(made_at * 1e6),))
    db.close()


#: Clocks that had not been set: at the beginning of time, at that of some firmware, in the future.
WRONG_CLOCKS = {"1970": 3600.0, "2021": 1_609_459_200.0, "2038": 2_147_483_000.0}


@pytest.mark.parametrize("made_at", WRONG_CLOCKS.values(), ids=WRONG_CLOCKS.keys())
def test_requests_are_not_given_up_for_an_age_that_only_the_clock_made(
    collector: Collector, run_python: RunPython, tmp_path: Path, made_at: float
) -> None:
    collector.refuse()
    ran = run_script(run_python, collector, EVENTS_OF_ONE_SESSION)
    assert check_ledger(ran)["spooled"] == EVENTS
    (file,) = files(spool_of(tmp_path))
    date_back(file, made_at)
    collector.accept()
    ran = run_script(run_python, collector, NEXT).ok()
    stats = check_ledger(ran)
    assert (stats["replayed"], stats["delivered"]) == (EVENTS, 1), ran.report()
    assert tools(collector) == ["next", *(f"t{n}" for n in range(EVENTS))]
    assert not files(spool_of(tmp_path))


def fill(folder: Path, room: int) -> None:
    """Leave that many bytes of the folder's share; the file takes no room on the disk."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "filler").open("wb") as file:
        file.truncate(MAX_BYTES - room)


def test_requests_older_than_seven_days_are_given_up_with_one_line(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    collector.refuse()
    ran = run_script(run_python, collector, EVENTS_OF_ONE_SESSION)
    assert check_ledger(ran)["spooled"] == EVENTS
    (file,) = files(spool_of(tmp_path))
    make_old(file, EVENTS, 6.99)
    make_old(file, 5, 7.01)

    collector.accept()
    ran = run_script(run_python, collector, NEXT)
    assert ran.finished.exit == 0, ran.report()
    assert ran.lines == [f"5 requests in {file} were older than 7 days and are given up"]
    stats = check_ledger(ran)
    assert (stats["adopted"], stats["replayed"], stats["delivered"]) == (EVENTS - 5, EVENTS - 5, 1)
    assert tools(collector) == ["next", *(f"t{n}" for n in range(5, EVENTS))]
    assert not files(spool_of(tmp_path))


def test_a_file_of_which_all_is_too_old_is_removed(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    collector.refuse()
    run_script(run_python, collector, EVENTS_OF_ONE_SESSION)
    (file,) = files(spool_of(tmp_path))
    make_old(file, EVENTS, 400)

    collector.accept()
    ran = run_script(run_python, collector, NEXT)
    assert len(ran.lines) == 1, ran.report()
    assert "20 requests" in ran.lines[0]
    stats = check_ledger(ran)
    assert (stats["adopted"], stats["replayed"], stats["delivered"]) == (0, 0, 1)
    assert not files(spool_of(tmp_path))


@pytest.mark.parametrize("spool", ["spill", "durable"])
def test_a_folder_at_its_limit_takes_the_oldest_and_the_rest_is_counted(
    collector: Collector, run_python: RunPython, tmp_path: Path, spool: str
) -> None:
    folder = spool_of(tmp_path)
    fill(folder, 4096)
    collector.refuse()
    ran = run_script(run_python, collector, EVENTS_OF_ONE_SESSION, SENTRIAL_SPOOL=spool)
    assert ran.finished.exit == 0, ran.report()
    limit = [line for line in ran.lines if "at its limit of 2048 MiB" in line]
    assert len(limit) == 1, ran.report()
    stats = check_ledger(ran)
    kept = stats["spooled"]
    assert 0 < kept < EVENTS, stats
    assert sum(stats["dropped"].values()) == EVENTS - kept, stats
    left = rows(folder)
    assert len(left) == kept
    assert sum(len(row["body"]) for row in left) <= 4096

    (folder / "filler").unlink()
    collector.accept()
    ran = run_script(run_python, collector, NEXT).ok()
    assert ran.stats["replayed"] == kept
    assert tools(collector) == ["next", *(f"t{n}" for n in range(kept))]


def test_a_durable_client_at_the_limit_delivers_from_memory(
    collector: Collector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the disk cannot take is lost only if the process dies before it is delivered."""
    folder = tmp_path / "spool"
    fill(folder, 4096)
    collector.hold()
    client = SentrialClient(
        api_url=collector.url, api_key=KEY, spool="durable", spool_dir=folder, wait_timeout=0.01
    )
    for n in range(EVENTS):
        client.track_tool_call("s", f"t{n}", {}, {})
    eventually(lambda: client.flush(0.01) or "at its limit" in caplog.text)
    assert 0 < count_from_outside(folder) < EVENTS
    assert client.stats()["pending"] == EVENTS
    collector.release()
    client.flush(20)
    stats = client.stats()
    assert (stats["delivered"], stats["pending"], stats["dropped"]) == (EVENTS, 0, {})
    assert tools(collector) == [f"t{n}" for n in range(EVENTS)]
    assert caplog.text.count("at its limit") == 1
