"""Every way in which a process can end, at every kind of server, with either spool.

The table is that of docs/spool.md. A cell of it is one program that records a session and dies, and
one that comes after it with a working server. Cells that say little that others do not are marked
`deaths` and run by `make test-deaths`.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.process.scripts import run_script
from tests.spool.programs import NEXT
from tests.support.answers import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.support.collector import Collector

EVENTS = 5


@dataclass(frozen=True)
class Death:
    """How a program ends."""

    code: str
    status: int = 0
    #: With `spill` nothing is lost: an exit hook of Python's runs.
    orderly: bool = True


RECORD = """
client = SentrialClient(shutdown_timeout=0.5)
def record(client=client):
    interaction = client.begin("u", "chat")
    for n in range(5):
        call(interaction, f"t{n}")
    interaction.finish()
    if client is globals().get("client") and os.environ["SENTRIAL_SPOOL"] == "durable":
        time.sleep(0.3)  # the group commit takes 50 ms at most; the machine may be busy
"""

#: What the children of multiprocessing import.
WORKER = """
import os, time
def record():
    import sentrial
    client = sentrial.SentrialClient(shutdown_timeout=0.5)
    interaction = client.begin("u", "chat")
    for n in range(5):
        interaction.track_tool_call(f"t{n}", {}, {})
    interaction.finish()
"""

CHILD = """
import multiprocessing, worker
child = multiprocessing.get_context({method!r}).Process(target=worker.record)
child.start()
child.join(20)
assert child.exitcode == 0, child.exitcode
"""

DEATHS = {
    "return": Death("record()"),
    "sys.exit": Death("record()\nsys.exit(3)", 3),
    "exception": Death("record()\nraise ValueError('the program itself')", 1),
    "SIGINT": Death("record()\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)", -signal.SIGINT),
    "fork": Death(CHILD.format(method="fork")),
    "forkserver": Death(CHILD.format(method="forkserver")),
    "spawn": Death(CHILD.format(method="spawn")),
    "thread": Death(
        "def work():\n    time.sleep(0.1)\n    record()\nthreading.Thread(target=work).start()"
    ),
    "event loop": Death(
        "import asyncio\nasync def main():\n    record()\n    await asyncio.sleep(0)\n"
        "asyncio.run(main())"
    ),
    "finalising": Death(
        "class Late:\n    def __del__(self, call=call, client=client):\n"
        "        call(client, 'late', 's')\nrecord()\nlate = Late()\nlate.itself = late"
    ),
    "os._exit": Death("record()\nos._exit(0)", orderly=False),
    "SIGTERM": Death(
        "record()\nos.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, orderly=False
    ),
    "SIGKILL": Death(
        "record()\nos.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, orderly=False
    ),
    "os.fork": Death(
        "if (pid := os.fork()) == 0:\n    record()\n    os._exit(0)\nassert reap(pid) == 0",
        orderly=False,
    ),
}

SERVERS = ["up", "refusing", "hanging", "429", "503"]

#: What `make test` runs: each death once with a server that takes nothing, and each mode where
#: they differ.
QUICK = {
    *((death, "hanging", "spill") for death in DEATHS if DEATHS[death].orderly),
    *((death, "refusing", "durable") for death in DEATHS if not DEATHS[death].orderly),
    ("return", "up", "durable"),
    ("return", "refusing", "spill"),
    ("return", "429", "spill"),
    ("return", "503", "spill"),
    ("fork", "refusing", "durable"),
    ("SIGKILL", "up", "spill"),
    ("SIGKILL", "hanging", "durable"),
}

CELLS = [
    pytest.param(
        death,
        server,
        mode,
        id=f"{death}-{server}-{mode}",
        marks=[] if (death, server, mode) in QUICK else [pytest.mark.deaths],
    )
    for death in DEATHS
    for server in SERVERS
    for mode in ("spill", "durable")
]


def behave(collector: Collector, server: str) -> None:
    """Let the server be what a cell wants."""
    if server == "refusing":
        collector.refuse()
    elif server == "hanging":
        collector.hold()
    elif server in {"429", "503"}:
        collector.always(".*", ".*", Answer(status=int(server)))


def works_again(collector: Collector) -> None:
    collector.clear_scripts()
    collector.break_connections()
    collector.accept()
    collector.release()


def accepted_once(collector: Collector) -> list[str]:
    """Tools of the session's events that the server took, each request counted once, in order."""
    seen: set[str | None] = set()
    names = []
    for request in collector.requests("POST", "/api/sdk/events"):
        if request.accepted and request.idempotency_key not in seen:
            seen.add(request.idempotency_key)
            names.append(request.json["toolName"])
    return [name for name in names if name.startswith("t")]


