"""Keys that are revoked and replaced under load, against the local server: no event is lost."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import client as client_module

from tests.delivery.helpers import balanced, call, client_of, in_state, lines, settled
from tests.support.sdk import messages
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from tests.support.local_server import LocalServer

SESSIONS_BEGUN = 4
EVENTS_EACH = 150


class Load:
    """Threads that record while keys come and go."""

    def __init__(self, begin: Any) -> None:
        self.recorded = 0
        self._begin = begin
        self._threads = [
            threading.Thread(target=self._work, args=(n,)) for n in range(SESSIONS_BEGUN)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        for thread in self._threads:
            thread.join(30)

    def _work(self, number: int) -> None:
        with self._begin(f"u{number}", "rotation") as interaction:
            for step in range(EVENTS_EACH):
                call(interaction, f"t{step}")
                self.recorded += 1
                time.sleep(0.01)

    def half_way(self) -> None:
        """Wait until half of it is recorded."""
        half = SESSIONS_BEGUN * EVENTS_EACH // 2
        eventually(lambda: self.recorded >= half, 20, what="half of the load")


def check_complete(server: LocalServer) -> None:
    sessions = server.sessions()
    assert sorted(session["userId"] for session in sessions) == ["u0", "u1", "u2", "u3"]
    assert [session["eventCount"] for session in sessions] == [EVENTS_EACH] * SESSIONS_BEGUN
    assert {session["status"] for session in sessions} == {"completed"}


@pytest.fixture
def default_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(client_module, "_default", None)
    yield
    sentrial.clear_session_context()


def test_a_key_replaced_on_the_client(
    local_server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(local_server.url, api_key=local_server.key)
    with Load(client.begin) as load:
        load.half_way()
        local_server.cli("keys", "revoke", "docs").ok()
        in_state(client, "paused", 20)
    stats = balanced(client.stats())
    assert stats["pending"] > 0
    assert stats["dropped"] == {}
    client.api_key = local_server.create_key("second")
    settled(client, 30)
    check_complete(local_server)
    said = lines(caplog, local_server.url, client)
    assert len(said) == 2, said
    assert "401 Unauthorized: Invalid or missing API key" in said[0]
    assert "client.api_key" in said[0]
    assert local_server.key not in caplog.text


def test_a_key_replaced_while_the_load_goes_on(local_server: LocalServer) -> None:
    client = client_of(local_server.url, api_key=local_server.key)
    with Load(client.begin) as load:
        load.half_way()
        new = local_server.create_key("second")
        client.api_key = new
        local_server.cli("keys", "revoke", "docs").ok()
        assert client.stats()["state"] == "up"
    settled(client, 30)
    check_complete(local_server)


@pytest.mark.usefixtures("default_client")
def test_a_key_replaced_by_configure(
    local_server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    sentrial.configure(api_key=local_server.key, api_url=local_server.url)
    old = client_module._get_client()
    with Load(sentrial.begin) as load:
        load.half_way()
        local_server.cli("keys", "revoke", "docs").ok()
        in_state(old, "paused", 20)
    started = time.monotonic()
    sentrial.configure(api_key=local_server.create_key("second"), api_url=local_server.url)
    assert time.monotonic() - started < 10
    settled(old, 30)
    check_complete(local_server)
    assert sum("delivery paused" in line for line in messages(caplog)) == 1
    with sentrial.begin("later", "rotation"):
        pass
    sentrial.flush()
    assert "later" in {session["userId"] for session in local_server.sessions()}


def test_several_rotations_under_load(local_server: LocalServer) -> None:
    client = client_of(local_server.url, api_key=local_server.key)
    name = "docs"
    with Load(client.begin):
        for number in range(3):
            local_server.cli("keys", "revoke", name).ok()
            name = f"key-{number}"
            client.api_key = local_server.create_key(name)
    settled(client, 30)
    check_complete(local_server)


def test_revoking_one_key_leaves_the_client_of_another_alone(local_server: LocalServer) -> None:
    other = client_of(local_server.url, api_key=local_server.create_key("other"))
    client = client_of(local_server.url, api_key=local_server.key)
    local_server.cli("keys", "revoke", "docs").ok()
    with Load(other.begin):
        call(client, "t", "s")
        in_state(client, "paused", 20)
    settled(other, 30)
    check_complete(local_server)
    assert client.stats()["pending"] == 1


def test_a_request_refused_with_403_stops_no_other(
    local_server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    live = client_of(local_server.url, api_key=local_server.key)
    foreign = live.create_session("of another environment")
    client = client_of(local_server.url, api_key=local_server.create_key("t", "--env", "test"))
    with Load(client.begin) as load:
        load.half_way()
        for number in range(5):
            call(client, f"refused{number}", foreign)
    stats = settled(client, 30)
    assert stats["dropped"] == {"rejected_403": 5}
    assert client.stats()["state"] == "up"
    mine = [one for one in local_server.sessions() if one["agentName"] == "rotation"]
    assert [one["eventCount"] for one in mine] == [EVENTS_EACH] * SESSIONS_BEGUN
    said = lines(caplog, local_server.url, client)
    assert len(said) == 1, said
    assert "API key does not have access to this resource" in said[0]
