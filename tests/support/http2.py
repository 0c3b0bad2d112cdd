"""A small API server that speaks HTTP/2 over TLS and nothing else."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.events

if TYPE_CHECKING:
    from collections.abc import Iterator

    import trustme
    from typing_extensions import Self


class Http2Server:
    """Takes events; answers once ``together`` requests of a connection wait for an answer."""

    def __init__(self, authority: trustme.CA) -> None:
        """Listen on a port of loopback, with a certificate for it."""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.set_alpn_protocols(["h2"])
        authority.issue_cert("127.0.0.1").configure_cert(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._open: list[ssl.SSLSocket] = []
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.together = 1
        self.connections = 0
        self.headers: list[dict[str, str]] = []
        self.bodies: list[object] = []

    def __enter__(self) -> Self:
        """Begin to accept connections."""
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, with all connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.break_connections()
        for thread in self._threads:
            thread.join(5)

    def break_connections(self) -> None:
        """Close every connection, whatever waits on it."""
        while self._open:
            with contextlib.suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
                connection = self._context.wrap_socket(plain, server_side=True)
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: ssl.SSLSocket) -> None:
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        state.initiate_connection()
        bodies: dict[int, bytes] = {}
        waiting: list[int] = []
        with connection:
            for data in _received(connection, state):
                for event in state.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        self.headers.append(
                            {name.decode(): value.decode() for name, value in event.headers}
                        )
                    elif isinstance(event, h2.events.DataReceived):
                        stream = event.stream_id
                        bodies[stream] = bodies.get(stream, b"") + event.data
                        state.acknowledge_received_data(event.flow_controlled_length, stream)
                    elif isinstance(event, h2.events.StreamEnded):
                        self.bodies.append(json.loads(bodies.pop(event.stream_id)))
                        waiting.append(event.stream_id)
                if len(waiting) >= self.together:
                    while waiting:
                        _answer(state, waiting.pop(0))


def _received(connection: ssl.SSLSocket, state: h2.connection.H2Connection) -> Iterator[bytes]:
    """Give what arrives, and send what there is to send before each wait."""
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(state.data_to_send())
            data = connection.recv(65536)
            if not data:
                return
            yield data


def _answer(state: h2.connection.H2Connection, stream: int) -> None:
    body = json.dumps({"id": f"evt_{stream}"}).encode()
    headers = [(":status", "200"), ("content-type", "application/json")]
    state.send_headers(stream, headers)
    state.send_data(stream, body, end_stream=True)
