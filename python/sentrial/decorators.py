"""`@tool`: functions of an agent as tool calls of the current session."""

from __future__ import annotations

import functools
import inspect
import time
import traceback
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from sentrial import _core
from sentrial.client import _get_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentrial._core import CurrentSession, SentrialClient

__all__ = ["get_current_client", "get_current_session_id", "tool"]

P = ParamSpec("P")
R = TypeVar("R")

_LONGEST_TEXT = 1000


def get_current_client() -> SentrialClient:
    """Return the client of the current session, else the default client."""
    return _core.context_client() or _get_client()


def get_current_session_id() -> str | None:
    """Return the id of the current session, waiting for it; None outside of one."""
    return _core.get_session_context()


@overload
def tool(name_or_func: Callable[P, R]) -> Callable[P, R]: ...
@overload
def tool(
    name_or_func: str | None = None, *, name: str | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def tool(
    name_or_func: str | Callable[P, R] | None = None, *, name: str | None = None
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Record each call of a function as a tool call of the current session.

    Usable as ``@tool``, ``@tool("name")`` and ``@tool(name="name")``, on functions and coroutine
    functions. Outside of a session the function runs untouched. An exception is recorded and raised
    again as it is.

    Args:
        name_or_func: The function, or the name of the tool.
        name: The name of the tool; default: the function's.
    """
    if name_or_func is None or isinstance(name_or_func, str):
        given = name or name_or_func
        return lambda function: _wrap(function, given)
    return _wrap(name_or_func, name)


def _wrap(function: Callable[P, R], name: str | None) -> Callable[P, R]:
    tool_name = name or _own_name(function)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            session = _core.current_session(_get_client)
            if session is None:
                return await function(*args, **kwargs)
            call = _Call(session, tool_name, function, args, kwargs)
            try:
                result = await function(*args, **kwargs)
            except Exception as error:
                await _off_the_loop(session, call.failed, error)
                raise
            await _off_the_loop(session, call.succeeded, result)
            return result

        return cast("Callable[P, R]", run_async)

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        session = _core.current_session(_get_client)
        if session is None:
            return function(*args, **kwargs)
        call = _Call(session, tool_name, function, args, kwargs)
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            call.failed(error)
            raise
        call.succeeded(result)
        return result

    return run


def _own_name(function: Callable[..., object]) -> str:
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


async def _off_the_loop(
    session: CurrentSession, record: Callable[[Any], None], outcome: object
) -> None:
    """Record at once in background delivery; in a worker thread where recording waits."""
    if _core.is_immediate(session.client):
        import asyncio

        await asyncio.to_thread(record, outcome)
    else:
        record(outcome)


class _Call:
    """One call of a tool: it belongs to the session that was current when it began."""

    __slots__ = ("arguments", "name", "session", "started")

    def __init__(
        self,
        session: CurrentSession,
        name: str,
        function: Callable[..., object],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> None:
        self.session = session
        self.name = name
        self.arguments = _arguments(function, args, kwargs)
        self.started = time.perf_counter()

    def _metadata(self) -> dict[str, object]:
        return {"duration_ms": int((time.perf_counter() - self.started) * 1000)}

    def succeeded(self, result: object) -> None:
        metadata = self._metadata()
        output = _plain(result)
        if not isinstance(output, dict):
            output = {"result": output}
        self.session.track_tool_call(self.name, self.arguments, output, metadata=metadata)

    def failed(self, error: Exception) -> None:
        metadata = self._metadata()
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.session.track_error(
            _text(error), type(error).__name__, self.name, trace, metadata=metadata
        )


def _arguments(
    function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
) -> dict[str, Any]:
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
    except (TypeError, ValueError):
        return {"args": _plain(args), "kwargs": _plain(kwargs)}
    return {name: _plain(value) for name, value in bound.arguments.items()}


def _plain(value: object, depth: int = 0) -> Any:
    """Return a snapshot of plain values; other objects as text, cut."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if depth > 32:  # noqa: PLR2004  deep enough for any argument; cycles end here
        return "<max depth>"
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in list(value)]
    if isinstance(value, dict):
        return {_text(key): _plain(item, depth + 1) for key, item in list(value.items())}
    return _text(value)[:_LONGEST_TEXT]


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  a broken __str__ of the program must not break the program
        return f"<{type(value).__name__}>"
