"""A line of the package for a stream that is closed already: no traceback of logging."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.process.scripts import KEY
from tests.support.processes import clean_environment, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython

#: What is recorded cannot be delivered, so that the end of the process has something to say.
RECORD = "sentrial.SentrialClient(shutdown_timeout=0.1, spool='off').track_decision('s', 'r')"

PROGRAMS = {
    "a handler whose stream is closed": f"""
import io, logging, sentrial
stream = io.StringIO()
logging.basicConfig(stream=stream)
{RECORD}
stream.close()
""",
    "no handler, standard error replaced and closed": f"""
import io, logging, sys, sentrial
{RECORD}
sys.stderr = io.StringIO()
sys.stderr.close()
""",
    "logging never loaded": f"""
import io, sys, sentrial
{RECORD}
sys.stderr = io.StringIO()
sys.stderr.close()
""",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_nothing_is_printed(run_python: RunPython, refusing: str, program: str) -> None:
    env = {"SENTRIAL_API_URL": refusing, "SENTRIAL_API_KEY": KEY}
    done = run_python(program, env=env)
    assert (done.exit, done.stdout, done.stderr) == (0, "", "")


def test_a_handler_that_can_write_still_has_the_line(run_python: RunPython, refusing: str) -> None:
    env = {"SENTRIAL_API_URL": refusing, "SENTRIAL_API_KEY": KEY}
    program = f"""
import io, logging, os, sentrial
closed = io.StringIO()
logging.basicConfig(stream=closed)

class Here(logging.Handler):
    def emit(self, record):
        os.write(1, (record.getMessage() + "\\n").encode())

logging.getLogger("sentrial").addHandler(Here())
{RECORD}
closed.close()
"""
    done = run_python(program, env=env)
    assert "could not be delivered before the process ended" in done.stdout
    assert (done.exit, done.stderr) == (0, "")


@pytest.mark.parametrize("capture", ["fd", "sys"])
def test_a_suite_under_pytest_ends_without_tracebacks(
    tmp_path: Path, refusing: str, capture: str
) -> None:
    (tmp_path / "test_it.py").write_text(f"""
import logging, sys
import sentrial

def test_it():
    logging.basicConfig(stream=sys.stderr, force=True)
    {RECORD}
""")
    env = clean_environment(tmp_path, SENTRIAL_API_URL=refusing, SENTRIAL_API_KEY=KEY)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    done = run([*command, f"--capture={capture}"], env=env, cwd=tmp_path)
    assert done.exit == 0, done.stdout
    assert "Logging error" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
