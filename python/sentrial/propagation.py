"""Carry the current session where Python's context does not go by itself.

It goes by itself into awaited coroutines, tasks, `asyncio.gather` and `asyncio.to_thread`. Into
thread pools it goes with `propagate` or `PropagatingExecutor`, into child processes with
`context_env`, into other services with `inject_headers` and `extract_headers`.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast
from urllib.parse import quote, unquote

from sentrial import _core
from sentrial._carried import Carried, current
from sentrial.client import _get_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping
    from concurrent.futures import Future
    from types import TracebackType

    from typing_extensions import Self

__all__ = [
    "HEADER",
    "PARENT_VARIABLE",
    "PropagatingExecutor",
    "RemoteSession",
    "context_env",
    "extract_headers",
    "inject_headers",
    "propagate",
]

HEADER = "X-Sentrial-Session"
"""The header that holds the id of the caller's session, percent-encoded."""
PARENT_VARIABLE = "SENTRIAL_PARENT_SESSION_ID"
"""The variable that holds the id of the session which started this process."""

_LONGEST_ID = 1024

P = ParamSpec("P")
R = TypeVar("R")


def propagate(function: Callable[P, R]) -> Callable[P, R]:
    """Bind a function to the current session, and to all other context variables.

    Wherever and however often it is called, in threads of a pool for example, it sees what is
    current now. For a coroutine function it is the session alone, while its body runs.

    Args:
        function: The function, or coroutine function.
    """
    if inspect.iscoroutinefunction(function):
        here = current()

        @functools.wraps(function)
        async def run_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            with Carried(here):
                return await function(*args, **kwargs)

        return cast("Callable[P, R]", run_async)
    context = contextvars.copy_context()

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        # A copy for each call: a context cannot be entered twice at the same time.
        return context.copy().run(function, *args, **kwargs)

    return run


class PropagatingExecutor(Executor):
    """An executor whose calls see the session that is current where they are submitted.

    Args:
        executor: The executor of threads that runs the calls. It is shut down with this one.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Submit a call; see `concurrent.futures.Executor.submit`."""
        return self._executor.submit(propagate(fn), *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut the executor down; see `concurrent.futures.Executor.shutdown`."""
        self._executor.shutdown(wait, cancel_futures=cancel_futures)


def context_env() -> dict[str, str]:
    """Return the variables by which a child process knows the current session.

    Waits for the session's id. Sessions that are begun in the child become its children::

        subprocess.run(command, env={**os.environ, **sentrial.context_env()})

    Returns:
        The variables; empty outside of a session.
    """
    session_id = _core.get_session_context()
    return {} if session_id is None else {PARENT_VARIABLE: session_id}


def inject_headers(headers: MutableMapping[str, str] | None = None) -> MutableMapping[str, str]:
    """Add the header by which another service knows the current session.

    Waits for the session's id.

    Args:
        headers: The headers of a request, which are changed. Default: new ones.

    Returns:
        The headers; outside of a session as they were.
    """
    headers = {} if headers is None else headers
    session_id = _core.get_session_context()
    if session_id is not None:
        headers[HEADER] = quote(session_id, safe="")
    return headers


def extract_headers(
    headers: Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]],
    client: _core.SentrialClient | None = None,
) -> RemoteSession:
    """Read the session of the caller from the headers of a request.

    Use the result with ``with``: inside the block the caller's session is current, so that tools
    attach to it, and sessions begun there become its children. Without the header the block
    changes nothing. Only take it from callers you trust: whoever may set the header may add to the
    sessions of your key.

    Args:
        headers: The headers, as a mapping or as pairs (also of bytes, as ASGI has them); upper and
            lower case are the same.
        client: The client of the events. Default: that of the current session, else the default
            client.
    """
    pairs = headers.items() if hasattr(headers, "items") else headers
    for name, value in pairs:
        if _text(name).lower() == HEADER.lower():
            session_id = unquote(_text(value).strip())
            if session_id and len(session_id) <= _LONGEST_ID and session_id.isprintable():
                return RemoteSession(session_id, client)
    return RemoteSession(None, client)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


class RemoteSession:
    """The session of a caller, current inside of ``with``; made by `extract_headers`.

    Attributes:
        session_id: The id; None if the request names none.
    """

    def __init__(self, session_id: str | None, client: _core.SentrialClient | None = None) -> None:
        self.session_id = session_id
        self._client = client
        self._outside: Carried | None = None

    def __enter__(self) -> Self:
        if self.session_id is not None:
            self._outside = Carried()
            client = self._client or _core.context_client() or _get_client()
            _core.attach(self.session_id, client)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if self._outside is not None:
            self._outside.restore()
            self._outside = None
