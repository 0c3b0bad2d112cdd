"""Python 3.12+ warns of a fork of a process with several threads; ours step aside for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.process.forks import RELEASE, hanging_until
from tests.process.scripts import run_script

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.process.scripts import Ran
    from tests.support.collector import Collector

FORKS = 10
WARNING = "DeprecationWarning: This process"

#: The threads have 5 ms to step aside. On a machine so busy that they do not get to run in that
#: time the fork goes on all the same, and Python warns of it rightly.
COUNT_SLOW = """
slow = 0

def fork_once():
    global slow
    began = time.perf_counter()
    pid = child(lambda: None)
    slow += time.perf_counter() - began >= 0.005
    assert reap(pid) == 0
"""


def warnings_of(ran: Ran) -> int:
    assert ran.finished.exit == 0, ran.report()
    return sum(WARNING in line for line in ran.lines)


@pytest.mark.parametrize("spool", ["off", "spill"])
def test_a_fork_with_an_idle_client_gives_no_warning(
    collector: Collector, run_python: RunPython, spool: str
) -> None:
    """After each fork the next event starts the delivery again.

    Idle is also the spool: with the first event its thread looks for what earlier processes left.
    """
    code = f"""
{COUNT_SLOW}
def at_rest():
    # The thread of the spool ends half a second after its last job.
    return len(os.listdir("/proc/self/task")) <= 2

client = SentrialClient()
call(client, "first", "s")
client.flush(10)
eventually(at_rest)
for n in range({FORKS}):
    call(client, f"parent {{n}}", "s")
    client.flush(10)
    assert client.stats()["pending"] == 0
    fork_once()
say("slow", slow)
"""
    ran = run_script(run_python, collector, code, SENTRIAL_SPOOL=spool)
    assert warnings_of(ran) <= ran.one("slow") < FORKS, ran.report()
    assert ran.stats["delivered"] == FORKS + 1


def test_a_fork_with_queued_requests_may_give_a_warning(
    collector: Collector, run_python: RunPython
) -> None:
    """Python 3.13 counts when the delivery already goes on, Python 3.12 before."""
    code = f"""
{COUNT_SLOW}
client = SentrialClient(shutdown_timeout=20)
call(client, "parent", "s")
eventually(lambda: client.stats()["in_flight"] == 1)
for n in range({FORKS}):
    fork_once()
say("slow", slow)
say("in flight", client.stats()["in_flight"])
release()
"""
    with hanging_until(collector, "/release"):
        ran = run_script(run_python, collector, RELEASE + code)
    if sys.version_info >= (3, 13):
        assert warnings_of(ran) == FORKS, ran.report()
    else:
        assert warnings_of(ran) <= ran.one("slow") < FORKS, ran.report()
    assert ran.stats["delivered"] == ran.stats["accepted"] == 1
