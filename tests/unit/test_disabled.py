"""`SENTRIAL_DISABLED` wins over everything: no thread, no file, no request, no exception."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.sdk import KEY, client_for, messages

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.support.collector import Collector

USE = """
    import json, os, sentrial

    client = sentrial.SentrialClient(OPTIONS)
    session = client.create_session("n")
    results = [
        session,
        client.track_tool_call("s", "t", {}, {}),
        client.track_decision("s", "r"),
        client.track_error("s", "m"),
        client.complete_session("s"),
    ]
    with client.begin("u", "agent", input="q") as interaction:
        results += [interaction.track_decision("r"), interaction.session_id]
        results.append(sentrial.get_session_context())
    results += [interaction.finish(), client.flush(), client.shutdown(), client.close()]
    print(json.dumps({
        "results": results,
        "threads": len(os.listdir("/proc/self/task")),
        "stats": client.stats(),
    }))
"""


@pytest.mark.parametrize("spelling", ["1", "true", "TRUE", "yes", "Yes", "on", "ON", " 1 "])
def test_every_spelling_switches_off(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, spelling: str
) -> None:
    monkeypatch.setenv("SENTRIAL_DISABLED", spelling)
    client = client_for(collector)
    assert client.create_session("n") is None
    assert client.track_decision("s", "r") == {}
    client.flush()
    stats = client.stats()
    assert (stats["state"], stats["accepted"], stats["disabled"]) == ("disabled", 0, 2)
    assert collector.connections == 0


@pytest.mark.parametrize("spelling", ["0", "false", "no", "off", ""])
def test_other_spellings_do_not(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, spelling: str
) -> None:
    monkeypatch.setenv("SENTRIAL_DISABLED", spelling)
    client = client_for(collector)
    assert client.create_session("n") is not None


@pytest.mark.parametrize(
    "options", ["", "fail_silently=False", "batching=True", "batching=False", "spool='durable'"]
)
def test_it_wins_over_everything(
    collector: Collector, run_python: RunPython, tmp_path: Path, options: str
) -> None:
    spool = tmp_path / "spool"
    env = {"SENTRIAL_DISABLED": "1", "SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY}
    env["SENTRIAL_SPOOL_DIR"] = str(spool)
    done = run_python(USE.replace("OPTIONS", options), env=env).ok()
    seen = json.loads(done.stdout)
    assert seen["results"] == [None, {}, {}, {}, {}, {}, None, None, {}, None, None, None]
    assert seen["threads"] == 1
    assert seen["stats"]["accepted"] == 0
    assert collector.connections == 0
    assert not spool.exists()


def test_a_loud_client_without_a_key_does_not_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTRIAL_DISABLED", "1")
    client = sentrial.SentrialClient(fail_silently=False)
    assert client.create_session("n") is None


@pytest.mark.parametrize(
    "bad", [{"api_url": "nonsense"}, {"api_key": "a b"}, {"timeout": -1}, {"batching": 7}]
)
def test_a_bad_argument_is_still_named(
    monkeypatch: pytest.MonkeyPatch, bad: dict[str, Any]
) -> None:
    """DESIGN rule 1: configuration errors raise early; a switched-off run is where they show."""
    monkeypatch.setenv("SENTRIAL_DISABLED", "1")
    with pytest.raises(sentrial.ConfigurationError):
        sentrial.SentrialClient(**bad)


def test_nothing_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("SENTRIAL_DISABLED", "1")
    with caplog.at_level(logging.INFO, "sentrial"):
        sentrial.SentrialClient("http://sentrial.internal", "odd-key").track_decision(None, "r")
    assert messages(caplog, logging.INFO) == []


def test_it_is_read_when_the_client_is_made(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    before = client_for(collector)
    monkeypatch.setenv("SENTRIAL_DISABLED", "1")
    after = client_for(collector)
    monkeypatch.delenv("SENTRIAL_DISABLED")
    assert before.create_session("n") is not None
    assert after.create_session("n") is None


def test_the_program_itself_works(monkeypatch: pytest.MonkeyPatch, collector: Collector) -> None:
    monkeypatch.setenv("SENTRIAL_DISABLED", "1")
    client = client_for(collector)

    @sentrial.tool
    def double(n: int) -> int:
        return n * 2

    with client.begin("u", "agent") as interaction:
        interaction.set_output("x")
        assert double(2) == 4
        client.update_state("k", 1)
        assert client.current_state == {"k": 1}
    with pytest.raises(ValueError, match=r"^mine$"), client.begin("u", "agent"):
        raise ValueError("mine")
