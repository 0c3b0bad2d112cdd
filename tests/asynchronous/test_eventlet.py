"""eventlet, monkey-patched: everything works, and other green threads go on while one waits."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING

import pytest

from tests.support.answers import HANG, Answer
from tests.support.sdk import EVENTS, KEY

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector
    from tests.support.processes import Finished

if importlib.util.find_spec("eventlet") is None:
    pytest.skip("eventlet is not installed", allow_module_level=True)

PRELUDE = """
    import eventlet

    eventlet.monkey_patch()
    import json, time
    import sentrial

    ticks = []

    def tick():
        while True:
            ticks.append(time.monotonic())
            eventlet.sleep(0.01)

    def ticks_during(call):
        ticks.clear()
        started = time.monotonic()
        call()
        return {"ticks": len(ticks), "seconds": time.monotonic() - started}

"""


def run_eventlet(run_python: RunPython, collector: Collector, code: str) -> Finished:
    env = {
        "SENTRIAL_API_URL": collector.url,
        "SENTRIAL_API_KEY": KEY,
        # Its own resolver loads whatever HTTP client is installed.
        "EVENTLET_NO_GREENDNS": "yes",
    }
    done = run_python(PRELUDE + code, env=env)
    # On stderr there may be what eventlet says of itself, and the line about a hanging server.
    assert done.exit == 0, done
    return done


@pytest.mark.parametrize("flush", ["client.flush(1)", "sentrial.flush(1)", "client.close()"])
def test_other_green_threads_go_on_during_a_flush_of_a_second(
    collector: Collector, run_python: RunPython, flush: str
) -> None:
    collector.always("POST", EVENTS, HANG)
    done = run_eventlet(
        run_python,
        collector,
        f"""
    client = sentrial.SentrialClient(shutdown_timeout=1)
    client.track_decision("s", "r")
    eventlet.spawn(tick)
    print(json.dumps(ticks_during(lambda: {flush})))
    """,
    )
    told = json.loads(done.stdout)
    assert 0.9 < told["seconds"] < 3
    assert told["ticks"] > 30


@pytest.mark.parametrize("mode", ["background", "immediate"])
def test_every_waiting_call_lets_others_go_on(
    collector: Collector, run_python: RunPython, mode: str
) -> None:
    collector.always(".*", ".*", Answer(delay=0.3))
    done = run_eventlet(
        run_python,
        collector,
        f"""
    client = sentrial.SentrialClient(batching={False if mode == "immediate" else None})
    eventlet.spawn(tick)
    told = {{}}
    told["create"] = ticks_during(lambda: client.create_session("n"))
    told["receipt"] = ticks_during(lambda: client.track_decision("s", "r")["id"])
    interaction = client.begin("u", "chat")
    told["id"] = ticks_during(lambda: interaction.session_id)
    interaction.finish()
    client.flush()
    assert client.stats()["pending"] == 0
    print(json.dumps(told))
    """,
    )
    told = json.loads(done.stdout)
    waiting = [figures for figures in told.values() if figures["seconds"] > 0.2]
    assert len(waiting) >= 2
    assert all(figures["ticks"] > 8 for figures in waiting), told


def test_many_green_threads_record_and_wait(collector: Collector, run_python: RunPython) -> None:
    run_eventlet(
        run_python,
        collector,
        """
    client = sentrial.SentrialClient()

    def work(number):
        with client.begin(f"u{number}", "chat") as interaction:
            receipt = interaction.track_tool_call("t", {"n": number}, {})
            assert interaction.session_id == f"sess_u{number}_chat_1"
            assert receipt["sessionId"] == interaction.session_id

    for thread in [eventlet.spawn(work, number) for number in range(60)]:
        thread.wait()
    client.flush()
    assert client.stats()["delivered"] == 180
    """,
    )
    assert len(collector.by_session()) == 60


def test_a_timeout_of_the_program_ends_a_wait(collector: Collector, run_python: RunPython) -> None:
    collector.always("POST", EVENTS, HANG)
    run_eventlet(
        run_python,
        collector,
        """
    client = sentrial.SentrialClient(shutdown_timeout=0.1)
    client.track_decision("s", "r")
    with eventlet.Timeout(0.2, False):
        client.flush(20)
        raise SystemExit("the wait was not ended")
    """,
    )


def test_a_native_thread_waits_by_itself(collector: Collector, run_python: RunPython) -> None:
    run_eventlet(
        run_python,
        collector,
        """
    client = sentrial.SentrialClient()
    native = eventlet.patcher.original("threading")
    client.track_decision("s", "r")
    thread = native.Thread(target=client.flush)
    thread.start()
    while thread.is_alive():
        eventlet.sleep(0.01)
    assert client.stats()["delivered"] == 1
    """,
    )
