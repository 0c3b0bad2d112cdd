"""A server that swallows what the SDK sends: as little work per request as Python allows.

Started as a process of its own, it prints its port and serves until its standard input ends::

    python sink.py --latency 0.05
    python sink.py --hang

The scriptable collector of the tests records every request, which costs it too much here: it would
be the sink that is measured. `GET /counts` tells what has arrived.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

_CREATE = b"POST /api/sdk/sessions "
_EVENT = b"POST /api/sdk/events "
_COUNTS = b"GET /counts "
_LENGTH = b"content-length:"


class Counts:
    """What has arrived."""

    def __init__(self) -> None:
        self.sessions = 0
        self.events = 0
        self.others = 0
        self.in_flight = 0
        self.peak = 0
        self.last_event = b"{}"

    def to_json(self) -> bytes:
        """Tell it as JSON."""
        told: dict[str, object] = {
            "sessions": self.sessions,
            "events": self.events,
            "others": self.others,
            "peak": self.peak,
            "last_event": json.loads(self.last_event),
        }
        return json.dumps(told).encode()


class Connection(asyncio.Protocol):
    """One connection; requests are answered one after the other."""

    def __init__(self, counts: Counts, latency: float, *, hang: bool) -> None:
        self._counts = counts
        self._latency = latency
        self._hang = hang
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer = buffer = self._buffer + data if self._buffer else data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            head = buffer[:end].lower()
            at = head.find(_LENGTH)
            length = int(head[at + 15 : (head.find(b"\r", at) + 1 or end + 1) - 1]) if at > 0 else 0
            whole = end + 4 + length
            if len(buffer) < whole:
                break
            self._take(buffer, buffer[end + 4 : whole])
            self._buffer = buffer = buffer[whole:]

    def _take(self, head: bytes, body: bytes) -> None:
        counts = self._counts
        if head.startswith(_EVENT):
            counts.events += 1
            counts.last_event = body
            answer = b'{"id":"e","sequenceNumber":1}'
        elif head.startswith(_CREATE):
            counts.sessions += 1
            answer = b'{"id":"session-%d","status":"running"}' % counts.sessions
        elif head.startswith(_COUNTS):
            self._answer(counts.to_json())
            return
        else:
            counts.others += 1
            answer = b'{"ok":true}'
        counts.in_flight += 1
        counts.peak = max(counts.peak, counts.in_flight)
        if self._hang:
            return
        if self._latency > 0:
            asyncio.get_running_loop().call_later(self._latency, self._finish, answer)
        else:
            self._finish(answer)

    def _finish(self, body: bytes) -> None:
        self._counts.in_flight -= 1
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body)
        )


async def serve(latency: float, *, hang: bool) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    counts = Counts()
    server = await loop.create_server(
        lambda: Connection(counts, latency, hang=hang), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--hang", action="store_true", help="read requests, never answer")
    options = parser.parse_args()
    asyncio.run(serve(options.latency, hang=options.hang))


if __name__ == "__main__":
    main()
