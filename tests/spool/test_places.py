"""Where the spool may be, and where it must not: one line, and the program is unharmed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.process.scripts import run_script
from tests.spool.programs import NEXT, RECORD, check_ledger, files, rows, spool_of
from tests.support.namespaces import ROOT, can_mount, with_mounts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.process.scripts import Ran
    from tests.support.collector import Collector


def check_off(ran: Ran, why: str, recorded: int = 12) -> None:
    """Check that the spool was off, with one line that says why, and nothing else went wrong."""
    assert ran.finished.exit == 0, ran.report()
    assert "Traceback" not in ran.finished.stderr, ran.report()
    said = [line for line in ran.lines if "the spool is off" in line]
    assert len(said) == 1, ran.report()
    assert why in said[0]
    stats = check_ledger(ran)
    assert stats["dropped"] == {"exit": recorded}, stats


def test_the_default_folder_is_private(
    refusing: str, run_python: RunPython, tmp_path: Path
) -> None:
    run_script(run_python, refusing, RECORD)
    folder = spool_of(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_a_missing_folder_is_made(refusing: str, run_python: RunPython, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    ran = run_script(run_python, refusing, RECORD, SENTRIAL_SPOOL_DIR=str(folder))
    assert ran.stats["spooled"] == 12
    assert len(files(folder)) == 1
    assert folder.stat().st_mode & 0o777 == 0o700


def test_without_a_home_the_temporary_directory_serves(
    refusing: str, collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    env = {"XDG_STATE_HOME": "", "HOME": "/nonexistent/home", "TMPDIR": str(temporary)}
    if ROOT:  # who may write everywhere has to be kept from it by a file
        (tmp_path / "file").touch()
        env["HOME"] = str(tmp_path / "file")
    ran = run_script(run_python, refusing, RECORD, **env)
    assert ran.stats["spooled"] == 12, ran.report()
    folder = temporary / f"sentrial-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(rows(folder)) == 12


def test_a_folder_for_all_among_the_temporary_files_is_not_trusted(
    refusing: str, run_python: RunPython, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / f"sentrial-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o755)
    env = {"XDG_STATE_HOME": "", "HOME": str(tmp_path / "file"), "TMPDIR": str(tmp_path)}
    ran = run_script(run_python, refusing, RECORD, **env)
    assert ran.stats["dropped"] == {"exit": 12}, ran.report()
    assert not files(folder)


def test_a_symbolic_link_is_not_followed(
    refusing: str, run_python: RunPython, tmp_path: Path
) -> None:
    (tmp_path / "target").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    ran = run_script(run_python, refusing, RECORD, SENTRIAL_SPOOL_DIR=str(tmp_path / "link"))
    check_off(ran, "is a symbolic link")
    assert not any((tmp_path / "target").iterdir())


def test_a_file_is_no_folder(refusing: str, run_python: RunPython, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    ran = run_script(run_python, refusing, RECORD, SENTRIAL_SPOOL_DIR=str(tmp_path / "file"))
    check_off(ran, "is not a folder")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_others_can_write_to_is_not_used(
    refusing: str, run_python: RunPython, tmp_path: Path
) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    ran = run_script(run_python, refusing, RECORD, SENTRIAL_SPOOL_DIR=str(folder))
    check_off(ran, "is open to other users")


@pytest.mark.skipif(not ROOT, reason="only root can give a folder away")
def test_the_folder_of_another_user_is_not_used(
    refusing: str, run_python: RunPython, tmp_path: Path
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    ran = run_script(run_python, refusing, RECORD, SENTRIAL_SPOOL_DIR=str(folder))
    check_off(ran, "belongs to another user")


def mounted(tmp_path: Path, options: str, script: str) -> list[str]:
    """Command that runs a script with a tmpfs of its own at ./disk."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "script.py").write_text(script)
    setup = f"mount -t tmpfs -o size=256k,mode=0700 none {tmp_path}/disk\n{options}"
    return with_mounts(setup, [sys.executable, "-W", "error", f"{tmp_path}/script.py"])


