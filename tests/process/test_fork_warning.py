"""Python 3.12+ warns of a fork of a process with several threads; ours step aside for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.process.forks import RELEASE, hanging_until, tools
from tests.process.scripts import run_script

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.process.scripts import Ran
    from tests.support.collector import Collector

FORKS = 10
WARNING = "DeprecationWarning: This process"

#: The threads have 100 ms to step aside. On a machine so busy that they do not get to run in that
#: time the fork goes on all the same, and Python warns of it rightly.
COUNT_SLOW = """
slow = 0

def fork_once(fork=os.fork):
    global slow
    began = time.perf_counter()
    pid = child(lambda: None, fork)
    slow += time.perf_counter() - began >= 0.1
    assert reap(pid) == 0
"""

#: Five requests of one session, of which the first is on its way until the test opens the gate.
QUEUED = (
    RELEASE
    + COUNT_SLOW
    + """
client = SentrialClient(shutdown_timeout=20)
for n in range(5):
    call(client, f"queued {n}", "s")
eventually(lambda: client.stats()["in_flight"] == 1)

def delivers():
    names = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/comm") as comm:
            names.append(comm.read().strip())
    return "sentrial-delive" in names

def work():
    pass
"""
)

#: Opened after the last fork: what is delivered then comes without a further call of the SDK.
ARRIVES = """
release()
eventually(lambda: client.stats()["delivered"] == 5)
say("slow", slow)
say("profile", repr(sys.getprofile()))
"""

#: Ways to fork.
WAYS = {
    "in the program itself": """
pid = os.fork()
if pid == 0:
    os._exit(0)
assert reap(pid) == 0
""",
    "as the last a function does": """
def fork():
    return os.fork()

fork_once(fork)
""",
    "before another function is called": """
def fork():
    pid = os.fork()
    if pid:
        work()
    return pid

fork_once(fork)
""",
    "in a generator": """
def fork():
    yield os.fork()

fork_once(lambda: next(fork()))
""",
    "in a coroutine": """
import asyncio

async def fork():
    await asyncio.sleep(0)
    return os.fork()

fork_once(lambda: asyncio.run(fork()))
""",
    "where it is called, and then what takes long": """
def serve():
    # Nothing of the frame that forks moves on before this has returned.
    eventually(delivers)

for step in (os.fork, serve):
    if step() == 0:
        os._exit(0)
os.wait()
""",
    "with a terminal": """
fork_once(lambda: os.forkpty()[0])
""",
    "in multiprocessing": """
import multiprocessing

process = multiprocessing.get_context("fork").Process(target=work)
process.start()
process.join()
assert process.exitcode == 0
""",
    "in subprocess": """
import subprocess

assert subprocess.run(["true"], preexec_fn=work, check=True).returncode == 0
""",
    "with hooks of another library": """
calls = []

def hook():
    calls.append(work())

os.register_at_fork(before=hook, after_in_parent=hook)
fork_once()
assert len(calls) == 2
""",
    "again in a hook": """
again = True

def hook():
    global again
    if again:
        again = False
        fork_once()

os.register_at_fork(after_in_parent=hook)
fork_once()
assert not again
""",
    "in the child of another": """
def descend(depth):
    call(client, f"child {depth}", "c")
    if depth:
        assert reap(child(lambda: descend(depth - 1))) == 0
    release()
    client.flush(10)
    assert sys.getprofile() is None

assert reap(child(lambda: descend(2))) == 0
""",
    "two hundred times in a row": """
for _ in range(200):
    fork_once()
""",
    "two hundred times before any child is waited for": """
children = [child(work) for _ in range(200)]
assert [reap(pid) for pid in children] == [0] * 200
""",
}


def warnings_of(ran: Ran) -> int:
    assert ran.finished.exit == 0, ran.report()
    return sum(WARNING in line for line in ran.lines)


def check_no_warning(ran: Ran) -> None:
    warnings = warnings_of(ran)
    assert not ran.all("hung"), ran.report()
    if ran.one("slow"):
        assert warnings < FORKS, ran.report()
    else:
        assert not ran.lines, ran.report()


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
    check_no_warning(ran)
    assert ran.stats["delivered"] == FORKS + 1


@pytest.mark.parametrize("way", WAYS)
def test_a_fork_with_queued_requests_gives_no_warning(
    collector: Collector, run_python: RunPython, way: str
) -> None:
    """Also where Python counts only after the hooks of the parent (3.13.0 to 3.13.9, 3.14.0).

    What is queued is delivered afterwards without a further call.
    """
    with hanging_until(collector, "/release"):
        ran = run_script(run_python, collector, QUEUED + WAYS[way] + ARRIVES)
    check_no_warning(ran)
    assert ran.one("profile") == "None"
    assert ran.stats["delivered"] == ran.stats["accepted"] == 5
    queued = {name: count for name, count in tools(collector).items() if "queued" in name}
    assert queued == {f"queued {n}": 1 for n in range(5)}


@pytest.mark.parametrize("spool", ["spill", "durable"])
def test_a_fork_while_requests_wait_for_the_disk_gives_no_warning(
    collector: Collector, run_python: RunPython, spool: str
) -> None:
    """The thread of the spool comes back as late as the one that delivers."""
    code = f"""
