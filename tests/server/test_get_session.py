"""`get_session` against the local server: it sees what was recorded before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sentrial

if TYPE_CHECKING:
    from tests.support.local_server import LocalServer


def test_a_session_is_seen_with_what_was_recorded_before(local_server: LocalServer) -> None:
    client = sentrial.SentrialClient(local_server.url, local_server.key)
    session_id = client.create_session("n", "agent", "u")
    assert session_id is not None
    client.complete_session(session_id, estimated_cost=0.25)
    session = client.get_session(session_id)
    assert session is not None
    assert session["id"] == session_id
    assert session["status"] == "completed"
    assert session["estimatedCost"] == 0.25


def test_an_unknown_session_is_none_or_an_exception(local_server: LocalServer) -> None:
    assert sentrial.SentrialClient(local_server.url, local_server.key).get_session("no") is None
    loud = sentrial.SentrialClient(local_server.url, local_server.key, fail_silently=False)
    with pytest.raises(sentrial.NotFoundError):
        loud.get_session("no")
