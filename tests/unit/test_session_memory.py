"""What is remembered of sessions is bounded, whether or not they are ever completed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sdk import KEY

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector

# The ids are the caller's own, so nothing but the registry of the client can hold them.
SESSIONS = """
    import gc, json, os, sentrial

    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    client = sentrial.SentrialClient()
    text = "x" * 4000

    def sessions(first, count):
        for number in range(first, first + count):
            session = f"sess_{number}"
            sentrial.set_session_context(session, client)
            client.update_state("text", text + str(number))
            if COMPLETE:
                client.complete_session(session)
            elif number % 4 == 0:
                client.track_decision(session, "r", estimated_cost=0.1)
            if number % 500 == 0:
                client.flush()
        client.flush()
        sentrial.clear_session_context()
        gc.collect()
        return resident()

    warm = sessions(0, 11_000)
    grown = sessions(11_000, 6_000) - warm
    print(json.dumps({"grown": grown, "stats": client.stats()}))
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("complete", [True, False], ids=["completed", "never completed"])
def test_sessions_beyond_the_bound_are_forgotten(
    collector: Collector, run_python: RunPython, *, complete: bool
) -> None:
    import json

    env = {"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY}
    done = run_python(SESSIONS.replace("COMPLETE", str(complete)), env=env, timeout=100).ok()
    seen = json.loads(done.stdout)
    # 6000 states of 4 KB are 24 MB: they are not added to those that came before.
    assert seen["grown"] < 12_000_000
    assert seen["stats"]["pending"] == 0
