"""What the collector got, session by session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.sdk import sessions_sent

if TYPE_CHECKING:
    import sentrial

    from tests.support.collector import Collector


class Sent:
    """The requests of one session."""

    def __init__(self, bodies: list[tuple[str, Any]]) -> None:
        self.created = next((body for path, body in bodies if path.endswith("/sessions")), {})
        self.events = [body for path, body in bodies if path.endswith("/events")]
        self.completed = [body for _, body in bodies if "status" in body]

    @property
    def tools(self) -> list[str]:
        """The names of the tools, in order."""
        return [event["toolName"] for event in self.events]


def sent(client: sentrial.SentrialClient, collector: Collector) -> dict[str, Sent]:
    """Deliver everything; return it by the user and the agent of the session: ``user/agent``."""
    sessions = sessions_sent(client, collector)
    return {
        session_id.removeprefix("sess_"): Sent([(r.path, r.json) for r in requests])
        for session_id, requests in sessions.items()
    }
