"""A proxy in front of a real server that fails in random ways, seen from the client."""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
_LIMITED = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 0.1\r\ncontent-length: 0\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)


class FaultyProxy:
    """Passes requests on to a server of this machine, and breaks a share of them.

    A broken one never reaches the server, or reaches it and its answer gets lost: the client cannot
    tell which.
    """

    def __init__(self, server: str, share: float, seed: int) -> None:
        """Listen on a port of loopback.

        Args:
            server: The URL of the server.
            share: Which part of the requests fails, from 0 to 1.
            seed: What the chances are drawn from.
        """
        self._server = server.removeprefix("http://")
        self._chance = random.Random(seed)  # noqa: S311  the same faults every time
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._open: set[socket.socket] = set()
        self.share = share
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        #: How many requests failed, by the name of the fault.
        self.faults: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Begin to accept connections."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, with all connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        upstream = http.client.HTTPConnection(self._server, timeout=30)
        with contextlib.suppress(OSError), connection, contextlib.closing(upstream):
            received = b""
            while True:
                while b"\r\n\r\n" not in received:
                    received += _more(connection)
                head, _, received = received.partition(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                method, path, _ = first.split(" ")
                headers = dict(line.split(": ", 1) for line in lines)
                length = int(headers.get("content-length", 0))
                while len(received) < length:
                    received += _more(connection)
                body, received = received[:length], received[length:]
                fault = self._draw()
                if fault in ("reset before", "busy", "limited"):
                    _fail(connection, fault)
                    continue
                upstream.request(method, path, body, headers)
                answer = _answer(upstream.getresponse())
                if fault is None:
                    connection.sendall(answer)
                else:
                    _fail(connection, fault, answer)
        with self._lock:
            self._open.discard(connection)

    def _draw(self) -> str | None:
        with self._lock:
            if self._chance.random() >= self.share:
                return None
            kinds = ("reset before", "busy", "limited", "answer lost", "answer cut", "silence")
            fault = self._chance.choice(kinds)
            self.faults[fault] = self.faults.get(fault, 0) + 1
            return fault


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionResetError
    return data


def _answer(response: http.client.HTTPResponse) -> bytes:
    body = response.read()
    kind = response.getheader("content-type", "application/json")
    head = f"HTTP/1.1 {response.status} {response.reason}\r\ncontent-type: {kind}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body


def _fail(connection: socket.socket, fault: str, answer: bytes = b"") -> None:
    """Do what the fault is. All but two end the connection."""
    if fault in ("busy", "limited"):
        connection.sendall(_BUSY if fault == "busy" else _LIMITED)
        return
    if fault == "answer cut":
        connection.sendall(answer[:-5])
    elif fault == "silence":
        # Until the client gives up and closes.
        while connection.recv(65536):
            pass
    else:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    raise ConnectionResetError
