"""One connection of the collector: a minimal HTTP/1.1 parser, and answers that may go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from typing import TYPE_CHECKING, Protocol

from tests.support.answers import Answer
from tests.support.recorded import Request

if TYPE_CHECKING:
    from collections.abc import Callable


class Host(Protocol):
    """What a connection needs of the server it belongs to. All of it runs in the loop."""

    def opened(self, connection: Connection) -> int:
        """Note a new connection and return its number."""

    def closed(self, connection: Connection) -> None:
        """Note the end of a connection."""

    def arrived(self, request: Request) -> tuple[Answer, bytes]:
        """Record a request; return its answer and the documented body."""

    def when_open(self, send: Callable[[], None]) -> None:
        """Send now, or when the gate is opened."""

    def done(self) -> None:
        """Note that a request waits no longer."""

    def cuts(self) -> bool:
        """Tell whether the request that is coming in is to be cut off."""


_CHUNK = b"x" * 65536


class Connection(asyncio.Protocol):
    """One connection: parses requests, one at a time, and sends their answers."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._buffer = bytearray()
        self._busy = False
        self._number = 0
        self._timers: list[asyncio.TimerHandle] = []
        self._transport: asyncio.Transport

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce itself to the server."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._number = self._host.opened(self)

    def data_received(self, data: bytes) -> None:
        """Collect bytes until a request is whole."""
        self._buffer += data
        self._next()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget what was to be answered."""
        # Nothing is left to close, but in Python 3.10 a TLS transport complains without it.
        self._transport.close()
        self._host.closed(self)
        for timer in self._timers:
            timer.cancel()
        if self._busy:
            self._busy = False
            self._host.done()

    # Reading.

    def _next(self) -> None:
        while not self._busy and not self._transport.is_closing():
            try:
                request = self._parse()
            except ValueError as problem:
                self._transport.write(Answer(400, body=str(problem), close=True).wire(b""))
                self._transport.close()
                return
            if request is None:
                if self._buffer and self._host.cuts():
                    self.reset()
                return
            self._busy = True
            answer, documented = self._host.arrived(request)
            self._when_due(request, answer, documented)

    def _parse(self) -> Request | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        method, target, _version = first.split(" ", 2)
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            headers[name] = (
                f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
            )
        if headers.get("transfer-encoding", "").lower() == "chunked":
            found = _chunked(self._buffer, end + 4)
            if found is None:
                return None
            body, rest = found
        else:
            rest = end + 4 + int(headers.get("content-length", "0"))
            if len(self._buffer) < rest:
                if (
                    headers.pop("expect", "").lower() == "100-continue"
                    and len(self._buffer) == end + 4
                ):
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return None
            body = bytes(self._buffer[end + 4 : rest])
        del self._buffer[:rest]
        return Request(0, self._number, method, target, headers, body, time.monotonic())

    # Answering.

    def _when_due(self, request: Request, answer: Answer, documented: bytes) -> None:
        def send() -> None:
            if self._transport.is_closing():
                return
            if answer.delay > 0:
                self._later(answer.delay, lambda: self._send(request, answer, documented))
            else:
                self._send(request, answer, documented)

        self._host.when_open(send)

    def _send(self, request: Request, answer: Answer, documented: bytes) -> None:
        if answer.hang:
            return
        if answer.reset == "before":
            self.reset()
            return
        wire = answer.wire(documented)
        if answer.reset == "middle":
            # Without the last byte, and with a pause, so that the client has read the beginning.
            self._transport.write(wire[: max(1, len(wire) - 8)])
            self._later(0.02, self.reset)
        elif answer.flood is not None:
            self._transport.write(wire + b'"')
            self._flood(answer, answer.flood - 2)
        elif answer.trickle is not None:
            self._trickle(request, answer, wire, 0)
        else:
            self._note(request, answer)
            self._transport.write(wire)
            self._finish(answer)

    def _trickle(self, request: Request, answer: Answer, wire: bytes, position: int) -> None:
        last = position + 1 >= len(wire)
        if last:
            self._note(request, answer)
        self._transport.write(wire[position : position + 1])
        if last:
            self._finish(answer)
            return
        self._later(
            answer.trickle or 0.0, lambda: self._trickle(request, answer, wire, position + 1)
        )

    def _flood(self, answer: Answer, left: int) -> None:
        """Write as fast as it is read: what the transport has not sent yet stays small."""
        while left > 0 and self._transport.get_write_buffer_size() < len(_CHUNK):
            self._transport.write(_CHUNK[:left])
            left -= len(_CHUNK)
        if left > 0:
            self._later(0.001, lambda: self._flood(answer, left))
        else:
            self._transport.write(b'"')
            self._finish(answer)

    @staticmethod
    def _note(request: Request, answer: Answer) -> None:
        # Before the last byte leaves: the client may go on before this thread does.
        if answer.raw is None:
            request.status = answer.status
        request.answered = time.monotonic()

    def _finish(self, answer: Answer) -> None:
        self._busy = False
        self._host.done()
        if answer.close or answer.raw is not None:
            self._transport.close()
        elif self._buffer:
            asyncio.get_running_loop().call_soon(self._next)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        def act() -> None:
            if not self._transport.is_closing():
                action()

        self._timers = [timer for timer in self._timers if not timer.cancelled()]
        self._timers.append(asyncio.get_running_loop().call_later(seconds, act))

    def reset(self) -> None:
        """Break the connection with RST instead of FIN."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        self._transport.close()


def _chunked(buffer: bytearray, start: int) -> tuple[bytes, int] | None:
    """Read a chunked body; return it and its end in the buffer, or None if more is to come."""
    body = bytearray()
    while True:
        line_end = buffer.find(b"\r\n", start)
        if line_end < 0:
            return None
        size = int(bytes(buffer[start:line_end]).partition(b";")[0], 16)
        start = line_end + 2
        if len(buffer) < start + size + 2:
            return None
        body += buffer[start : start + size]
        start += size + 2
        if size == 0:
            return bytes(body), start