for n in range({FORKS}):
    for m in range(20):
        call(client, f"{{n}} {{m}}", f"t{{m}}")
    time.sleep(0.01 * (n % 4))
    fork_once()
say("slow", slow)
"""
    with hanging_until(collector, "/release"):
        ran = run_script(run_python, collector, QUEUED + code + "release()\n", SENTRIAL_SPOOL=spool)
    check_no_warning(ran)
    assert ran.stats["delivered"] == ran.stats["accepted"] == 5 + 20 * FORKS


def test_a_process_that_ends_right_after_a_fork_delivers(
    collector: Collector, run_python: RunPython
) -> None:
    code = """
def end():
    pid = os.fork()
    if pid == 0:
        time.sleep(0.3)
        release()
        os._exit(0)

say("slow", slow)
end()
"""
    with hanging_until(collector, "/release"):
        ran = run_script(run_python, collector, QUEUED + code)
    check_no_warning(ran)
    assert ran.stats["delivered"] == ran.stats["accepted"] == 5


#: What the program does with the profile function, and what must then be there.
PROFILES = {
    "its own": ("sys.setprofile(mine)", ""),
    "its own, set in a hook": ("", "os.register_at_fork(after_in_parent=set_mine)"),
}


@pytest.mark.parametrize("when", PROFILES)
def test_the_profile_function_of_the_program_stays(
    collector: Collector, run_python: RunPython, when: str
) -> None:
    """Then Python may warn where it counts after the hooks: better than requests that wait."""
    at_once, hook = PROFILES[when]
    code = f"""
seen = []

def mine(frame, event, value):
    seen.append(event)

def set_mine():
    sys.setprofile(mine)

{hook}
{at_once}
fork_once()
kept = sys.getprofile() is mine
sys.setprofile(None)
say("kept", [kept, "c_call" in seen])
"""
    with hanging_until(collector, "/release"):
        ran = run_script(run_python, collector, QUEUED + code + ARRIVES)
    assert ran.one("kept") == [True, True]
    assert warnings_of(ran) <= 1, ran.report()
    assert ran.stats["delivered"] == 5


def test_who_forbids_profile_functions_is_obeyed(
    collector: Collector, run_python: RunPython
) -> None:
    code = """
def watch(event, args):
    if event == "sys.setprofile":
        raise RuntimeError("not here")

sys.addaudithook(watch)
fork_once()
"""
    with hanging_until(collector, "/release"):
        ran = run_script(run_python, collector, QUEUED + code + ARRIVES)
    assert warnings_of(ran) <= 1, ran.report()
    assert "not here" not in ran.finished.stderr
    assert ran.stats["delivered"] == 5


def test_profilers_are_not_disturbed(collector: Collector, run_python: RunPython) -> None:
    code = """
import cProfile, pstats

profiler = cProfile.Profile()
profiler.enable()
fork_once()
work()
profiler.disable()
say("functions", sorted({name for _, _, name in pstats.Stats(profiler).stats}))
"""
    with hanging_until(collector, "/release"):
        ran = run_script(run_python, collector, QUEUED + code + ARRIVES)
    assert warnings_of(ran) <= 1, ran.report()
    assert {"fork_once", "work"} <= set(ran.one("functions"))
    assert ran.stats["delivered"] == 5


def test_a_fork_in_a_thread_does_not_delay_delivery(
    collector: Collector, run_python: RunPython
) -> None:
    """Python warns of the program's own threads whatever we do: there is nothing to wait for."""
    code = f"""
def forks():
    for _ in range({FORKS}):
        fork_once()
        eventually(delivers)

profiles = []
sys.addaudithook(lambda event, _: event == "sys.setprofile" and profiles.append(event))
thread = threading.Thread(target=forks)
thread.start()
thread.join()
say("profiles", profiles)
"""
    with hanging_until(collector, "/release"):
        ran = run_script(run_python, collector, QUEUED + code + ARRIVES)
    assert warnings_of(ran) <= FORKS, ran.report()
    assert ran.one("profiles") == []
    assert ran.stats["delivered"] == 5