MOUNTED = """
import json, os, sys
import atexit
atexit.register(lambda: print(json.dumps(sentrial.stats())))
import sentrial
client = sentrial.SentrialClient(
    api_url={url!r}, api_key="sentrial_live_x", shutdown_timeout=0.3, spool_dir={folder!r}
)
for n in range(200):
    client.track_tool_call("s", "t", {{"n": "x" * 5000}}, {{}})
"""


@pytest.mark.skipif(not can_mount(), reason="no mount namespaces here")
@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_full_or_read_only_disk(
    refusing: str, tmp_path: Path, state: str, clean_env: pytest.MonkeyPatch
) -> None:
    import json

    options = f"mount -o remount,ro {tmp_path}/disk" if state == "read-only" else ""
    script = MOUNTED.format(url=refusing, folder=str(tmp_path / "disk"))
    done = subprocess.run(
        mounted(tmp_path, options, script), capture_output=True, text=True, check=False, timeout=40
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len([line for line in lines if "the spool is off" in line]) == 1, done.stderr
    stats = json.loads(done.stdout)
    assert stats["accepted"] == 200
    assert stats["spooled"] + sum(stats["dropped"].values()) == 200
    assert stats["dropped"]["exit"] > 0


def test_two_processes_share_a_folder(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    code = """
import subprocess
client = SentrialClient(spool="durable")
call(client, "outer", "s")
client.flush()
inner = '''
import os, sentrial
client = sentrial.SentrialClient(spool="durable")
client.track_tool_call("s", "inner", {}, {})
client.flush()
'''
subprocess.run([sys.executable, "-c", inner], check=True)
call(client, "outer again", "s")
"""
    run_script(run_python, collector, code).ok()
    names = [event["toolName"] for event in collector.events()]
    assert names == ["outer", "inner", "outer again"]
    assert not files(spool_of(tmp_path))


def test_a_spool_of_a_newer_version_is_left_alone_and_reported(
    collector: Collector, refusing: str, run_python: RunPython, tmp_path: Path
) -> None:
    run_script(run_python, refusing, RECORD)
    (file,) = files(spool_of(tmp_path))
    db = sqlite3.connect(file)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = file.read_bytes()
    ran = run_script(run_python, collector, NEXT)
    assert ran.stats["adopted"] == 0
    assert len(ran.lines) == 1, ran.report()
    assert "newer version" in ran.lines[0]
    assert file.read_bytes() == before


@pytest.mark.parametrize("damage", ["garbage", "truncated", "foreign"])
def test_a_damaged_file_is_set_aside_and_reported(
    collector: Collector, run_python: RunPython, tmp_path: Path, damage: str
) -> None:
    collector.refuse()
    run_script(run_python, collector, RECORD)
    collector.accept()
    (file,) = files(spool_of(tmp_path))
    # Otherwise SQLite would restore everything from its log.
    db = sqlite3.connect(file)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    if damage == "garbage":
        file.write_bytes(b"no database " * 1000)
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:5000])
    else:
        file.unlink()
        db = sqlite3.connect(file)
        db.execute("CREATE TABLE mine (x)")
        db.close()
    ran = run_script(run_python, collector, NEXT)
    assert ran.finished.exit == 0
    assert ran.stats["delivered"] == 1
    assert len(ran.lines) == 1, ran.report()
    assert "is damaged; it is set aside" in ran.lines[0]
    assert file.with_name(file.name + ".corrupt").exists()
    assert run_script(run_python, collector, NEXT).ok().stats["delivered"] == 1


def test_an_unfinished_file_is_removed(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    folder = spool_of(tmp_path)
    folder.mkdir(parents=True, mode=0o700)
    (folder / "x-0.db").touch()
    db = sqlite3.connect(folder / "y-0.db")
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    run_script(run_python, collector, NEXT).ok()
    assert not files(folder)


def test_off_writes_nothing(refusing: str, run_python: RunPython, tmp_path: Path) -> None:
    ran = run_script(run_python, refusing, RECORD, SENTRIAL_SPOOL="off")
    assert check_ledger(ran)["dropped"] == {"exit": 12}
    assert not spool_of(tmp_path).exists()
