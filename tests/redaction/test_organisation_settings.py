"""``pii=True``: the organisation's settings are known before anything leaves (P7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.delivery.helpers import KEY, balanced, client_of, in_state, lines, settled
from tests.process.scripts import run_script
from tests.spool.programs import rows, spool_of
from tests.support.answers import Answer
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.support.collector import Collector

CONFIG = "/api/sdk/pii-config"
EVENTS = "/api/sdk/events"
TEXT = "mail bob@example.com, id EMP-77"


def config(**members: Any) -> Answer:
    return Answer(json={"config": members})


def track(client: sentrial.SentrialClient, session: str = "s") -> None:
    client.track_tool_call(session, "t", {"q": TEXT}, {"r": [TEXT]})


def sent(collector: Collector) -> list[Any]:
    return [body["toolInput"]["q"] for body in collector.events()]


def left(collector: Collector) -> list[Any]:
    """Return every request but the questions for the settings."""
    return [request for request in collector.requests() if request.path != CONFIG]


def test_they_are_asked_for_once_with_the_key_and_used(collector: Collector) -> None:
    collector.always(
        "GET",
        CONFIG,
        config(mode="hash", customPatterns=[{"pattern": r"EMP-\d+", "label": "EMP"}]),
    )
    client = client_of(collector, pii=True)
    assert client.pii.mode == "label"
    for _ in range(20):
        track(client)
    settled(client)
    assert set(sent(collector)) == {"mail [PII:5ff860], id [PII:29f375]"}
    questions = collector.requests("GET", CONFIG)
    assert len(questions) == 1
    assert questions[0].headers["authorization"] == f"Bearer {KEY}"
    assert collector.requests()[0] is questions[0]
    assert client.pii.mode == "hash"
    assert [each.label for each in client.pii.custom_patterns] == ["EMP"]
    assert client.stats()["accepted"] == 20, "the question is not in the ledger"


@pytest.mark.parametrize("answer", [404, Answer(json={"config": None}), Answer(json=None)])
def test_without_settings_the_built_in_patterns_apply(
    collector: Collector, answer: Answer | int
) -> None:
    collector.always("GET", CONFIG, answer)
    client = client_of(collector, pii=True)
    track(client)
    settled(client)
    assert sent(collector) == ["mail [EMAIL], id EMP-77"]


@pytest.mark.parametrize(
    "answer",
    [
        500,
        503,
        400,
        Answer(body="OK"),
        Answer(body=""),
        Answer(json=[]),
        Answer(json={"config": "x"}),
        Answer(body=r'{"config": {"mode": "\ud83d"}}'),
        Answer(status=302, headers={"location": "/elsewhere"}),
        Answer(reset="before"),
    ],
    ids=str,
)
def test_until_they_are_known_nothing_leaves(collector: Collector, answer: Answer | int) -> None:
    collector.script("GET", CONFIG, answer, answer, config(mode="remove"))
    client = client_of(collector, pii=True)
    track(client)
    eventually(lambda: len(collector.requests("GET", CONFIG)) >= 2, what="a second question")
    assert not left(collector)
    assert client.stats()["pending"] == 1
    settled(client)
    assert sent(collector) == ["mail , id EMP-77"]


def test_a_refused_key_pauses_and_another_one_goes_on(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.always("GET", CONFIG, 401)
    client = client_of(collector, pii=True)
    track(client)
    in_state(client, "paused")
    assert not left(collector)
    assert "401" in lines(caplog, collector, client)[0]
    collector.clear_scripts()
    collector.always("GET", CONFIG, config(mode="hash"))
    client.api_key = "sentrial_live_another00"
    settled(client)
    assert sent(collector) == ["mail [PII:5ff860], id EMP-77"]


def test_a_key_without_the_right_stops_delivery_and_says_so(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.always("GET", CONFIG, 403)
    client = client_of(collector, pii=True)
    track(client)
    in_state(client, "paused")
    track(client)
    collector.wait_until_quiet(0.3)
    assert len(collector.requests()) == 1, "one question, and nothing else"
    logged = lines(caplog, collector, client)
    assert len(logged) == 1
    assert "delivery stopped" in logged[0]
    assert "403" in logged[0]
    assert balanced(client.stats())["pending"] == 2
    collector.clear_scripts()
    collector.always("GET", CONFIG, 404)
    client.api_key = "sentrial_live_another00"
    settled(client)
    assert len(collector.events()) == 2


def test_another_key_may_belong_to_another_organisation(collector: Collector) -> None:
    collector.script("GET", CONFIG, config(mode="hash"), config(mode="remove"))
    client = client_of(collector, pii=True)
    track(client)
    settled(client)
    client.api_key = "sentrial_live_another00"
    track(client)
    settled(client)
    assert sent(collector) == ["mail [PII:5ff860], id EMP-77", "mail , id EMP-77"]
    assert len(collector.requests("GET", CONFIG)) == 2


def test_an_unusable_pattern_is_skipped_and_reported(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """P4: a bad pattern from the server stops nobody."""
    patterns = [{"pattern": "(", "label": "BAD"}, {"pattern": r"EMP-\d+", "label": "EMP"}, 7]
    collector.always("GET", CONFIG, config(customPatterns=patterns, mode=5, fields="x"))
    client = client_of(collector, pii=True)
    track(client)
    settled(client)
    assert sent(collector) == ["mail [EMAIL], id [EMP]"]
    logged = "\n".join(lines(caplog, collector, client))
    assert "custom pattern 1 is skipped" in logged
    assert "custom pattern 3 is skipped" in logged
    assert "mode is unknown" in logged
    assert client.pii.enabled


def test_an_organisation_may_switch_it_off(collector: Collector) -> None:
    collector.always("GET", CONFIG, config(enabled=False))
    client = client_of(collector, pii=True)
    track(client)
    settled(client)
    assert sent(collector) == [TEXT]
    assert not client.pii.enabled


def test_a_client_without_events_asks_nothing(collector: Collector) -> None:
    client = client_of(collector, pii=True)
    client.flush()
    client.close()
    assert not collector.requests()


def test_immediate_delivery_asks_first_as_well(collector: Collector) -> None:
    collector.always("GET", CONFIG, config(mode="remove"))
    client = client_of(collector, pii=True, fail_silently=False)
    track(client)
    assert sent(collector) == ["mail , id EMP-77"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, sentrial.AuthenticationError),
        (403, sentrial.PermissionDeniedError),
        (503, sentrial.ServerError),
    ],
)
def test_immediate_delivery_tells_what_the_question_met(
    collector: Collector, status: int, error: type[Exception]
) -> None:
    collector.always("GET", CONFIG, status)
    client = client_of(collector, pii=True, fail_silently=False, max_retries=0)
    with pytest.raises(error):
        track(client)
    assert not left(collector)
    balanced(client.stats())
    collector.clear_scripts()
    collector.always("GET", CONFIG, 404)
    track(client)
    assert sent(collector) == ["mail [EMAIL], id EMP-77"]


def test_what_waits_for_the_settings_does_not_hold_up_the_end(collector: Collector) -> None:
    collector.always("GET", CONFIG, 403)
    client = client_of(collector, pii=True)
    track(client)
    in_state(client, "paused")
    client.flush(30)
    client.close()
    assert client.stats()["pending"] + sum(client.stats()["dropped"].values()) == 1


def test_a_session_is_created_only_after_the_answer(collector: Collector) -> None:
    collector.always("GET", CONFIG, Answer(json={"config": {"mode": "hash"}}, delay=0.2))
    client = client_of(collector, pii=True)
    with client.begin("u", "chat", input=TEXT) as interaction:
        interaction.track_decision(TEXT)
    settled(client)
    assert b"bob@example.com" not in b"".join(request.body for request in collector.requests())
    assert collector.requests()[0].path == CONFIG


def test_what_was_spooled_before_they_were_known_is_redacted_again(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    """On disk it carries the built-in redaction; the next process knows the settings."""
    collector.always("GET", CONFIG, 503)
    code = f"""
client = SentrialClient(pii=True, shutdown_timeout=0.3)
client.track_tool_call("s", "t", {{"q": {TEXT!r}}}, {{}})
"""
    ran = run_script(run_python, collector, code)
    assert ran.stats["spooled"] == 1, ran.report()
    assert not left(collector)
    (row,) = rows(spool_of(tmp_path))
    assert b"mail [EMAIL], id EMP-77" in row["body"]
    collector.clear_scripts()
    collector.always(
        "GET", CONFIG, config(customPatterns=[{"pattern": r"EMP-\d+", "label": "EMP"}])
    )
    code = """
client = SentrialClient(pii=True)
call(client, "next", "known")
"""
    ran = run_script(run_python, collector, code).ok()
    assert ran.stats["replayed"] == 1, ran.report()
    asked = [body["toolInput"].get("q") for body in collector.events()]
    assert sorted(asked, key=str) == [None, "mail [EMAIL], id [EMP]"]
