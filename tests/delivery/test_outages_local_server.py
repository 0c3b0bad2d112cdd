"""Random faults in front of the real local server: its database is what was recorded."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sentrial import SentrialClient

from tests.delivery.helpers import balanced
from tests.delivery.test_outages_random import SHARE, Ledger, recorded
from tests.support.faulty_proxy import FaultyProxy
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.local_server import LocalServer


def database(server: LocalServer) -> Ledger:
    """Tell what the server has stored, by user: every row there is, in the order of its arrival."""
    with closing(sqlite3.connect(server.db)) as db:
        sessions = db.execute("SELECT seq, user_id, completed_at FROM sessions").fetchall()
        events = db.execute("SELECT session, body FROM events ORDER BY seq").fetchall()
    users: Ledger = {}
    by_session: dict[int, list[str]] = {}
    for seq, user, completed in sessions:
        assert user not in users, "a session was created twice"
        assert completed is not None
        by_session[seq] = users[user] = ["POST"]
    for session, body in events:
        by_session[session].append(json.loads(body)["toolName"])
    return {user: [*steps, "PATCH"] for user, steps in users.items()}


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_the_database_of_the_local_server_is_what_was_recorded(local_server: LocalServer) -> None:
    with FaultyProxy(local_server.url, SHARE, seed=7) as proxy:
        client = SentrialClient(api_url=proxy.url, api_key=local_server.key, timeout=1.0)
        ledger = recorded(client, 60)
        proxy.share = 0
        eventually(lambda: client.stats()["pending"] == 0, 100, what="nothing pending")
        stats = balanced(client.stats())
    assert stats["dropped"] == {}
    assert stats["delivered"] == sum(map(len, ledger.values()))
    assert database(local_server) == ledger
    assert min(proxy.faults.get(kind, 0) for kind in ("answer lost", "answer cut", "silence")) > 3
