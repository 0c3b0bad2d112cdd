"""Rows belong to an address and a key: another key sends them only when it is asked to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.process.scripts import run_script
from tests.spool.programs import HOME, NEXT, RECORD, files, rows, spool_of, tools
from tests.support.processes import clean_environment

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector

WRONG = "sentrial_live_wrong_0123456789abcd"
RIGHT = "sentrial_live_right_0123456789wxyz"


def command(
    tmp_path: Path, collector: Collector, *arguments: str, key: str = RIGHT
) -> subprocess.CompletedProcess[str]:
    """Run `sentrial spool` with the spool of the programs of this test."""
    env = clean_environment(tmp_path / HOME, SENTRIAL_API_URL=collector.url, SENTRIAL_API_KEY=key)
    return subprocess.run(
        [str(Path(sys.executable).parent / "sentrial"), "spool", *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=40,
    )


def recorded_with_the_wrong_key(collector: Collector, run_python: RunPython) -> None:
    collector.always(".*", ".*", 401)
    ran = run_script(run_python, collector, RECORD, SENTRIAL_API_KEY=WRONG)
    assert ran.stats["spooled"] == 12, ran.report()
    assert "delivery paused: 401 Unauthorized" in ran.finished.stderr
    collector.clear_scripts()
    collector.forget()


def test_wrong_key_exit_right_key_and_the_announced_flush_delivers_all(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    recorded_with_the_wrong_key(collector, run_python)
    ran = run_script(run_python, collector, NEXT, SENTRIAL_API_KEY=RIGHT)
    assert ran.stats["adopted"] == 0
    hint = (
        "sentrial spool purge --from …abcd removes them, "
        "sentrial spool flush --from …abcd sends them with the current key"
    )
    assert ran.lines == [f"12 requests recorded with key …abcd wait; {hint}"]
    assert tools(collector) == ["next"]
    done = command(tmp_path, collector, "flush", "--from", "…abcd")
    assert (done.returncode, done.stdout) == (0, "12 requests sent.\n"), done.stderr
    assert tools(collector) == ["next", *(f"t{n}" for n in range(10))]
    assert {request.token for request in collector.requests()} == {RIGHT}
    assert not files(spool_of(tmp_path))


def test_status_shows_what_waits_and_purge_removes_it(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    assert command(tmp_path, collector, "status").stdout == "Nothing waits.\n"
    recorded_with_the_wrong_key(collector, run_python)
    shown = command(tmp_path, collector, "status").stdout
    for text in (collector.url, "…abcd", "12", "left"):
        assert text in shown
    assert WRONG not in shown
    assert (
        command(tmp_path, collector, "purge", "--from", "…wxyz").stdout == "0 requests removed.\n"
    )
    assert len(rows(spool_of(tmp_path))) == 12
    assert (
        command(tmp_path, collector, "purge", "--from", "abcd").stdout == "12 requests removed.\n"
    )
    assert not files(spool_of(tmp_path))


def test_flush_without_from_sends_only_what_is_ours(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    recorded_with_the_wrong_key(collector, run_python)
    done = command(tmp_path, collector, "flush")
    assert (done.returncode, done.stdout) == (0, "0 requests sent.\n")
    done = command(tmp_path, collector, "flush", key=WRONG)
    assert (done.returncode, done.stdout) == (0, "12 requests sent.\n")


def test_flush_says_when_the_server_is_down(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    recorded_with_the_wrong_key(collector, run_python)
    collector.refuse()
    done = command(tmp_path, collector, "flush", "--timeout", "5", key=WRONG)
    assert done.returncode == 1
    assert "not everything could be sent" in done.stderr
    assert len(rows(spool_of(tmp_path))) == 12


def test_rows_of_another_address_are_not_sent(
    collector: Collector, refusing: str, run_python: RunPython, tmp_path: Path
) -> None:
    run_script(run_python, refusing, RECORD)
    ran = run_script(run_python, collector, NEXT).ok()
    assert ran.stats["adopted"] == 0
    assert tools(collector) == ["next"]
    assert len(rows(spool_of(tmp_path))) == 12


def test_a_new_key_takes_the_rows_along(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    collector.always(".*", ".*", 401)
    code = f"""
client = SentrialClient(spool="durable")
for n in range(5):
    call(client, f"t{{n}}", "s")
eventually(lambda: client.stats()["state"] == "paused")
client.flush()
client.api_key = {RIGHT!r}
eventually(lambda: client.stats()["state"] == "paused")
time.sleep(0.3)
os.kill(os.getpid(), signal.SIGKILL)
"""
    run_script(run_python, collector, code, SENTRIAL_API_KEY=WRONG)
    collector.clear_scripts()
    ran = run_script(run_python, collector, NEXT, SENTRIAL_API_KEY=RIGHT).ok()
    assert ran.stats["replayed"] == 5


def test_the_key_is_not_in_the_files(refusing: str, run_python: RunPython, tmp_path: Path) -> None:
    run_script(run_python, refusing, RECORD, SENTRIAL_API_KEY=RIGHT)
    left = list(spool_of(tmp_path).iterdir())
    assert left
    for file in left:
        assert RIGHT.encode() not in file.read_bytes()
        assert b"0123456789" not in file.read_bytes()
