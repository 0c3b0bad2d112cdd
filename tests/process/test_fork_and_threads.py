"""Forks at any moment of what other threads do, also inside the SDK."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.process.forks import (
    OWN_THREADS,
    agents,
    check_nothing_twice,
    tools,
)
from tests.process.scripts import run_script

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector


def test_a_fork_in_a_thread(collector: Collector, run_python: RunPython) -> None:
    code = """
client = SentrialClient()
interaction = client.begin("u", "chat")
interaction.session_id

def work():
    call(interaction, "child")
    client.begin("u", "own").finish()
    client.flush(10)

def in_thread():
    say("status", reap(child(work)))
    call(interaction, "thread")

thread = threading.Thread(target=in_thread)
thread.start()
thread.join()
interaction.finish()
"""
    ran = run_script(run_python, collector, OWN_THREADS + code, by_name=True).ok()
    assert ran.one("status") == 0
    assert tools(collector) == Counter(["child", "thread"])
    assert agents(collector) == ["chat", "own"]


def test_a_fork_while_another_thread_is_in_its_first_call(
    collector: Collector, run_python: RunPython
) -> None:
    """What a first call prepares once must not be waited for by a child without that thread."""
    code = """
import importlib.abc, importlib.machinery
client = SentrialClient()
entered, leave = threading.Event(), threading.Event()

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if threading.current_thread() is not first:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module
            def exec_module(module):
                entered.set()
                leave.wait(20)
                run(module)
            spec.loader.exec_module = exec_module
        return spec

first = threading.Thread(target=call, args=(client, "first", "s"))
sys.meta_path.insert(0, Slow())
first.start()
eventually(lambda: entered.is_set() or not first.is_alive())

def work():
    call(client, "child", "s")
    client.flush(10)

say("status", reap(child(work), 10))
leave.set()
first.join()
"""
    ran = run_script(run_python, collector, OWN_THREADS + code, by_name=True).ok()
    assert ran.one("status") == 0
    assert tools(collector) == Counter(["first", "child"])


@pytest.mark.timeout(120)
def test_forks_from_the_threads_that_track(collector: Collector, run_python: RunPython) -> None:
    code = """
client = SentrialClient()

def run(number):
    for n in range(12):
        for m in range(10):
            call(client, f"{number}-{n}-{m}", f"s{number}")
        def work():
            call(client, f"child {number}-{n}", f"s{number}")
            client.flush(15)
        say("status", reap(child(work)))

threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
    ran = run_script(run_python, collector, OWN_THREADS + code, timeout=110, by_name=True).ok()
    assert ran.all("status") == [0] * 48
    assert sum(tools(collector).values()) == 48 * 11
    check_nothing_twice(collector)
