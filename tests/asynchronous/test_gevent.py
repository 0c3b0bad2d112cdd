"""gevent, monkey-patched: everything works, and other greenlets go on while one waits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.answers import HANG, Answer
from tests.support.sdk import EVENTS, KEY

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector
    from tests.support.processes import Finished

pytest.importorskip("gevent")

PRELUDE = """
    from gevent import monkey

    monkey.patch_all()
    import json, time
    import gevent
    import sentrial

    ticks = []

    def tick():
        while True:
            ticks.append(time.monotonic())
            gevent.sleep(0.01)

    def ticks_during(call):
        ticks.clear()
        started = time.monotonic()
        call()
        return {"ticks": len(ticks), "seconds": time.monotonic() - started}

"""


def run_gevent(run_python: RunPython, collector: Collector, code: str) -> Finished:
    env = {"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY}
    done = run_python(PRELUDE + code, env=env)
    # On stderr there may be the line about what a hanging server has not taken.
    assert done.exit == 0, done
    return done


def test_other_greenlets_go_on_during_a_flush_of_a_second(
    collector: Collector, run_python: RunPython
) -> None:
    collector.always("POST", EVENTS, HANG)
    done = run_gevent(
        run_python,
        collector,
        """
    client = sentrial.SentrialClient(shutdown_timeout=0.1)
    client.track_decision("s", "r")
    gevent.spawn(tick)
    print(json.dumps(ticks_during(lambda: client.flush(1))))
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
    done = run_gevent(
        run_python,
        collector,
        f"""
    client = sentrial.SentrialClient(batching={False if mode == "immediate" else None})
    gevent.spawn(tick)
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


def test_many_greenlets_record_and_wait(collector: Collector, run_python: RunPython) -> None:
    run_gevent(
        run_python,
        collector,
        """
    client = sentrial.SentrialClient()

    def work(number):
        with client.begin(f"u{number}", "chat") as interaction:
            receipt = interaction.track_tool_call("t", {"n": number}, {})
            assert interaction.session_id == f"sess_u{number}_chat_1"
            assert receipt["sessionId"] == interaction.session_id

    gevent.joinall([gevent.spawn(work, number) for number in range(60)], raise_error=True)
    client.flush()
    assert client.stats()["delivered"] == 180
    """,
    )
    assert len(collector.by_session()) == 60


def test_a_greenlet_that_is_killed_while_it_waits_stops_waiting(
    collector: Collector, run_python: RunPython
) -> None:
    collector.always("POST", EVENTS, HANG)
    run_gevent(
        run_python,
        collector,
        """
    client = sentrial.SentrialClient(shutdown_timeout=0.1)
    client.track_decision("s", "r")
    waiting = gevent.spawn(client.flush, 20)
    gevent.sleep(0.1)
    started = time.monotonic()
    waiting.kill()
    gevent.get_hub().threadpool.join()
    assert time.monotonic() - started < 5
    """,
    )


def test_a_greenlet_timeout_ends_a_wait(collector: Collector, run_python: RunPython) -> None:
    collector.always("POST", EVENTS, HANG)
    run_gevent(
        run_python,
        collector,
        """
    client = sentrial.SentrialClient(shutdown_timeout=0.1)
    client.track_decision("s", "r")
    with gevent.Timeout(0.2, False):
        client.flush(20)
        raise SystemExit("the wait was not ended")
    """,
    )
