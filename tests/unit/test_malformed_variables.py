"""A variable that cannot be read is one warning and the default, not a failure."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.support.sdk import client_for, messages

if TYPE_CHECKING:
    from tests.support.collector import Collector

TIMES = (
    "SENTRIAL_TIMEOUT",
    "SENTRIAL_WAIT_TIMEOUT",
    "SENTRIAL_SHUTDOWN_TIMEOUT",
    "SENTRIAL_SHUTDOWN_MAX",
)

MALFORMED = [
    *[(name, value) for name in TIMES for value in ("soon", "-1", "nan", "inf", "1e999", "5s")],
    ("SENTRIAL_TIMEOUT", "0"),
    *[("SENTRIAL_MAX_RETRIES", value) for value in ("many", "-1", "1.5", "9" * 30)],
    ("SENTRIAL_DELIVERY", "later"),
    ("SENTRIAL_SPOOL", "sometimes"),
    ("SENTRIAL_ALLOW_HTTP", "perhaps"),
    ("SENTRIAL_DISABLED", "perhaps"),
    ("SENTRIAL_DEBUG", "perhaps"),
]


@pytest.mark.parametrize(("name", "value"), MALFORMED)
def test_one_warning_and_the_default(
    monkeypatch: pytest.MonkeyPatch,
    collector: Collector,
    caplog: pytest.LogCaptureFixture,
    name: str,
    value: str,
) -> None:
    monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING, "sentrial"):
        client = client_for(collector)
        session = client.create_session("n")
        client.track_decision(session, "r")
        client.flush()
    (line,) = messages(caplog)
    assert name in line
    assert value[:20] in line
    assert len(collector.requests()) == 2, "the default works"


@pytest.mark.parametrize(("name", "_value"), MALFORMED)
def test_a_blank_variable_is_none(
    monkeypatch: pytest.MonkeyPatch,
    collector: Collector,
    caplog: pytest.LogCaptureFixture,
    name: str,
    _value: str,
) -> None:
    monkeypatch.setenv(name, "  ")
    with caplog.at_level(logging.WARNING, "sentrial"):
        client_for(collector).track_decision("s", "r")
    assert messages(caplog) == []


def test_an_argument_makes_the_variable_irrelevant(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SENTRIAL_TIMEOUT", "soon")
    with caplog.at_level(logging.WARNING, "sentrial"):
        client_for(collector, timeout=3)
    assert messages(caplog) == []


def test_a_key_in_the_wrong_variable_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SENTRIAL_TIMEOUT", "sentrial_live_secret")
    with caplog.at_level(logging.DEBUG, "sentrial"):
        client_for(collector)
    assert messages(caplog)
    assert "secret" not in caplog.text
