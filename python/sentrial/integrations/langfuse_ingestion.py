"""Langfuse's HTTP interface for batches of events, in the words of Langfuse 2.

It needs neither threads nor a tracer provider. It takes the place of Langfuse's own client where
that cannot be made: at the end of a program, when Python starts no thread any more, and with
Langfuse 3.0 and 3.1, whose client takes over the global tracer provider.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import urllib.error
import urllib.request
import uuid
from base64 import b64encode
from collections import deque
from datetime import datetime, timezone
from typing import Any

from sentrial.integrations import versions

__all__ = ["IngestedSpan", "IngestedTrace", "Ingestion"]

_CLOUD = "https://cloud.langfuse.com"
_TIMEOUT = 20.0
_TEXT_OF_AN_ERROR = 200
MAX_EVENTS = 10_000
"""Events that wait at most; the oldest are dropped beyond it."""
MAX_BATCH = 100
"""Events of one request at most; so many are sent without waiting for `flush`."""
MAX_BATCH_BYTES = 2_500_000
"""Bytes of one request, unless a single event is longer. Langfuse refuses 4.5 MB."""
# In Langfuse's words, from the names of OpenAI's.
_USAGE = {"prompt_tokens": "input", "completion_tokens": "output", "total_tokens": "total"}


class Ingestion:
    """A client of Langfuse that sends in the calling thread."""

    def __init__(
        self,
        public_key: str | None = None,
        secret_key: str | None = None,
        host: str | None = None,
    ) -> None:
        """Take the options of Langfuse's client, from its variables where they are not given.

        Raises:
            ValueError: There are no keys, or the address is none.
        """
        env = os.environ
        keys = (
            public_key or env.get("LANGFUSE_PUBLIC_KEY"),
            secret_key or env.get("LANGFUSE_SECRET_KEY"),
        )
        if not all(keys):
            raise ValueError("Langfuse needs a public_key and a secret_key")
        address = host or env.get("LANGFUSE_BASE_URL") or env.get("LANGFUSE_HOST") or _CLOUD
        if not address.startswith(("http://", "https://")):
            raise ValueError("the address of Langfuse begins with neither http:// nor https://")
        self._url = address.rstrip("/") + "/api/public/ingestion"
        credentials = b64encode(":".join(map(str, keys)).encode()).decode()
        self._headers = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/json",
        }
        self._events: deque[bytes] = deque(maxlen=MAX_EVENTS)
        self._sending = threading.Lock()

    def trace(self, *, id: str | None, **fields: Any) -> IngestedTrace:  # noqa: A002  the name in Langfuse 2
        """Begin a trace."""
        trace = IngestedTrace(self, trace_id(id))
        trace.tell(timestamp=_now(), **fields)
        return trace

    def put(self, kind: str, body: dict[str, Any]) -> None:
        """Take an event; sends when there is a batch of them."""
        told = {key: value for key, value in body.items() if value is not None}
        event = {"id": str(uuid.uuid4()), "type": kind, "timestamp": _now(), "body": told}
        self._events.append(json.dumps(event, default=str).encode())
        if len(self._events) >= MAX_BATCH:
            self.flush()

    def flush(self) -> None:
        """Send what was taken; waits.

        Raises:
            OSError: Langfuse cannot be reached or refuses it. What was not sent waits for the next
                time, unless it was refused.
        """
        with self._sending:
            while self._events:
                batch = self._next_batch()
                try:
                    self._post(batch)
                except urllib.error.HTTPError as error:
                    if error.code == 429 or error.code >= 500:  # noqa: PLR2004  try again later
                        self._events.extendleft(reversed(batch))
                    raise
                except OSError:
                    self._events.extendleft(reversed(batch))
                    raise

    def shutdown(self) -> None:
        """Send what was taken; waits."""
        self.flush()

    def _next_batch(self) -> list[bytes]:
        batch = [self._events.popleft()]
        size = len(batch[0])
        while self._events and len(batch) < MAX_BATCH:
            size += len(self._events[0])
            if size > MAX_BATCH_BYTES:
                break
            batch.append(self._events.popleft())
        return batch

    def _post(self, batch: list[bytes]) -> None:
        body = b'{"batch":[' + b",".join(batch) + b"]}"
        request = urllib.request.Request(self._url, body, self._headers, method="POST")  # noqa: S310  checked above
        with _opener().open(request, timeout=_TIMEOUT) as answer:
            text = answer.read()
        try:
            refused = json.loads(text)["errors"]
        except (ValueError, KeyError, TypeError):
            return
        if refused:
            raise OSError(f"Langfuse refused {len(refused)} of the events: {_short(refused[0])}")


class IngestedTrace:
    """A trace."""

    def __init__(self, client: Ingestion, identifier: str) -> None:
        self.id = identifier
        self._client = client

    def tell(self, **fields: Any) -> None:
        """Say something about the trace itself."""
        if "user_id" in fields:
            fields["userId"] = fields.pop("user_id")
        self._client.put("trace-create", {"id": self.id, **fields})

    def update(self, **fields: Any) -> None:
        """Add what is known later."""
        self.tell(**fields)

    def span(self, **fields: Any) -> IngestedSpan:
        """Begin a span."""
        return IngestedSpan(self._client, self.id, self._observed("span", fields))

    def generation(self, *, usage: dict[str, int] | None, **fields: Any) -> None:
        """Record the call of a model, which is over."""
        if usage:
            counted = {_USAGE.get(kind, kind): count for kind, count in usage.items()}
            fields["usage"] = {**counted, "unit": "TOKENS"}
        self._observed("generation", {**fields, "endTime": _now()})

    def event(self, **fields: Any) -> None:
        """Record something that happened at one moment."""
        self._observed("event", fields)

    def score(self, *, name: str, value: float, comment: str | None) -> None:
        """Give the trace a score."""
        score = {"id": str(uuid.uuid4()), "traceId": self.id, "name": name, "value": value}
        self._client.put("score-create", {**score, "comment": comment})

    def _observed(self, kind: str, fields: dict[str, Any]) -> str:
        identifier = str(uuid.uuid4())
        if "status_message" in fields:
            fields["statusMessage"] = fields.pop("status_message")
        body = {"id": identifier, "traceId": self.id, "startTime": _now(), **fields}
        self._client.put(f"{kind}-create", body)
        return identifier


class IngestedSpan:
    """A span of a trace."""

    def __init__(self, client: Ingestion, trace: str, identifier: str) -> None:
        self.id = identifier
        self._client = client
        self._trace = trace

    def end(self, *, output: Any, level: str, status_message: str | None) -> None:
        """End it."""
        body = {"id": self.id, "traceId": self._trace, "endTime": _now(), "output": output}
        body |= {"level": level, "statusMessage": status_message}
        self._client.put("span-update", body)


def trace_id(seed: str | None) -> str:
    """Return the id that the installed Langfuse would give the trace of a session."""
    if seed is None:
        return uuid.uuid4().hex
    if (versions.installed("langfuse") or (2,)) < (3,):
        return seed
    return hashlib.sha256(seed.encode()).hexdigest()[:32]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The keys go to no other address."""

    def redirect_request(self, *_: object) -> None:
        """Follow none: it is raised as an error."""


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirects)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")


def _short(value: object) -> str:
    return json.dumps(value)[:_TEXT_OF_AN_ERROR]
