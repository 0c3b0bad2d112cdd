"""A fork in the middle of a write to the spool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.process.scripts import run_script
from tests.spool.programs import rows, spool_of, tools

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.support.collector import Collector


def test_a_child_forked_in_the_middle_of_a_write_does_without_a_spool(
    collector: Collector, refusing: str, run_python: RunPython, tmp_path: Path
) -> None:
    """Another program locks the file, so that the spool thread is inside SQLite at the fork."""
    code = """
import logging, subprocess
class Kept(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())
lines = []
logging.getLogger("sentrial").addHandler(Kept())

client = SentrialClient(api_url=REFUSING, spool="durable", shutdown_timeout=0.1)
call(client, "first", "s")
client.flush(2)
(file,) = [name for name in os.listdir(FOLDER) if name.endswith(".db")]
locker = '''
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
'''
locked = subprocess.Popen(
    [sys.executable, "-c", locker, os.path.join(FOLDER, file)],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
)
locked.stdout.readline()
call(client, "second", "s")
time.sleep(0.3)  # the group commit is due after 15 ms

def work():
    lines.clear()
    own = SentrialClient(spool="durable")
    call(own, "child", "s")
    own.flush(10)
    eventually(lambda: own.flush(1) or lines)
    call(own, "child again", "s")
    own.flush(10)
    say("child", [own.stats()["delivered"], lines])

began = time.monotonic()
pid = child(work)
say("fork took", time.monotonic() - began)
locked.communicate()
say("status", reap(pid))
eventually(lambda: client.flush(1) is None and client.stats()["pending"] == 2)
"""
    folder = spool_of(tmp_path)
    code = code.replace("FOLDER", repr(str(folder))).replace("REFUSING", repr(refusing))
    ran = run_script(run_python, collector, code)
    assert ran.finished.exit == 0, ran.report()
    assert ran.one("status") == 0, ran.report()
    assert ran.one("fork took") < 1
    delivered, lines = ran.one("child")
    assert delivered == 2
    why = "the spool is off: this process was forked in the middle of a write of its parent"
    assert lines == [why]
    assert tools(collector) == ["child", "child again"]
    assert ran.stats["spooled"] == 2, "the parent has lost nothing"
    assert len(rows(folder)) == 2
