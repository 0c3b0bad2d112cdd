"""Servers that fork their workers: each worker tracks, nothing is lost, nothing hangs."""

from __future__ import annotations

import shutil
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.process.forks import agents, tools
from tests.process.scripts import KEY
from tests.support.processes import clean_environment, run
from tests.support.servers import Server, free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.collector import Collector

#: A client used by the master before it forks: its thread, sockets and look-ups are inherited.
APPLICATION = """
import os, urllib.parse
import sentrial

sentrial.configure()
with sentrial.begin("system", "boot") as boot:
    boot.track_tool_call("boot", {}, {})
known = sentrial.SentrialClient().create_session("known", user_id="system")

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/work/"):
        number = path.rpartition("/")[2]
        with sentrial.begin("user-" + number, "request", input=path) as interaction:
            interaction.track_tool_call("request " + number, {"path": path}, {"ok": True})
            interaction.set_output("done")
        sentrial.SentrialClient().track_tool_call(known, "known " + number, {}, {})
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""

REQUESTS = 60


def environment(collector: Collector, home: Path) -> dict[str, str]:
    return clean_environment(
        home,
        SENTRIAL_API_URL=collector.url_by_name,
        SENTRIAL_API_KEY=KEY,
        PYTHONWARNINGS="error::DeprecationWarning:sentrial",
    )


def ask(server: Server) -> Counter[str]:
    """Ask for work from several threads; return how many answers each worker gave."""
    with ThreadPoolExecutor(4) as pool:
        return Counter(pool.map(lambda n: server.get(f"/work/{n}"), range(REQUESTS)))


@contextmanager
def answers_only_after(collector: Collector, seconds: float) -> Iterator[None]:
    """Hold the answers for a while: what depends on them is sent by a worker that is ending."""
    collector.hold()
    timer = threading.Timer(seconds, collector.release)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def check(collector: Collector) -> None:
    events = {f"request {n}" for n in range(REQUESTS)} | {f"known {n}" for n in range(REQUESTS)}
    collector.wait_for(2 * REQUESTS + 1, path="/api/sdk/events")
    # One more: that of the session of the master.
    collector.wait_for(REQUESTS + 1, method="PATCH")
    assert set(tools(collector)) - {"boot"} == events
    assert agents(collector).count("request") == REQUESTS
    completed = [r for r in collector.requests("PATCH") if r.json.get("status") == "completed"]
    assert len(completed) >= REQUESTS
    assert all(len(group) == 1 for group in collector.by_idempotency_key().values())
    assert all(tools(collector)[name] == 1 for name in events)


def check_last(collector: Collector) -> None:
    collector.wait_for(REQUESTS + 1, path="/api/sdk/events")
    assert tools(collector)["request 1000"] == 1
    (session,) = [
        r.session_id for r in collector.requests("POST") if r.json.get("toolName") == "request 1000"
    ]
    assert [r.method for r in collector.by_session()[str(session)]] == ["POST", "POST", "PATCH"]


def test_gunicorn_with_preload_and_two_workers(collector: Collector, tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    (tmp_path / "app.py").write_text(APPLICATION)
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "app:application", "--preload", "--workers", "2"),
        *("--threads", "2", "--bind", f"127.0.0.1:{port}", "--no-control-socket"),
    ]
    with serving(command, port=port, env=environment(collector, tmp_path), cwd=tmp_path) as server:
        server.wait_until_up()
        workers = ask(server)
        check(collector)
        with answers_only_after(collector, 0.7):
            server.get("/work/1000")
            took = server.terminate()
    assert workers.total() == REQUESTS
    check_last(collector)
    assert tools(collector)["boot"] == 1
    assert took < 10


@pytest.mark.skipif(
    shutil.which("uwsgi", path=str(sys.prefix + "/bin")) is None,
    reason="uWSGI is compiled from source; `make test-servers` installs it",
)
@pytest.mark.parametrize("threads", [True, False], ids=["threads", "no threads"])
def test_uwsgi_forks_in_c(collector: Collector, tmp_path: Path, threads: bool) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    port = free_port()
    command = [
        *(sys.prefix + "/bin/uwsgi", "--http-socket", f"127.0.0.1:{port}", "--master"),
        *("--processes", "2", "--wsgi-file", "app.py", "--die-on-term", "--disable-logging"),
        *("--home", sys.prefix),
        *(["--enable-threads"] if threads else []),
    ]
    with serving(command, port=port, env=environment(collector, tmp_path), cwd=tmp_path) as server:
        server.wait_until_up()
        workers = ask(server)
        check(collector)
        took = server.terminate()
    assert workers.total() == REQUESTS
    assert took < 10


CELERY = """
import os
import celery
import sentrial

app = celery.Celery("tasks", broker="filesystem://", backend="file://results")
app.conf.broker_transport_options = {
    "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control",
}
sentrial.configure()
with sentrial.begin("system", "boot") as boot:
    boot.track_tool_call("boot", {}, {})
known = sentrial.SentrialClient().create_session("known", user_id="system")

@app.task
def work(number):
    with sentrial.begin("user-%d" % number, "request") as interaction:
        interaction.track_tool_call("request %d" % number, {}, {"ok": True})
        interaction.set_output("done")
    sentrial.SentrialClient().track_tool_call(known, "known %d" % number, {}, {})
    return os.getpid()

if __name__ == "__main__":
    answers = [work.delay(n) for n in range(%d)]
    print(sorted({answer.get(timeout=40) for answer in answers}))
"""


@pytest.mark.timeout(120)
def test_celery_with_a_prefork_pool(collector: Collector, tmp_path: Path) -> None:
    pytest.importorskip("celery")
    for folder in ("queue", "results", "control"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tasks.py").write_text(CELERY.replace("%d)]", f"{REQUESTS})]"))
    env = environment(collector, tmp_path)
    command = [
        *(sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork"),
        *("--concurrency", "2", "--loglevel", "WARNING", "--without-mingle", "--without-gossip"),
    ]
    with serving(command, port=0, env=env, cwd=tmp_path) as server:
        asked = run([sys.executable, "tasks.py"], env=env, cwd=tmp_path, timeout=60)
        assert asked.exit == 0, asked.stderr + server.log.read_text()
        check(collector)
        with answers_only_after(collector, 0.7):
            last = [sys.executable, "-c", "import tasks; tasks.work.delay(1000).get(timeout=30)"]
            assert run(last, env=env, cwd=tmp_path, timeout=60).exit == 0
            took = server.terminate(30)
    assert took < 15
    check_last(collector)
