"""The default client: made on first use, replaced by `configure`, and never a reason to fail."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import sentrial
from sentrial.decorators import get_current_client

from tests.support.answers import Answer
from tests.support.sdk import EVENTS, messages
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.collector import Collector

OLD, NEW = "sentrial_live_old_old_old_old_old_1", "sentrial_live_new_new_new_new_new_2"


def tokens(collector: Collector) -> list[str | None]:
    return [request.token for request in collector.requests()]


def test_it_is_made_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    monkeypatch.setenv("SENTRIAL_API_URL", collector.url)
    monkeypatch.setenv("SENTRIAL_API_KEY", OLD)
    with sentrial.begin(user_id="u", event="agent"):
        assert get_current_client().api_url == collector.url
    sentrial.flush()
    assert tokens(collector) == [OLD, OLD]


@pytest.mark.parametrize(
    ("variable", "bad"),
    [
        ("SENTRIAL_API_URL", "ftp://nowhere"),
        ("SENTRIAL_API_URL", "http://api.example.com"),
        ("SENTRIAL_API_KEY", "a key with blanks"),
        ("SENTRIAL_TIMEOUT", "soon"),
    ],
)
def test_it_never_raises_and_works_once_it_is_configured(
    monkeypatch: pytest.MonkeyPatch,
    collector: Collector,
    caplog: pytest.LogCaptureFixture,
    variable: str,
    bad: str,
) -> None:
    monkeypatch.setenv("SENTRIAL_API_KEY", OLD)
    monkeypatch.setenv("SENTRIAL_DISABLED", "1" if variable == "SENTRIAL_TIMEOUT" else "")
    monkeypatch.setenv(variable, bad)
    with caplog.at_level(logging.WARNING, "sentrial"):
        for _ in range(3):
            with sentrial.begin("u", "agent", input="q") as interaction:
                assert interaction.track_decision("r") == {}
        sentrial.flush()
        sentrial.shutdown()
        sentrial.close()
    assert len(messages(caplog)) == (0 if variable == "SENTRIAL_TIMEOUT" else 1)
    monkeypatch.delenv(variable)
    monkeypatch.delenv("SENTRIAL_DISABLED", raising=False)
    sentrial.configure(api_key=NEW, api_url=collector.url)
    sentrial.begin("u", "agent").finish()
    sentrial.flush()
    assert tokens(collector) == [NEW, NEW]


def test_configure_returns_none_and_takes_the_key_first(collector: Collector) -> None:
    assert sentrial.configure(NEW, collector.url) is None  # type: ignore[func-returns-value]
    client = get_current_client()
    assert (client.api_key, client.api_url, client.fail_silently) == (NEW, collector.url, True)


def test_configuring_twice_delivers_the_old_queue_with_the_old_key(collector: Collector) -> None:
    sentrial.configure(OLD, collector.url)
    with collector.gate():
        sentrial.begin("u", "old").finish("old")
        sentrial.configure(NEW, collector.url)
        sentrial.begin("u", "new").finish("new")
    sentrial.flush()
    by_session = {
        session: [request.token for request in requests]
        for session, requests in collector.by_session(accepted=False).items()
    }
    assert by_session == {"sess_u_old_1": [OLD, OLD], "sess_u_new_1": [NEW, NEW]}


def test_an_interaction_begun_before_keeps_its_client(collector: Collector) -> None:
    sentrial.configure(OLD, collector.url)
    with sentrial.begin("u", "agent") as interaction:
        sentrial.configure(NEW, collector.url)
        interaction.track_decision("r")
        assert get_current_client().api_key == OLD
    sentrial.flush()
    assert tokens(collector) == [OLD] * 3


def test_the_events_a_batch_holds_back_go_out_at_once(collector: Collector) -> None:
    held = {"flush_interval": 60, "flush_threshold": 1000}
    sentrial.configure(OLD, collector.url, batching=held)
    get_current_client().track_decision("s", "r")
    sentrial.configure(NEW, collector.url)
    collector.wait_for(1, timeout=5)
    assert tokens(collector) == [OLD]


def test_after_401_the_queue_takes_the_new_key(collector: Collector) -> None:
    collector.script("POST", EVENTS, 401)
    sentrial.configure(OLD, collector.url)
    old = get_current_client()
    old.track_decision("s", "first")
    eventually(lambda: old.stats()["state"] == "paused")
    old.track_decision("s", "second")
    sentrial.configure(NEW, collector.url)
    eventually(lambda: old.stats()["pending"] == 0)
    assert tokens(collector) == [OLD, NEW, NEW]
    assert [body["reasoning"] for body in collector.events()] == ["first", "second"]
    assert len({request.idempotency_key for request in collector.requests()}) == 2


def test_after_401_at_another_address_the_queue_stays_with_the_old_key(
    collector: Collector,
) -> None:
    collector.script("POST", EVENTS, 401)
    sentrial.configure(OLD, collector.url)
    old = get_current_client()
    old.track_decision("s", "r")
    eventually(lambda: old.stats()["state"] == "paused")
    sentrial.configure(NEW, collector.url_by_name)
    sentrial.begin("u", "agent").finish()
    sentrial.flush(5)
    assert old.stats()["pending"] == 1
    assert tokens(collector) == [OLD, NEW, NEW]
    old.api_key = NEW


def test_replacing_the_key_of_a_client_rekeys_its_queue(collector: Collector) -> None:
    collector.script("POST", EVENTS, 401)
    client = sentrial.SentrialClient(collector.url, OLD)
    client.track_decision("s", "r")
    eventually(lambda: client.stats()["state"] == "paused")
    client.api_key = f" {NEW}\n"
    assert client.api_key == NEW
    client.flush()
    assert tokens(collector) == [OLD, NEW]
    assert client.stats()["state"] == "up"


@pytest.mark.parametrize("bad", ["", "  ", "a b", "a\nb"])
def test_a_key_that_cannot_be_one_is_refused_and_the_old_one_stays(
    collector: Collector, bad: str
) -> None:
    client = sentrial.SentrialClient(collector.url, OLD)
    with pytest.raises(sentrial.ConfigurationError, match="api_key"):
        client.api_key = bad
    assert client.api_key == OLD


def test_a_revoked_key_is_one_line_that_says_what_to_do(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.always("POST", EVENTS, 401)
    client = sentrial.SentrialClient(collector.url, OLD)
    with caplog.at_level(logging.WARNING, "sentrial"):
        for number in range(20):
            client.track_decision("s", f"{number}")
        eventually(lambda: client.stats()["state"] == "paused")
        client.flush(1)
        client.track_decision("s", "more")
    (line,) = messages(caplog)
    assert "Invalid or missing API key" in line
    assert client.stats()["pending"] == 21
    client.api_key = NEW


def test_one_paused_client_does_not_hold_up_another(collector: Collector) -> None:
    collector.script("POST", EVENTS, Answer(401))
    paused = sentrial.SentrialClient(collector.url, OLD)
    paused.track_decision("s", "r")
    eventually(lambda: paused.stats()["state"] == "paused")
    other = sentrial.SentrialClient(collector.url, NEW)
    other.track_decision("s", "r")
    other.flush()
    assert other.stats()["delivered"] == 1
    paused.api_key = NEW


def test_flush_of_the_module_covers_every_client(collector: Collector) -> None:
    clients = [sentrial.SentrialClient(collector.url, OLD, batching=True) for _ in range(3)]
    for client in clients:
        client.track_decision("s", "r")
    assert sentrial.flush() is None  # type: ignore[func-returns-value]
    assert [client.stats()["delivered"] for client in clients] == [1, 1, 1]
