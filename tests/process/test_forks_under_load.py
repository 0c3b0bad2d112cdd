"""Many forks at any moment of what other threads do: no hang, nothing twice, nothing lost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.process.forks import OWN_THREADS, check_nothing_twice, tools
from tests.process.scripts import run_script

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector


@pytest.mark.timeout(600)
@pytest.mark.parametrize("forks", [50, pytest.param(1000, marks=pytest.mark.soak)])
def test_forks_under_load(collector: Collector, run_python: RunPython, forks: int) -> None:
    """Forks happen at any moment of what other threads do, also inside the SDK."""
    code = """
forks = int(os.environ["COUNT"])
client = SentrialClient()
going = True
counts = [0] * 4

def load(number):
    while going:
        with client.begin(f"u{number}", "load") as interaction:
            for _ in range(5):
                call(interaction, f"{number}-{counts[number]}")
                counts[number] += 1
        time.sleep(0.01)

def work():
    with client.begin("u", "child") as own:
        call(own, f"child-{os.getpid()}")
    client.flush(15)
    stats = client.stats()
    say("child", [stats["accepted"], stats["delivered"]])

threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
statuses = []
for _ in range(forks):
    statuses.append(reap(child(work)))
going = False
for thread in threads:
    thread.join()
client.flush(20)
say("statuses", statuses)
say("counts", counts)
"""
    ran = run_script(
        run_python, collector, OWN_THREADS + code, timeout=550, by_name=True, COUNT=str(forks)
    ).ok()
    assert ran.one("statuses") == [0] * forks
    assert ran.all("child") == [[3, 3]] * forks
    expected = {f"{t}-{n}" for t, count in enumerate(ran.one("counts")) for n in range(count)}
    seen = tools(collector)
    assert {name for name in seen if not name.startswith("child")} == expected
    check_nothing_twice(collector)
    assert sum(name.startswith("child") for name in seen) == forks
    assert ran.stats["delivered"] == ran.stats["accepted"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("forks", [20, pytest.param(300, marks=pytest.mark.soak)])
def test_forks_of_c_while_threads_enqueue(
    collector: Collector, run_python: RunPython, forks: int
) -> None:
    """A fork() of C, as of an embedding server, runs no hook before the fork.

    The child makes Python whole again, as such servers do: without that the interpreter itself
    waits for ever for the threads that waited for its lock at the fork. Doing so releases the lock
    of imports, which Python 3.13 wants to be held by the forking thread.
    """
    code = """
forks = int(os.environ["COUNT"])
import _imp, ctypes
client = SentrialClient()
known = client.create_session("known", user_id="u")
going = True

def load(number):
    # One name: a new one in each event would make the session's state, and so the event, grow.
    while going:
        call(client, f"load-{number}", f"s{number}")
        time.sleep(0.002)

def work():
    call(client, f"child-{os.getpid()}", known)
    client.flush(15)
    stats = client.stats()
    assert stats["delivered"] == stats["accepted"] == 1, stats

threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
libc = ctypes.PyDLL(None)
libc.fork.restype = ctypes.c_int
# Between the two calls no thread may ask for the interpreter: in the child it would not exist.
sys.setswitchinterval(30)

def fork():
    _imp.acquire_lock()
    pid = libc.fork()
    if pid == 0:
        libc.PyOS_AfterFork_Child()
    else:
        _imp.release_lock()
    return pid

statuses = [reap(child(work, fork)) for _ in range(forks)]
going = False
for thread in threads:
    thread.join()
client.flush(20)
say("statuses", statuses)
"""
    ran = run_script(
        run_python, collector, OWN_THREADS + code, timeout=280, by_name=True, COUNT=str(forks)
    ).ok()
    assert ran.one("statuses") == [0] * forks
    seen = tools(collector)
    assert sum(name.startswith("child") for name in seen) == forks
    assert all(len(group) == 1 for group in collector.by_idempotency_key().values())
    sent = sum(count for name, count in seen.items() if name.startswith("load"))
    assert ran.stats["delivered"] == ran.stats["accepted"] == sent + 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("chains", [4, pytest.param(150, marks=pytest.mark.soak)])
def test_chains_of_children_that_fork_during_a_look_up(
    collector: Collector, run_python: RunPython, chains: int
) -> None:
    """Each child forks while its first look-up of a name is on its way."""
    code = """
chains = int(os.environ["COUNT"])
client = SentrialClient()
known = client.create_session("known", user_id="u")

def descend(chain, depth):
    call(client, f"{chain}-{depth}", known)
    if depth < 4:
        assert reap(child(lambda: descend(chain, depth + 1)), 25) == 0
    client.flush(10)
    stats = client.stats()
    assert stats["pending"] == 0, stats

say("statuses", [reap(child(lambda: descend(n, 0)), 30) for n in range(chains)])
"""
    ran = run_script(run_python, collector, code, timeout=280, by_name=True, COUNT=str(chains)).ok()
    assert ran.one("statuses") == [0] * chains
    assert tools(collector) == Counter(f"{c}-{d}" for c in range(chains) for d in range(5))


def test_a_fork_during_a_flush(collector: Collector, run_python: RunPython) -> None:
    """One thread waits in flush() while another forks: the waiter goes on, the child works."""
    collector.hold()
    code = (
        OWN_THREADS
        + """
client = SentrialClient()
for n in range(20):
    call(client, f"parent {n}", f"s{n}")
eventually(lambda: client.stats()["in_flight"] == 20)
flusher = threading.Thread(target=client.flush, args=(20,))
flusher.start()

def work():
    assert client.stats()["pending"] == 0
    client.flush(5)
    call(client, "child", "c")
    say("ready")
    client.flush(20)
    assert client.stats()["delivered"] == 1

pid = child(work)
say("status", reap(pid, 30))
flusher.join(25)
say("flushed", [flusher.is_alive(), client.stats()["delivered"]])
"""
    )
    import threading

    thread = threading.Thread(
        target=lambda: (
            collector.wait_for(21, path="/api/sdk/events", timeout=40),
            collector.release(),
        )
    )
    thread.start()
    ran = run_script(run_python, collector, code, by_name=True, timeout=50).ok()
    thread.join(20)
    assert ran.one("status") == 0
    assert ran.one("flushed") == [False, 20]
    assert tools(collector) == Counter(["child", *(f"parent {n}" for n in range(20))])
