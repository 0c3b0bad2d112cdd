"""A request as the collector recorded it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Request:
    """One request as it arrived, and what became of it."""

    number: int
    """Position in order of arrival, over all connections."""
    connection: int
    method: str
    target: str
    """As in the request line: with the query, and absolute when the collector acts as a proxy."""
    headers: dict[str, str]
    """Names in lower case; a repeated header is joined by a comma."""
    body: bytes
    arrived: float
    """``time.monotonic()`` when the last byte was there."""
    status: int | None = None
    """Status of the answer, set when its last byte was written; None while there is none."""
    answered: float | None = None
    session_id: str | None = None
    """The session the request belongs to; for a create, the id it was given."""
    json: Any = field(default=None, repr=False)
    """The body as a value; None if it is no JSON."""

    taken: bool = False
    """The server has taken it in, for the first time if it honours idempotency keys."""

    @property
    def path(self) -> str:
        """Path as it was sent, still percent-encoded, without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> str:
        """Query without the question mark."""
        return urlsplit(self.target).query

    @property
    def idempotency_key(self) -> str | None:
        """The key that all attempts of one logical request share."""
        return self.headers.get("idempotency-key")

    @property
    def token(self) -> str | None:
        """The API key in the Authorization header."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme == "Bearer" else None

    @property
    def accepted(self) -> bool:
        """Whether the server has taken it in, and the answer went out whole."""
        return self.taken and self.status is not None and 200 <= self.status < 300

    def matches(self, method: str | None, path: str | None) -> bool:
        """Whether method and path (a regular expression for the whole path) are these."""
        return (method is None or re.fullmatch(method, self.method) is not None) and (
            path is None or re.fullmatch(path, self.path) is not None
        )

    def session_named(self) -> str | None:
        """Return the session that the body or the path names."""
        if isinstance(self.json, dict) and "sessionId" in self.json:
            return str(self.json["sessionId"])
        named = re.fullmatch(r"/api/sdk/sessions/(.+)", self.path)
        return unquote(named[1]) if named else None
