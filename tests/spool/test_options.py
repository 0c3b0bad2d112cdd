"""`spool` and `spool_dir`: on a client, in `configure()`, from the environment, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.process.scripts import run_script
from tests.spool.programs import check_ledger, rows, spool_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython

CLIENT = "client = SentrialClient(shutdown_timeout=0.3{})\ncall(client, 't', 's')\n"
DEFAULT_CLIENT = (
    "sentrial.configure(shutdown_timeout=0.3{})\nsentrial.begin('u', 'chat').track_decision('r')\n"
)
ASYNC_CLIENT = """
import asyncio
async def main():
    client = sentrial.AsyncSentrialClient(shutdown_timeout=0.3{})
    await client.track_decision("s", "r")
asyncio.run(main())
"""
EVERY_WAY = pytest.mark.parametrize(
    "code", [CLIENT, DEFAULT_CLIENT, ASYNC_CLIENT], ids=["client", "configure", "async"]
)


@EVERY_WAY
def test_an_argument_beats_the_environment(
    refusing: str, run_python: RunPython, tmp_path: Path, code: str
) -> None:
    arguments = f", spool='spill', spool_dir={str(tmp_path / 'mine')!r}"
    ran = run_script(
        run_python,
        refusing,
        code.format(arguments),
        SENTRIAL_SPOOL="off",
        SENTRIAL_SPOOL_DIR=str(tmp_path / "theirs"),
    )
    stats = check_ledger(ran)
    assert stats["spooled"] == stats["accepted"] == len(rows(tmp_path / "mine")) > 0, ran.report()
    assert not (tmp_path / "theirs").exists()


@EVERY_WAY
def test_the_environment_beats_the_default(
    refusing: str, run_python: RunPython, tmp_path: Path, code: str
) -> None:
    theirs = tmp_path / "theirs"
    ran = run_script(run_python, refusing, code.format(""), SENTRIAL_SPOOL_DIR=str(theirs))
    assert len(rows(theirs)) == check_ledger(ran)["spooled"] > 0, ran.report()
    ran = run_script(run_python, refusing, code.format(""), SENTRIAL_SPOOL="off")
    stats = check_ledger(ran)
    assert stats["dropped"] == {"exit": stats["accepted"]}, ran.report()
    assert not rows(spool_of(tmp_path))


@EVERY_WAY
def test_spill_is_the_default(
    refusing: str, run_python: RunPython, tmp_path: Path, code: str
) -> None:
    ran = run_script(run_python, refusing, code.format(""))
    assert len(rows(spool_of(tmp_path))) == check_ledger(ran)["spooled"] > 0, ran.report()
