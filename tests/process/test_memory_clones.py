"""Processes made from one image of the memory (Lambda SnapStart, CRIU) do not share keys."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.process.forks import agents, tools
from tests.process.scripts import run_script
from tests.support.collector import Collector

if TYPE_CHECKING:
    from tests.conftest import RunPython

#: `fork()` in C runs no hook of Python, and each is process 1 of a PID namespace of its own: they
#: differ in nothing that the SDK could see. What runs before stands for the making of the image.
CLONES = """
import ctypes

libc = ctypes.PyDLL(None, use_errno=True)
CLONE_NEWPID = 0x20000000

def process_one(work):
    # One between, because a process can leave its namespace once.
    pid = libc.fork()
    if pid:
        return pid
    status = 1
    try:
        assert libc.unshare(CLONE_NEWPID) == 0, ctypes.get_errno()
        pid = libc.fork()
        if pid:
            status = reap(pid)
        else:
            assert os.getpid() == 1
            work()
            status = 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(status)

def program():
    # The image: a client is there that has not sent anything.
    client = SentrialClient()
    clones = [process_one(lambda name=name: clone(client, name)) for name in "ab"]
    for pid in clones:
        assert reap(pid) == 0

def clone(client, name):
    for number in range(3):
        client.track_tool_call("sess_known", f"{name}{number}", {}, {})
    client.create_session("n", agent_name="created " + name, user_id="u")
    with client.begin("u", "begun " + name) as interaction:
        interaction.track_tool_call(name + "in", {}, {})
    client.flush(10)

# Both clones are children of one that is process 1, too.
assert reap(process_one(program)) == 0
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a PID namespace")
@pytest.mark.parametrize("spool", ["spill", "durable"])
def test_clones_of_one_memory_do_not_share_keys(run_python: RunPython, spool: str) -> None:
    with Collector(honours_keys=True) as collector:
        run_script(run_python, collector, CLONES, SENTRIAL_SPOOL=spool).ok()
        names = [f"{clone}{n}" for clone in "ab" for n in (0, 1, 2, "in")]
        assert tools(collector) == Counter(names)
        assert agents(collector) == ["begun a", "begun b", "created a", "created b"]
        assert all(len(group) == 1 for group in collector.by_idempotency_key().values())
