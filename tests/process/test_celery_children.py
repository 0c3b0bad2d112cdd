"""Children of Celery's prefork pool, and of billiard, deliver before they leave by os._exit()."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.process.forks import tools
from tests.process.scripts import KEY, run_script
from tests.support.answers import Answer
from tests.support.processes import clean_environment, run
from tests.support.servers import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.support.collector import Collector

pytest.importorskip("celery")

TASKS = 12

CELERY = """
import celery

app = celery.Celery("tasks", broker="filesystem://", backend="file://results")
app.conf.broker_transport_options = {{
    "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control",
}}
app.conf.update({options})

{imports}

@app.task
def work(number):
    import sentrial
    with sentrial.begin("user", "request") as interaction:
        for part in (1, 2):
            interaction.track_tool_call(f"{{number}}.{{part}}", {{}}, {{"ok": True}})

@celery.signals.worker_process_shutdown.connect
def last(**_):
    import sentrial
    sentrial.SentrialClient().track_decision("sess_of_the_worker", "last")

if __name__ == "__main__":
    for answer in [work.delay(n) for n in range({tasks})]:
        answer.get(timeout=40)
"""

#: What ends a child of the pool.
ENDS = {
    "after each task": "worker_max_tasks_per_child=1",
    "after five tasks": "worker_max_tasks_per_child=5",
    "at a bound of memory": "worker_max_memory_per_child=1",
    "with the worker": "worker_max_tasks_per_child=1000",
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("end", "delay", "spool", "imports"),
    [
        ("after each task", 0.25, "spill", "import sentrial"),
        ("after each task", 0.03, "durable", ""),
        ("after five tasks", 0.0, "spill", "import sentrial"),
        ("at a bound of memory", 0.25, "durable", "import sentrial"),
        ("with the worker", 0.25, "spill", ""),
    ],
)
def test_every_event_of_a_child_is_delivered_by_it(
    collector: Collector, tmp_path: Path, end: str, delay: float, spool: str, imports: str
) -> None:
    collector.always(".*", ".*", Answer(delay=delay))
    for folder in ("queue", "results", "control"):
        (tmp_path / folder).mkdir()
    code = CELERY.format(options=ENDS[end], imports=imports, tasks=TASKS)
    (tmp_path / "tasks.py").write_text(code)
    env = clean_environment(
        tmp_path, SENTRIAL_API_URL=collector.url, SENTRIAL_API_KEY=KEY, SENTRIAL_SPOOL=spool
    )
    command = [
        *(sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork"),
        *("--concurrency", "2", "--loglevel", "WARNING", "--without-mingle", "--without-gossip"),
    ]
    with serving(command, port=0, env=env, cwd=tmp_path) as server:
        asked = run([sys.executable, "tasks.py"], env=env, cwd=tmp_path, timeout=60)
        assert asked.exit == 0, asked.stderr + server.log.read_text()
        # At once, right after the last task.
        server.terminate(40)
    assert tools(collector) == Counter(f"{n}.{part}" for n in range(TASKS) for part in (1, 2))
    assert len(collector.requests("PATCH")) == TASKS
    assert "last" in {
        event.get("reasoning") for event in collector.bodies("POST", "/api/sdk/events")
    }
    assert all(len(group) == 1 for group in collector.by_idempotency_key().values())


BILLIARD = """
import billiard

def record(name):
    import sentrial
    sentrial.SentrialClient().track_tool_call("s", name, {}, {})

def record_and_exit(name):
    record(name)
    sys.exit(3)
"""


@pytest.mark.parametrize("recycle", [1, 2, None])
def test_workers_of_a_pool_of_billiard(
    collector: Collector, run_python: RunPython, recycle: int | None
) -> None:
    collector.always("POST", "/api/sdk/events", Answer(delay=0.3))
    code = f"""{BILLIARD}
from billiard.pool import Pool
call(SentrialClient(), "parent", "s")
pool = Pool(2, maxtasksperchild={recycle})
pool.map(record, [f"t{{n}}" for n in range(4)])
pool.close()
pool.join()
"""
    run_script(run_python, collector, code).ok()
    assert tools(collector) == Counter(["parent", *(f"t{n}" for n in range(4))])


@pytest.mark.parametrize("target", ["record", "record_and_exit"])
def test_a_process_of_billiard(collector: Collector, run_python: RunPython, target: str) -> None:
    collector.always("POST", "/api/sdk/events", Answer(delay=0.3))
    code = f"""{BILLIARD}
child = billiard.Process(target={target}, args=("child",))
child.start()
child.join(20)
say("status", child.exitcode)
"""
    ran = run_script(run_python, collector, code).ok()
    assert ran.one("status") == (3 if target == "record_and_exit" else 0)
    assert tools(collector) == Counter(["child"])


def test_a_worker_of_billiard_at_a_hanging_server_ends_in_time(
    collector: Collector, run_python: RunPython
) -> None:
    collector.hold()
    code = f"""{BILLIARD}
from billiard.pool import Pool
pool = Pool(1, maxtasksperchild=1)
pool.map(record, ["t"])
pool.close()
begun = time.monotonic()
pool.join()
say("took", time.monotonic() - begun)
"""
    started = time.monotonic()
    env = {"SENTRIAL_SHUTDOWN_TIMEOUT": "0.3"}
    ran = run_script(run_python, collector, code, **env)
    assert ran.finished.exit == 0, ran.report()
    assert "1 requests could not be delivered" in "".join(ran.lines)
    # The pool itself waits for a second.
    assert time.monotonic() - started < 15
