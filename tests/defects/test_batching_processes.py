"""B4, B6, B7, D13: threads, forks and exits with batching."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.sdk import KEY

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector

CONFIGURED_OFTEN = """
    import gc, json, os, sentrial
    from sentrial.decorators import get_current_client

    def threads():
        return len(os.listdir("/proc/self/task"))

    for number in range(20):
        sentrial.configure(batching=BATCHING)
        get_current_client().track_decision(f"s{number}", "r")
    clients = [sentrial.SentrialClient(batching=BATCHING) for _ in range(20)]
    for client in clients:
        client.track_decision("t", "r")
    most = threads()
    sentrial.flush()
    print(json.dumps([most, threads(), sentrial.stats()["delivered"]]))
"""

FORK = """
    import json, os, sentrial

    held = {"flush_interval": 60.0, "flush_threshold": 1000}
    client = sentrial.SentrialClient(batching=held)
    for number in range(3):
        client.track_decision("parent", f"{number}")
    child = os.fork()
    if child == 0:
        client.track_decision("child", "of the child")
        counted = client.stats()["accepted"]
        print(json.dumps(counted), flush=True)
        raise SystemExit(0)
    os.waitpid(child, 0)
    client.track_decision("parent", "3")
"""

EXIT = """
    import sentrial

    client = sentrial.SentrialClient(batching=True)
    for number in range(1000):
        client.track_decision("s", f"{number}")
"""


@pytest.mark.parametrize("batching", ["True", "None"])
def test_b4_d13_twenty_clients_have_one_thread(
    collector: Collector, run_python: RunPython, batching: str
) -> None:
    env = {"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY}
    code = CONFIGURED_OFTEN.replace("BATCHING", batching)
    most, left, delivered = json.loads(run_python(code, env=env).ok().stdout)
    # That of the program, that of delivery, and for a moment that of the spool.
    assert most <= 3
    assert left <= 3
    assert delivered == 40


def test_b6_a_forked_child_neither_repeats_nor_loses(
    collector: Collector, run_python: RunPython
) -> None:
    env = {"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY}
    done = run_python(FORK, env=env, options=("-W", "error")).ok()
    assert json.loads(done.stdout) == 1
    sent = sorted((body["sessionId"], body["reasoning"]) for body in collector.bodies())
    assert sent == [
        ("child", "of the child"),
        ("parent", "0"),
        ("parent", "1"),
        ("parent", "2"),
        ("parent", "3"),
    ]


def test_b7_the_exit_does_not_wait_for_a_dead_server(refusing: str, run_python: RunPython) -> None:
    env = {"SENTRIAL_API_URL": refusing, "SENTRIAL_API_KEY": KEY}
    done = run_python(EXIT, env=env)
    assert done.exit == 0
    # shutdown_timeout (2 s) + 0.5 s, and the start of an interpreter.
    assert done.elapsed < 3.5
    assert "Traceback" not in done.stderr


def test_b7_the_exit_delivers_what_the_server_takes(
    collector: Collector, run_python: RunPython
) -> None:
    env = {"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY}
    run_python(EXIT, env=env).ok()
    reasons = [body["reasoning"] for body in collector.bodies()]
    assert reasons == [str(number) for number in range(1000)]
