"""A scriptable collector: a real HTTP server on loopback that records what arrives.

It speaks the documented API with deterministic ids, and can be told to misbehave in every way a
server, a proxy or a network does::

    with Collector() as collector:
        collector.script("POST", "/api/sdk/events", 503, limited(2), html(), RESET_BEFORE)
        ...
        collector.wait_for(5, path="/api/sdk/events")

The server is an asyncio loop in a thread of its own with a minimal HTTP/1.1 parser, as
``http.server`` is too slow for tests with tens of thousands of requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import socket
import threading
import time
import weakref
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tests.support.answers import Answer, Bookkeeper, as_answer, error_body
from tests.support.connection import Connection

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence

    from typing_extensions import Self

    from tests.support.recorded import Request

T = TypeVar("T")


@dataclass
class _Script:
    method: str
    path: str
    answers: list[Answer]
    forever: bool

    def take(self, request: Request) -> Answer | None:
        if not self.answers or not request.matches(self.method, self.path):
            return None
        return self.answers[0] if self.forever else self.answers.pop(0)


class _Loop(asyncio.SelectorEventLoop):
    """Knows the transports it has made: one that is left open would warn in some later test."""

    def __init__(self) -> None:
        super().__init__()
        self._made: weakref.WeakSet[Any] = weakref.WeakSet()

    def _make_socket_transport(self, *args: Any, **kwargs: Any) -> Any:
        transport = super()._make_socket_transport(*args, **kwargs)  # type: ignore[misc]
        self._made.add(transport)
        return transport

    def has_open(self) -> bool:
        """Tell whether a socket of a connection is still open."""
        return any(transport._sock is not None for transport in self._made)

    def abort_open(self) -> None:
        """Break the connections that are left."""
        for transport in list(self._made):
            transport.abort()


class Collector:
    """The server. Use it as a context manager, or call ``start()`` and ``stop()``.

    What is not marked as called by the connections may be called from any thread.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        ssl_context: ssl.SSLContext | None = None,
        honours_keys: bool = False,
    ) -> None:
        """Hold the port.

        With ``honours_keys`` a request whose ``Idempotency-Key`` has been taken in before gets the
        answer of then, and counts as repeated: as the local server does.
        """
        self._ssl = ssl_context
        self._host = host
        self._kept: dict[str, tuple[int, bytes, str | None]] | None = {} if honours_keys else None
        self._cuts = 0
        self._fault: Callable[[], Answer | None] = lambda: None
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._scripts: list[_Script] = []
        self._books = Bookkeeper()
        self._held: list[Callable[[], None]] | None = None
        self._connections: set[Connection] = set()
        self._opened = 0
        self._in_flight = 0
        self._peak = 0
        self._loop = _Loop()
        self._server: asyncio.AbstractServer | None = None
        self._reserved: socket.socket | None = _bound_socket(port, host)
        self.port: int = self._reserved.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)

    # -- life

    @property
    def url(self) -> str:
        """Base URL by address."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._ssl else 'http'}://{host}:{self.port}"

    @property
    def url_by_name(self) -> str:
        """Base URL by name, which makes the client look a name up."""
        return f"{'https' if self._ssl else 'http'}://localhost:{self.port}"

    def start(self) -> Self:
        """Start the thread and listen."""
        self._thread.start()
        self.accept()
        return self

    def stop(self) -> None:
        """Break all connections, stop the thread, free the port."""
        if self._thread.is_alive():
            self.refuse()
            asyncio.run_coroutine_threadsafe(self._drain(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=10)
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        if not self._loop.is_closed():
            self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # -- orders

    def script(self, method: str, path: str, *answers: Answer | int) -> None:
        """Answer the next requests that match with these, one each; after them as documented.

        ``method`` and ``path`` are regular expressions for the whole method and path; a bare number
        is a status. Scripts are asked in the order in which they were given.
        """
        script = _Script(method, path, [as_answer(answer) for answer in answers], forever=False)
        with self._lock:
            self._scripts.append(script)

    def always(self, method: str, path: str, answer: Answer | int) -> None:
        """Answer every request that matches with this, until ``clear_scripts()``."""
        with self._lock:
            self._scripts.append(_Script(method, path, [as_answer(answer)], forever=True))

    def disturb(self, share: float, faults: Sequence[Answer | int], seed: int) -> None:
        """Answer this share of the requests with one of these, by chance."""
        chance = random.Random(seed)  # noqa: S311  the same faults every time
        kinds = [as_answer(fault) for fault in faults]
        with self._lock:
            self._fault = lambda: chance.choice(kinds) if chance.random() < share else None

    def clear_scripts(self) -> None:
        """Answer as documented again."""
        with self._lock:
            self._scripts.clear()
            self._fault = lambda: None

    def hold(self) -> None:
        """Close the gate: requests are read and recorded, their answers wait."""

        def close_gate() -> None:
            if self._held is None:
                self._held = []

        self._in_loop(close_gate)

    def release(self) -> None:
        """Open the gate and send the answers that waited, in order of arrival."""

        def open_gate() -> None:
            held, self._held = self._held or [], None
            for send in held:
                send()

        self._in_loop(open_gate)

    @contextlib.contextmanager
    def gate(self) -> Iterator[None]:
        """Hold all answers inside the block."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def refuse(self) -> None:
        """Refuse connections from now on, and break those that are open. The port stays ours."""

        def close() -> None:
            if self._server is not None:
                self._server.close()
                self._server = None
                # Bound but not listening: connects are refused, and nobody else can take the port.
                self._reserved = _bound_socket(self.port, self._host)
            for connection in list(self._connections):
                connection.reset()

        self._in_loop(close)
        # The sockets are closed in the next round of the loop.
        self._in_loop(lambda: None)

    def accept(self) -> None:
        """Accept connections (again)."""
        if self._server is None and self._reserved is not None:
            listening, self._reserved = self._reserved, None
            made = self._loop.create_server(
                lambda: Connection(self), sock=listening, ssl=self._ssl, backlog=1024
            )
            self._server = asyncio.run_coroutine_threadsafe(made, self._loop).result(10)

    def speak(self, ssl_context: ssl.SSLContext | None) -> None:
        """Break the connections, and speak TLS with another certificate, or plain HTTP."""
        self.refuse()
        self._ssl = ssl_context
        self.accept()

    def cut_requests(self, count: int) -> None:
        """Break the next connections in the middle of a request, once each."""
        self._in_loop(lambda: setattr(self, "_cuts", count))

    def break_connections(self) -> None:
        """Break the open connections with RST, but go on listening."""

        def break_all() -> None:
            for connection in list(self._connections):
                connection.reset()

        self._in_loop(break_all)

    # -- questions

    def requests(self, method: str | None = None, path: str | None = None) -> list[Request]:
        """Return the requests so far, in order of arrival; both filters match the whole text."""
        with self._lock:
            seen = list(self._requests)
        return [request for request in seen if request.matches(method, path)]

    def bodies(self, method: str | None = None, path: str | None = None) -> list[Any]:
        """Return the JSON bodies of ``requests()``."""
        return [request.json for request in self.requests(method, path)]

    def events(self, event_type: str | None = None) -> list[Any]:
        """Return the bodies of the events that were accepted, in order of arrival."""
        return [
            request.json
            for request in self.requests("POST", "/api/sdk/events")
            if request.accepted
            and (event_type is None or request.json.get("eventType") == event_type)
        ]

    def by_session(self, *, accepted: bool = True) -> dict[str, list[Request]]:
        """Group the requests by session, in order of arrival; by default only those accepted."""
        groups: dict[str, list[Request]] = {}
        for request in self.requests():
            if request.session_id is not None and (request.accepted or not accepted):
                groups.setdefault(request.session_id, []).append(request)
        return groups

    def by_idempotency_key(self) -> dict[str | None, list[Request]]:
        """Group the attempts of each logical request."""
        groups: dict[str | None, list[Request]] = {}
        for request in self.requests():
            groups.setdefault(request.idempotency_key, []).append(request)
        return groups

    def forget(self) -> None:
        """Drop what was recorded so far; ids count on."""
        with self._lock:
            self._requests.clear()

    @property
    def connections(self) -> int:
        """How many connections were opened so far."""
        return self._opened

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._connections)

    @property
    def in_flight(self) -> int:
        """How many requests have arrived and wait for their answer."""
        return self._in_flight

    @property
    def peak_in_flight(self) -> int:
        """The most requests that waited for their answers at one time."""
        return self._peak

    # -- waiting

    def wait_for(
        self,
        count: int = 1,
        *,
        method: str | None = None,
        path: str | None = None,
        timeout: float = 10.0,
    ) -> list[Request]:
        """Wait until ``count`` requests that match have arrived, and return them all.

        Raises:
            AssertionError: they did not arrive in time; the message says what did.
        """
        deadline = time.monotonic() + timeout
        found: list[Request] = []
        scanned = 0
        while True:
            with self._lock:
                new = self._requests[scanned:]
            scanned += len(new)
            found += [request for request in new if request.matches(method, path)]
            if len(found) >= count:
                return found
            if time.monotonic() >= deadline:
                wanted = f"{method or 'any'} {path or 'any path'}"
                message = (
                    f"{len(found)} of {count} requests ({wanted}) in {timeout} s; "
                    f"arrived: {self.summary()}"
                )
                raise AssertionError(message)
            time.sleep(0.002)

    def wait_until_quiet(self, quiet: float = 0.2, timeout: float = 10.0) -> list[Request]:
        """Wait until nothing has arrived for ``quiet`` seconds and nothing waits for its answer."""
        deadline = time.monotonic() + timeout
        seen, since = -1, time.monotonic()
        while True:
            now, count = time.monotonic(), len(self._requests)
            if count != seen or self._in_flight:
                seen, since = count, now
            if now - since >= quiet:
                return self.requests()
            if now >= deadline:
                message = f"not quiet within {timeout} s; arrived: {self.summary()}"
                raise AssertionError(message)
            time.sleep(0.005)

    def summary(self) -> str:
        """Say in one line what has arrived, for messages."""
        counts = Counter(
            (request.method, re.sub(r"(/sessions/).+", r"\1…", request.path), request.status)
            for request in self.requests()
        )
        lines = [f"{n} x {m} {p} -> {s}" for (m, p, s), n in counts.items()]
        return "; ".join(lines) or "nothing"

    # -- in the thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _drain(self) -> None:
        # A connection accepted just before becomes ours some rounds of the loop later.
        while (others := asyncio.all_tasks() - {asyncio.current_task()}) or self._loop.has_open():
            if others:
                await asyncio.wait(others, timeout=1)
            for connection in list(self._connections):
                connection.reset()
            self._loop.abort_open()
            await asyncio.sleep(0)

    def _in_loop(self, action: Callable[[], T]) -> T:
        async def act() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(10)

    # Called by the connections.

    def opened(self, connection: Connection) -> int:
        """Note a new connection and return its number."""
        self._connections.add(connection)
        self._opened += 1
        return self._opened

    def closed(self, connection: Connection) -> None:
        """Note the end of a connection."""
        self._connections.discard(connection)

    def when_open(self, send: Callable[[], None]) -> None:
        """Send now, or when the gate is opened."""
        if self._held is None:
            send()
        else:
            self._held.append(send)

    def done(self) -> None:
        """Note that a request waits no longer."""
        self._in_flight -= 1

    def arrived(self, request: Request) -> tuple[Answer, bytes]:
        """Record a request; return its answer and the documented body."""
        self._in_flight += 1
        self._peak = max(self._peak, self._in_flight)
        if request.body:
            with contextlib.suppress(ValueError):
                request.json = json.loads(request.body)
        with self._lock:
            request.number = len(self._requests)
            self._requests.append(request)
            taken = (script.take(request) for script in self._scripts)
            answer = next((answer for answer in taken if answer is not None), None)
            answer = answer or self._fault()
        if answer is None or answer.takes:
            status, body = self._take_in(request)
            return answer or Answer(status), body
        request.session_id = request.session_named()
        return answer, error_body(answer.status) if answer.status >= 400 else b"{}"

    def cuts(self) -> bool:
        """Tell whether the request that is coming in is to be cut off."""
        self._cuts -= 1
        return self._cuts >= 0

    def _take_in(self, request: Request) -> tuple[int, bytes]:
        key = request.idempotency_key
        kept = None if self._kept is None or key is None else self._kept.get(key)
        if kept is None:
            kept = self._books.answer(request.method, request.path, request.json)
            request.taken = kept[0] < 300
            if request.taken and self._kept is not None and key is not None:
                self._kept[key] = kept
        status, body, request.session_id = kept
        return status, body


def _bound_socket(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Return a socket that holds a port without listening on it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, or asyncio would not set TCP_NODELAY: 40 ms per answer, measured.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.setblocking(False)
    return sock


@contextlib.contextmanager
def refused_url() -> Iterator[str]:
    """Give a URL whose port refuses connections, and is kept from everyone else."""
    with _bound_socket(0) as sock:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
