"""What the package tells about itself: `stats()` and `SENTRIAL_DEBUG`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import sentrial

from tests.support.sdk import KEY, client_for, emptied
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import RunPython
    from tests.support.collector import Collector

SECRET = "the diagnosis of the patient"  # noqa: S105
COUNTS = {"accepted", "delivered", "pending", "spooled", "dropped", "abandoned", "retries", "bytes"}
TRACK = """
    import sentrial

    sentrial.configure()
    with sentrial.begin(user_id="u", event="e", input="the diagnosis of the patient") as it:
        it.track_tool_call("look", {"who": "the diagnosis of the patient"}, {})
"""


@pytest.fixture
def collector(collector: Collector) -> Iterator[Collector]:
    with emptied(collector):
        yield collector


def test_stats_are_complete(collector: Collector) -> None:
    client = client_for(collector)
    client.begin(user_id="u", event="e").finish()
    client.flush()
    for stats in (client.stats(), sentrial.stats()):
        assert stats.keys() >= COUNTS | {"state", "last_error"}
        in_places = stats["delivered"] + stats["pending"] + stats["spooled"]
        assert stats["accepted"] == in_places + sum(stats["dropped"].values())
    stats = client.stats()
    assert (stats["accepted"], stats["delivered"], stats["state"]) == (2, 2, "up")
    assert stats["bytes"] == sum(len(request.body) for request in collector.requests())
    assert stats["last_error"] is None


@pytest.mark.parametrize(("status", "state"), [(401, "paused"), (503, "down"), (429, "limited")])
def test_the_process_is_as_well_as_its_worst_client(
    collector: Collector, run_python: RunPython, status: int, state: str
) -> None:
    collector.always("POST", "/api/bad/.*", status)
    done = run_python(
        """
        import os, time
        import sentrial

        url = os.environ["SENTRIAL_API_URL"]
        print(sentrial.stats()["state"], sentrial.stats()["last_error"])
        good = sentrial.SentrialClient(url)
        good.begin(user_id="u", event="e").finish()
        good.flush()
        print(sentrial.stats()["state"])
        bad = sentrial.SentrialClient(url + "/api/bad", shutdown_timeout=0)
        bad.begin(user_id="u", event="e")
        while sentrial.stats()["state"] == "up":
            time.sleep(0.01)
        print(sentrial.stats()["state"], sentrial.stats()["last_error"])
        """,
        env={"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY},
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["up None", "up"]
    assert lines[2].startswith(f"{state} the Sentrial API answered {status}")


def test_debug_shows_every_request_without_key_and_values(
    collector: Collector, run_python: RunPython
) -> None:
    done = run_python(
        TRACK,
        env={
            "SENTRIAL_API_URL": collector.url,
            "SENTRIAL_API_KEY": KEY,
            "SENTRIAL_DEBUG": "1",
        },
    )
    assert done.exit == 0
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if "DEBUG" in line]
    assert len(lines) == len(collector.requests()) == 3
    for line, request in zip(lines, collector.requests(), strict=True):
        assert f"{request.method} {request.path} (key sentrial_live_…mnop" in line
        assert f"{len(request.body)} bytes" in line
        assert re.search(r": 200 after \d+ ms$", line)
    assert "toolInput: object" in lines[1]
    assert "userId: string" in lines[0]
    assert KEY not in done.stderr
    assert SECRET not in done.stderr


@pytest.mark.parametrize("value", ["", "0", "off"])
def test_without_debug_nothing_is_said(
    collector: Collector, run_python: RunPython, value: str
) -> None:
    env = {"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY, "SENTRIAL_DEBUG": value}
    run_python(TRACK, env=env).ok()


def test_debug_uses_the_handlers_of_the_program(
    collector: Collector, run_python: RunPython
) -> None:
    done = run_python(
        """
    import logging, sys
    logging.basicConfig(stream=sys.stdout, format="mine %(message)s")
    """
        + TRACK,
        env={
            "SENTRIAL_API_URL": collector.url,
            "SENTRIAL_API_KEY": KEY,
            "SENTRIAL_DEBUG": "1",
        },
    )
    assert done.ok().stdout.count("mine ") == 3


def test_debug_shows_attempts_that_fail(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SENTRIAL_DEBUG", "1")
    collector.refuse()
    client = client_for(collector)
    with caplog.at_level("DEBUG", logger="sentrial"):
        client.begin(user_id="u", event="e")

        def told() -> bool:
            client.flush(0.05)
            lines = [record.getMessage() for record in caplog.records if record.levelno == 10]
            return any("Connection refused" in line and "after" in line for line in lines)

        eventually(told, what="a line about the attempt")
