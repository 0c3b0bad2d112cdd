"""Children of multiprocessing deliver what they recorded, though they leave by os._exit()."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.process.scripts import run_script
from tests.support.answers import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.process.scripts import Ran
    from tests.support.collector import Collector

METHODS = ["fork", "spawn", "forkserver"]

#: What spawned children import.
WORKER = """
import os, sys

def record(name):
    import sentrial
    client = sentrial.SentrialClient()
    client.track_tool_call("s", name, {}, {})

def record_with(client, name):
    client.track_tool_call("s", name, {}, {})

def record_on_default(name):
    import sentrial
    with sentrial.begin("u", name) as interaction:
        interaction.track_tool_call(name, {}, {})

def record_and_raise(name):
    record(name)
    raise SystemExit(3)

def record_and_return(name):
    record(name)
    return name
"""

#: As above, in a program that imports the package before multiprocessing, or after it.
ORDERS = {
    "sdk first": "import sentrial, multiprocessing, worker",
    "multiprocessing first": "import multiprocessing, worker, sentrial",
}


@pytest.fixture
def worker(tmp_path: Path, collector: Collector) -> Path:
    """Write what children import. The server is too slow for an event to get out by luck."""
    collector.always("POST", "/api/sdk/events", Answer(delay=0.3))
    file = tmp_path / "worker.py"
    file.write_text(WORKER)
    return file


def tools(collector: Collector) -> Counter[str]:
    return Counter(event["toolName"] for event in collector.events("tool_call"))


START = """
context = multiprocessing.get_context({method!r})

def start(target, *args):
    process = context.Process(target=target, args=args)
    process.start()
    process.join(20)
    say("status", process.exitcode)
    process.kill()
    process.join()
    process.close()
"""


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
@pytest.mark.parametrize("method", METHODS)
def test_a_child_that_returns_delivers_its_events(
    collector: Collector, run_python: RunPython, method: str, order: str
) -> None:
    code = f"""{order}
{START.format(method=method)}
client = SentrialClient()
call(client, "parent before", "p")
start(worker.record, "a")
start(worker.record_on_default, "b")
call(client, "parent after", "p")
"""
    ran = run_script(run_python, collector, code, by_name=True).ok()
    assert ran.all("status") == [0, 0]
    assert tools(collector) == Counter(["parent before", "parent after", "a", "b"])
    assert len(collector.requests("PATCH")) == 1
    assert all(len(group) == 1 for group in collector.by_idempotency_key().values())


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("method", METHODS)
def test_a_client_can_be_handed_to_a_child(
    collector: Collector, run_python: RunPython, method: str
) -> None:
    code = f"""import multiprocessing, worker
{START.format(method=method)}
client = SentrialClient(timeout=5)
call(client, "parent", "p")
start(worker.record_with, client, "child")
"""
    ran = run_script(run_python, collector, code, by_name=True).ok()
    assert ran.all("status") == [0]
    assert tools(collector) == Counter(["parent", "child"])


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("method", METHODS)
def test_a_child_that_exits_with_a_status_delivers_and_keeps_it(
    collector: Collector, run_python: RunPython, method: str
) -> None:
    code = f"""import multiprocessing, worker
{START.format(method=method)}
start(worker.record_and_raise, "child")
"""
    ran = run_script(run_python, collector, code, by_name=True).ok()
    assert ran.all("status") == [3]
    assert tools(collector) == Counter(["child"])


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("method", METHODS)
def test_a_pool_of_an_executor(collector: Collector, run_python: RunPython, method: str) -> None:
    code = f"""import multiprocessing, worker
from concurrent.futures import ProcessPoolExecutor
client = SentrialClient()
call(client, "parent", "p")
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context({method!r})) as pool:
    say("results", list(pool.map(worker.record_and_return, [f"t{{n}}" for n in range(6)])))
"""
    ran = run_script(run_python, collector, code, by_name=True).ok()
    assert ran.one("results") == [f"t{n}" for n in range(6)]
    assert tools(collector) == Counter(["parent", *(f"t{n}" for n in range(6))])


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("method", METHODS)
def test_a_pool_whose_workers_end_after_each_task(
    collector: Collector, run_python: RunPython, method: str
) -> None:
    code = f"""import multiprocessing, worker
context = multiprocessing.get_context({method!r})
pool = context.Pool(2, maxtasksperchild=1)
say("results", pool.map(worker.record_and_return, [f"t{{n}}" for n in range(4)], 1))
pool.close()
pool.join()
"""
    ran = run_script(run_python, collector, code, by_name=True).ok()
    assert ran.one("results") == [f"t{n}" for n in range(4)]
    assert tools(collector) == Counter(f"t{n}" for n in range(4))


def child_at_a_hanging_server(
    collector: Collector, run_python: RunPython, method: str, **env: str
) -> Ran:
    collector.hold()
    code = f"""import multiprocessing, worker
{START.format(method=method)}
begun = time.monotonic()
start(worker.record, "a")
say("took", time.monotonic() - begun)
"""
    ran = run_script(run_python, collector, code, by_name=True, **env)
    assert ran.all("status") == [0], ran.report()
    return ran


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("method", METHODS)
def test_a_child_at_a_hanging_server_waits_once(
    collector: Collector, run_python: RunPython, method: str
) -> None:
    ran = child_at_a_hanging_server(collector, run_python, method, SENTRIAL_SHUTDOWN_TIMEOUT="3")
    assert 2.9 < ran.one("took") < 5.5


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("method", METHODS)
def test_a_child_at_a_hanging_server_says_what_it_lost(
    collector: Collector, run_python: RunPython, method: str
) -> None:
    ran = child_at_a_hanging_server(collector, run_python, method, SENTRIAL_SHUTDOWN_TIMEOUT="0.3")
    assert len(ran.lines) == 1, ran.report()
    assert "1 requests could not be delivered" in ran.lines[0]
