"""`@tool`: functions of an agent as tool calls of the current session."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from time import perf_counter
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from sentrial import _core
from sentrial._off_loop import off_the_loop
from sentrial.client import _get_client
from sentrial.decorators._arguments import Arguments
from sentrial.decorators._generators import async_watched, watched
from sentrial.decorators._kinds import Wrappers, name_of
from sentrial.decorators._snapshot import PLAIN, snapshot, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

P = ParamSpec("P")
R = TypeVar("R")

#: Asked before anything else: outside of a session a tool must cost next to nothing.
_head = _core.context_variables()[0].get

_AS_IT_IS = nullcontext()
_MOST_ITEMS = 1000


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

    Usable as ``@tool``, ``@tool("name")`` and ``@tool(name="name")``, on functions, methods,
    coroutine functions, generators and async generators; the last two are recorded once, when they
    are exhausted, closed, or fail. Outside of a session the function runs untouched. Whatever the
    function raises is recorded and raised again as it is.

    Args:
        name_or_func: The function, or the name of the tool.
        name: The name of the tool. Default: the function's.
    """
    if name_or_func is None or isinstance(name_or_func, str):
        given = name or name_or_func
        return lambda function: _wrap(function, given)
    return _wrap(name_or_func, name)


def _wrap(function: Callable[P, R], name: str | None) -> Callable[P, R]:
    kinds = (_function, _coroutine, _generator, _async_generator)
    return Wrappers(*(functools.partial(wrap, name=name) for wrap in kinds)).wrap(function)


class _Tool:
    """A decorated function: what all its calls have in common."""

    __slots__ = ("arguments", "name")

    def __init__(self, function: Callable[..., Any], name: str | None) -> None:
        self.name = name or name_of(function)
        self.arguments = Arguments(function)

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call | None:
        """Begin to record a call; None if no session is active."""
        session = _core.current_session(_get_client)
        if session is None:
            return None
        return _Call(session, self.name, self.arguments.recorded(args, kwargs))

    def stream(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Stream | None:
        """Begin to record a call of a generator; None if no session is active."""
        session = None if _head() is None else _core.current_session(_get_client)
        if session is None:
            return None
        return _Stream(session, self.name, self.arguments.recorded(args, kwargs))


class _Call:
    """One call of a tool: it belongs to the session that was current when it began."""

    __slots__ = ("arguments", "name", "session", "started")

    def __init__(self, session: _core.CurrentSession, name: str, arguments: dict[str, Any]) -> None:
        self.session = session
        self.name = name
        self.arguments = arguments
        self.started = perf_counter()

    def succeeded(self, result: object) -> None:
        """Record the call with its result."""
        metadata = self.metadata()
        output = result if type(result) in PLAIN else snapshot(result)
        if type(output) is not dict:
            output = {"result": output}
        self.session.track_tool_call(self.name, self.arguments, output, metadata=metadata)

    def failed(self, error: BaseException) -> None:
        """Record the call with its error."""
        metadata = self.metadata()
        self.session.track_error(
            text(error),
            type(error).__name__,
            self.name,
            _trace(error),
            tool_input=self.arguments,
            metadata=metadata,
        )

    async def off_the_loop(self, call: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Record from a coroutine."""
        await off_the_loop(self.session.client, call, *args, **kwargs)

    def metadata(self) -> dict[str, Any]:
        """Say how long it took."""
        return {"duration_ms": int((perf_counter() - self.started) * 1000)}


class _Stream(_Call):
    """One call of a generator."""

    __slots__ = ("items", "seen")

    def __init__(self, session: _core.CurrentSession, name: str, arguments: dict[str, Any]) -> None:
        super().__init__(session, name, arguments)
        self.items: list[Any] = []
        self.seen = 0

    def inside(self) -> AbstractContextManager[None]:
        """Leave the context as it is: a tool has none of its own."""
        return _AS_IT_IS

    def yielded(self, item: object) -> None:
        """Note an item."""
        self.seen += 1
        if self.seen <= _MOST_ITEMS:
            self.items.append(snapshot(item))

    def ended(self, returned: object, *, partial: bool) -> None:
        """Record the call with what it has yielded."""
        output: dict[str, Any] = {"result": self.items}
        if returned is not None:
            output["returned"] = snapshot(returned)
        metadata = self.metadata() | ({"partial": True} if partial else {})
        self.session.track_tool_call(self.name, self.arguments, output, metadata=metadata)

    def metadata(self) -> dict[str, Any]:
        """Say how long it took and how many items came."""
        return super().metadata() | {"items": self.seen}


def _trace(error: BaseException) -> str:
    import traceback

    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:  # noqa: BLE001  an exception that cannot be shown
        return "".join(traceback.format_tb(error.__traceback__))


def _function(function: Callable[..., Any], name: str | None) -> Callable[..., Any]:
    tool = _Tool(function, name)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if _head() is None or (call := tool.call(args, kwargs)) is None:
            return function(*args, **kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            call.failed(error)
            raise
        call.succeeded(result)
        return result

    return run


def _coroutine(function: Callable[..., Any], name: str | None) -> Callable[..., Any]:
    tool = _Tool(function, name)

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        if _head() is None or (call := tool.call(args, kwargs)) is None:
            return await function(*args, **kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            await call.off_the_loop(call.failed, error)
            raise
        await call.off_the_loop(call.succeeded, result)
        return result

    return run


def _generator(function: Callable[..., Any], name: str | None) -> Callable[..., Any]:
    tool = _Tool(function, name)
    return watched(function, tool.stream)


def _async_generator(function: Callable[..., Any], name: str | None) -> Callable[..., Any]:
    tool = _Tool(function, name)

    async def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Stream | None:
        return tool.stream(args, kwargs)

    return async_watched(function, begin)
