"""401: the queue is kept until the key is replaced."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import sentrial
from sentrial import client as client_module

from tests.delivery.helpers import (
    KEY,
    at_once,
    balanced,
    call,
    client_of,
    in_state,
    lines,
    said,
    settled,
    tools,
)

if TYPE_CHECKING:
    from tests.support.collector import Collector

NEW = "sentrial_live_delivery1"


def refused(collector: Collector, count: int = 30) -> sentrial.SentrialClient:
    """Return a client that has recorded events and been told that its key is wrong."""
    collector.always(".*", ".*", 401)
    client = client_of(collector)
    for n in range(count):
        call(client, f"t{n}", "s")
    in_state(client, "paused")
    return client


def test_one_line_names_the_documented_error_and_not_the_key(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    client = refused(collector)
    for n in range(30):
        call(client, "more", f"s{n}")
    logged = lines(caplog, collector, client)
    assert len(logged) == 1, logged
    assert "Unauthorized" in logged[0]
    assert "Invalid or missing API key" in logged[0]
    assert KEY not in caplog.text
    stats = balanced(client.stats())
    assert (stats["pending"], stats["dropped"]) == (60, {})


def test_the_server_is_left_alone(collector: Collector) -> None:
    client = refused(collector)
    collector.wait_until_quiet(0.3)
    collector.forget()
    for n in range(10):
        call(client, "more", f"s{n}")
        client.flush(0.05)
    collector.wait_until_quiet(0.5)
    assert collector.requests() == []


def test_waiting_calls_return_at_once_while_paused(collector: Collector) -> None:
    client = refused(collector)
    interaction = client.begin("u", "chat")
    with at_once():
        client.flush(30)
        assert client.create_session("n") is None
        assert interaction.session_id is None
        assert call(client, "t", "s") == {}
        client.shutdown()
        client.close()


def test_a_new_key_resumes_at_once_and_delivers_everything(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    client = refused(collector)
    collector.clear_scripts()
    collector.forget()
    replaced = time.monotonic()
    client.api_key = NEW
    assert collector.wait_for(1, timeout=2)[0].arrived - replaced < 1
    assert settled(client)["delivered"] == 30
    assert tools(collector) == [f"t{n}" for n in range(30)]
    assert {request.token for request in collector.requests()} == {NEW}
    assert len(lines(caplog, collector, client)) <= 2


def test_configure_hands_the_queue_of_a_paused_default_client_over(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_default", None)
    collector.always(".*", ".*", 401)
    sentrial.configure(api_key=KEY, api_url=collector.url)
    interaction = sentrial.begin("u", "chat")
    call(interaction, "before")
    in_state(interaction.client, "paused")
    collector.clear_scripts()
    collector.forget()
    with at_once():
        sentrial.configure(api_key=NEW, api_url=collector.url)
    call(interaction, "after")
    interaction.finish()
    settled(interaction.client)
    assert tools(collector) == ["before", "after"]
    assert {request.token for request in collector.requests()} == {NEW}


def test_configure_lets_a_working_client_finish_with_its_key(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_default", None)
    sentrial.configure(api_key=KEY, api_url=collector.url)
    with collector.gate():
        interaction = sentrial.begin("u", "chat")
        call(interaction, "before")
        collector.wait_for(1)
        with at_once():
            sentrial.configure(api_key=NEW, api_url=collector.url)
        other = sentrial.begin("v", "chat")
    settled(interaction.client)
    settled(other.client)
    tokens = {request.session_id: request.token for request in collector.requests()}
    assert tokens == {"sess_u_chat_1": KEY, "sess_v_chat_1": NEW}


def test_two_clients_with_one_key_are_independent(collector: Collector) -> None:
    client = refused(collector, 1)
    collector.clear_scripts()
    other = client_of(collector)
    call(other, "other", "s")
    settled(other)
    assert client.stats()["state"] == "paused"
    assert tools(collector) == ["other"]
    client.api_key = NEW
    settled(client)


@pytest.mark.parametrize("bad", ["sentrial_live_with space", "sentrial_live_a\nb"])
def test_a_key_that_cannot_be_used_is_refused_and_the_old_one_stays(
    collector: Collector, bad: str
) -> None:
    client = client_of(collector)
    with pytest.raises(sentrial.ConfigurationError, match="api_key") as caught:
        client.api_key = bad
    assert bad not in str(caught.value)
    call(client, "t", "s")
    settled(client)
    assert {request.token for request in collector.requests()} == {KEY}


def test_keys_of_running_requests_are_never_logged(
    collector: Collector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTRIAL_DEBUG", "1")
    caplog.set_level(10, "sentrial")
    client = client_of(collector)
    client.begin("u", "chat").finish()
    settled(client)
    client.flush()
    assert any("POST" in line for line in said(caplog))
    assert KEY not in caplog.text
    assert KEY not in repr(client)
    assert KEY not in str(client.stats())
