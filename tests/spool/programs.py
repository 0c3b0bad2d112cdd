"""Programs that die and programs that come after them, with one spool."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.process.scripts import Ran
    from tests.support.collector import Collector

#: Where `run_python` lets a program put its spool.
HOME = "process-home"

#: A program that records one session with ten events and ends by itself.
RECORD = """
client = SentrialClient(shutdown_timeout=0.3)
interaction = client.begin("u", "chat", input="hello")
for n in range(10):
    call(interaction, f"t{n}")
interaction.finish(output="bye")
"""

#: A program that sends one event of its own, and what it finds.
NEXT = """
client = SentrialClient()
call(client, "next", "known")
"""


def spool_of(tmp_path: Path) -> Path:
    return tmp_path / HOME / "state" / "sentrial" / "spool"


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.db")) if folder.exists() else []


def rows(folder: Path) -> list[dict[str, Any]]:
    """Every row of every file, as a later process would find it."""
    found: list[dict[str, Any]] = []
    for file in files(folder):
        db = sqlite3.connect(file)
        db.row_factory = sqlite3.Row
        if db.execute("SELECT name FROM sqlite_schema WHERE name = 'requests'").fetchall():
            found += map(dict, db.execute("SELECT * FROM requests ORDER BY id"))
        db.close()
    return found


def count_from_outside(folder: Path) -> int:
    """Count the rows from another process: closing a file ends the locks this process has on it."""
    code = "import pathlib, sys; from tests.spool.programs import rows; "
    code += "print(len(rows(pathlib.Path(sys.argv[1]))))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )
    return int(done.stdout)


def tools(collector: Collector) -> list[str]:
    return [event["toolName"] for event in collector.events("tool_call")]


def check_ledger(ran: Ran) -> dict[str, Any]:
    """Check that the ledger adds up; return it."""
    stats = ran.stats
    dropped = sum(stats["dropped"].values())
    sent = stats["delivered"] + stats["pending"] + stats["spooled"]
    assert stats["accepted"] == sent + dropped, stats
    return stats
