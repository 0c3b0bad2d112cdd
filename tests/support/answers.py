"""What the collector answers: the documented bodies, and every way of answering badly."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The documented bodies of refusals, and ours for the statuses without one.
ERROR_BODIES: dict[int, dict[str, str]] = {
    400: {"error": "Bad Request", "message": "Missing required field"},
    401: {"error": "Unauthorized", "message": "Invalid or missing API key"},
    403: {
        "error": "Forbidden",
        "message": "API key does not have access to this resource",
    },
    404: {"error": "Not Found", "message": "Session not found"},
    429: {"error": "Too Many Requests", "message": "Slow down"},
    500: {"error": "Internal Server Error", "message": "Something went wrong"},
}


@dataclass(frozen=True)
class Answer:
    """One answer. Without a body, the documented one of the request or of the status."""

    status: int = 200
    json: Any = ...
    """Body as a value; ``...`` stands for the documented body."""
    body: str | bytes | None = None
    """Body as it is, instead of ``json``."""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before the first byte."""
    raw: bytes | None = None
    """The whole answer as it goes over the wire, instead of everything else; then the end."""
    content_length: int | None = None
    """A Content-Length that need not be that of the body."""
    reset: Literal["before", "middle"] | None = None
    """Break the connection with RST: before the first byte, or in the middle of the body."""
    hang: bool = False
    """Never answer; the connection stays open."""
    trickle: float | None = None
    """Send the answer byte by byte, with this many seconds between two of them."""
    close: bool = False
    """Close the connection after the answer."""
    flood: int | None = None
    """Send a JSON text of this many bytes instead of a body, as fast as it is read."""
    keeps: bool = False
    """The server takes the request in although its answer goes wrong."""

    @property
    def completes(self) -> bool:
        """Whether the client gets a whole answer in the end."""
        return self.raw is None and self.reset is None and not self.hang

    @property
    def is_page(self) -> bool:
        """Whether it is an HTML page, which the API never sends for a success."""
        body = self.body.encode() if isinstance(self.body, str) else self.body or b""
        declared = any("html" in value for value in self.headers.values())
        return declared and body.lstrip().startswith(b"<")

    @property
    def takes(self) -> bool:
        """Whether the server takes the request in."""
        return self.keeps or (self.completes and self.status < 300 and not self.is_page)

    def wire(self, documented: bytes) -> bytes:
        """Bytes of the answer; ``documented`` is the body when none was given."""
        if self.raw is not None:
            return self.raw
        content_type = "application/json"
        if self.body is not None:
            body = self.body.encode() if isinstance(self.body, str) else self.body
        elif self.json is not ...:
            body = json.dumps(self.json).encode()
        else:
            body = documented
        if self.status == HTTPStatus.NO_CONTENT:
            body = b""
        headers = {"Content-Type": content_type}
        length = self.content_length if self.flood is None else self.flood
        headers["Content-Length"] = str(len(body) if length is None else length)
        headers["Connection"] = "close" if self.close else "keep-alive"
        headers.update(self.headers)
        lines = [f"HTTP/1.1 {self.status} {reason(self.status)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode()
        return head if self.flood is not None else head + body


def html(
    status: int = 200, text: str = "<html><body>Sign in to the network</body></html>"
) -> Answer:
    """Answer with a page, as a proxy or a captive portal does."""
    return Answer(status, body=text, headers={"Content-Type": "text/html; charset=utf-8"})


def empty(status: int = 200) -> Answer:
    """Answer without a body."""
    return Answer(status, body=b"")


def truncated(status: int = 200) -> Answer:
    """Answer of which the second half is missing when the connection ends."""
    return Answer(status, body=b'{"id": "evt_', content_length=64, close=True)


def redirect(to: str, status: int = 307) -> Answer:
    """Answer that sends the client elsewhere."""
    return Answer(status, json={}, headers={"Location": to})


def limited(retry_after: float | str, status: int = 429) -> Answer:
    """Answer that asks for patience, in seconds or with an HTTP date."""
    return Answer(status, headers={"Retry-After": str(retry_after)})


HANG = Answer(hang=True)
RESET_BEFORE = Answer(reset="before")
RESET_MIDDLE = Answer(reset="middle")
#: The server has taken the request in; that its connection breaks then keeps the answer away.
LOST_ANSWER = Answer(reset="before", keeps=True)


def as_answer(value: Answer | int) -> Answer:
    """Accept a bare status for an answer."""
    return Answer(value) if isinstance(value, int) else value


def reason(status: int) -> str:
    """Reason phrase of a status, also of one that nobody has heard of."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def error_body(status: int) -> bytes:
    """Documented body of a refusal."""
    body = ERROR_BODIES.get(status) or {"error": reason(status), "message": reason(status)}
    return json.dumps(body).encode()


def slug(value: object) -> str:
    """Part of an id made of a user's or an agent's name."""
    text = "".join(letter if letter.isalnum() else "-" for letter in str(value))
    return text.strip("-").lower()[:40] or "none"


class Bookkeeper:
    """Gives the documented 2xx answers, with ids that depend only on what was sent.

    Sessions are ``sess_<user>_<agent>_<n>`` with n counting per user and agent, events
    ``evt_<session>_<n>``: the same also when requests of several sessions arrive in another order.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, int] = {}
        self._events: dict[str, int] = {}
        self._names: dict[str, str] = {}

    def answer(self, method: str, path: str, body: Any) -> tuple[int, bytes, str | None]:
        """Return status and body for a request, and the session it belongs to."""
        sent: dict[str, Any] = body if isinstance(body, dict) else {}
        if method == "POST" and path == "/api/sdk/events":
            return self._event(sent)
        if method == "POST" and path == "/api/sdk/sessions":
            return self._session(sent)
        if method == "PATCH" and path.startswith("/api/sdk/sessions/"):
            return self._completed(path.rpartition("/")[2], sent)
        if method == "GET" and path == "/api/sdk/pii-config":
            return 200, b'{"config": null}', None
        return 404, error_body(404), None

    def _event(self, sent: dict[str, Any]) -> tuple[int, bytes, str | None]:
        session = str(sent.get("sessionId"))
        self._events[session] = number = self._events.get(session, 0) + 1
        made = {
            "id": f"evt_{session}_{number}",
            "sessionId": session,
            "eventType": sent.get("eventType"),
            "toolName": sent.get("toolName"),
            "createdAt": now(),
        }
        return 200, json.dumps(made).encode(), session

    def _session(self, sent: dict[str, Any]) -> tuple[int, bytes, str | None]:
        stem = f"sess_{slug(sent.get('userId'))}_{slug(sent.get('agentName'))}"
        self._sessions[stem] = number = self._sessions.get(stem, 0) + 1
        session = f"{stem}_{number}"
        self._names[session] = str(sent.get("name"))
        made = {
            "id": session,
            "name": sent.get("name"),
            "agentName": sent.get("agentName"),
            "userId": sent.get("userId"),
            "status": "active",
            "createdAt": now(),
        }
        return 200, json.dumps(made).encode(), session

    def _completed(self, session: str, sent: dict[str, Any]) -> tuple[int, bytes, str | None]:
        done = {
            "id": session,
            "name": self._names.get(session),
            "status": sent.get("status"),
            "success": sent.get("success"),
            "estimatedCost": sent.get("estimatedCost"),
            "durationMs": sent.get("durationMs"),
            "completedAt": now(),
        }
        return 200, json.dumps(done).encode(), session


def now() -> str:
    """Write the time as the documented API does."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