@pytest.mark.parametrize(("death", "server", "mode"), CELLS)
def test_death(
    collector: Collector,
    run_python: RunPython,
    tmp_path: Path,
    death: str,
    server: str,
    mode: str,
) -> None:
    way = DEATHS[death]
    (tmp_path / "worker.py").write_text(WORKER)
    behave(collector, server)
    ran = run_script(run_python, collector, RECORD + way.code, SENTRIAL_SPOOL=mode)
    assert ran.finished.exit == way.status, ran.report()
    assert "Fatal" not in ran.finished.stderr, ran.report()
    works_again(collector)
    following = run_script(run_python, collector, NEXT)
    assert following.finished.exit == 0, following.report()
    stats = following.stats
    assert stats["replayed"] == stats["adopted"], following.report()
    everything = [f"t{n}" for n in range(EVENTS)]
    arrived = accepted_once(collector)
    if way.orderly or mode == "durable":
        assert arrived == everything, ran.report() + following.report()
        assert len({r.idempotency_key for r in collector.requests("PATCH") if r.accepted}) == 1
    else:
        # Whatever has arrived is a part without gaps: order holds also when the end is missing.
        assert arrived == everything[: len(arrived)], ran.report()
    if server == "up" and way.orderly:
        assert all(len(group) == 1 for group in collector.by_idempotency_key().values())


def test_a_child_does_not_touch_the_file_of_its_parent(
    collector: Collector, run_python: RunPython
) -> None:
    code = """
client = SentrialClient(spool="durable", shutdown_timeout=0.5)
def one(name):
    call(client, name, name)
    time.sleep(0.2)
for n in range(3):
    one(f"t{n}")
def work():
    one("child")
for _ in range(3):
    assert reap(child(work)) == 0
one("t3")
os.kill(os.getpid(), signal.SIGKILL)
"""
    collector.hold()
    run_script(run_python, collector, code)
    works_again(collector)
    following = run_script(run_python, collector, NEXT).ok()
    assert following.stats["replayed"] == following.stats["adopted"] == 7
    keys: dict[str, set[str | None]] = {}
    for request in collector.requests("POST", "/api/sdk/events"):
        keys.setdefault(request.json["toolName"], set()).add(request.idempotency_key)
    assert {name: len(found) for name, found in keys.items()} == {
        "next": 1,
        "t0": 1,
        "t1": 1,
        "t2": 1,
        "t3": 1,
        "child": 3,
    }


def test_the_file_of_a_dead_parent_is_adopted_while_its_children_live(
    collector: Collector, run_python: RunPython
) -> None:
    code = """
client = SentrialClient(spool="durable")
call(client, "t0", "s")
client.flush(0.3)
if os.fork() == 0:
    sys.stdout.close()
    time.sleep(8)
    os._exit(0)
os.kill(os.getpid(), signal.SIGKILL)
"""
    collector.hold()
    # The child keeps the pipes of its parent open: they are handed something else.
    run_script(
        run_python,
        collector,
        "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)\n"
        "os.dup2(os.open(os.devnull, os.O_WRONLY), 2)\n" + code,
    )
    works_again(collector)
    following = run_script(run_python, collector, NEXT).ok()
    assert following.stats["replayed"] == 1


def test_a_signal_flush_chains_and_loses_nothing(
    collector: Collector, run_python: RunPython
) -> None:
    code = """
def mine(number, frame):
    say("mine", number)
    sys.exit(7)
signal.signal(signal.SIGTERM, mine)
sentrial.install_signal_flush()
sentrial.install_signal_flush([signal.SIGTERM, signal.SIGHUP])
client = SentrialClient(shutdown_timeout=0.5)
interaction = client.begin("u", "chat")
call(interaction, "t0")
os.kill(os.getpid(), signal.{signal})
time.sleep(9)
"""
    ran = run_script(run_python, collector, code.format(signal="SIGTERM"))
    assert ran.finished.exit == 7, ran.report()
    assert ran.all("mine") == [signal.SIGTERM]
    collector.refuse()
    ran = run_script(run_python, collector, code.format(signal="SIGHUP"))
    assert ran.finished.exit == -signal.SIGHUP, ran.report()
    collector.accept()
    following = run_script(run_python, collector, NEXT).ok()
    assert following.stats["replayed"] == 2
    assert [e["toolName"] for e in collector.events()] == ["t0", "next", "t0"]
