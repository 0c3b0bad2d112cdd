"""`@session`: a function of an agent, each call of which is a session."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from sentrial._carried import Carried
from sentrial.decorators import _entry_points
from sentrial.decorators._arguments import Arguments
from sentrial.decorators._generators import async_watched, watched
from sentrial.decorators._kinds import Wrappers, name_of
from sentrial.decorators._run import Run, current_client
from sentrial.decorators._snapshot import text

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

_LONGEST_INPUT = 500
_NOBODY = "anonymous"


@overload
def session(name_or_func: Callable[P, R]) -> Callable[P, R]: ...
@overload
def session(
    name_or_func: str | None = None,
    *,
    agent_name: str | None = None,
    user_id_param: str = "user_id",
    input_param: str = "input",
    message_param: str = "message",
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def session(
    name_or_func: str | Callable[P, R] | None = None,
    *,
    agent_name: str | None = None,
    user_id_param: str = "user_id",
    input_param: str = "input",
    message_param: str = "message",
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Make each call of a function a session.

    Usable as ``@session``, ``@session("agent")`` and ``@session(agent_name="agent")``, on
    functions, methods, coroutine functions, generators and async generators. Inside the function
    the session is current: tools and wrapped clients attach to it, and a session begun there
    becomes its child. What the function returns is its output; what it raises, also a
    cancellation, fails it and is raised again as it is. If no session can be created the function
    runs all the same.

    Args:
        name_or_func: The function, or the name of the agent.
        agent_name: The name of the agent. Default: the function's.
        user_id_param: The parameter that names the end user; ``"anonymous"`` without one.
        input_param: The parameter that holds what the user asked.
        message_param: The same; after these two, ``query``, ``prompt`` and ``text`` are tried. The
            first that is a text, or a list with something in it, counts.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        given = agent_name or (name_or_func if isinstance(name_or_func, str) else None)
        inputs = (input_param, message_param, "query", "prompt", "text")
        return _decorated(function, given, user_id_param, inputs)

    if name_or_func is None or isinstance(name_or_func, str):
        return decorate
    return decorate(name_or_func)


def _decorated(
    function: Callable[P, R], given: str | None, user_id_param: str, inputs: tuple[str, ...]
) -> Callable[P, R]:
    def wrapping(wrap: Callable[..., Any]) -> Callable[..., Any]:
        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            made: Callable[..., Any] = wrap(
                function, _Agent(function, given, user_id_param, inputs)
            )
            _entry_points.add(made)
            return made

        return decorate

    kinds = (_function, _coroutine, _generator, _async_generator)
    return Wrappers(*map(wrapping, kinds)).wrap(function)


class _Agent:
    """A decorated function: what all its sessions have in common."""

    __slots__ = ("_arguments", "_inputs", "_user_id_param", "name")

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None,
        user_id_param: str,
        inputs: tuple[str, ...],
    ) -> None:
        self.name = name or name_of(function)
        self._arguments = Arguments(function)
        self._user_id_param = user_id_param
        self._inputs = inputs

    def described(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[str, str, str | None]:
        """Return the end user, the agent and the input of a call."""
        try:
            user, given = self._read(args, kwargs)
        except Exception:  # noqa: BLE001  arguments that cannot be looked at
            user, given = _NOBODY, None
        return user, self.name, given

    def _read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, str | None]:
        bound = self._arguments.bind(args, kwargs)
        if bound is None:
            # The call will fail; what was given by name is known all the same.
            bound = kwargs
        user = text(bound[self._user_id_param]) if self._user_id_param in bound else _NOBODY
        return user, self._input(bound)

    def _input(self, bound: dict[str, Any]) -> str | None:
        for name in self._inputs:
            value = bound.get(name)
            if issubclass(type(value), str):
                return cast("str", value)
            if issubclass(type(value), list) and value:
                return text(value)[:_LONGEST_INPUT]
        return None

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
        """Begin a session."""
        run = Run(current_client())
        run.begin(*self.described(args, kwargs))
        return run

    async def begin_off_the_loop(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
        """Begin a session from a coroutine."""
        run = Run(current_client())
        await run.begin_off_the_loop(*self.described(args, kwargs))
        return run


def _function(function: Callable[..., Any], agent: _Agent) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        session = agent.begin(args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            session.failed(error)
            raise
        session.succeeded(result)
        return result

    return run


def _coroutine(function: Callable[..., Any], agent: _Agent) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        session = await agent.begin_off_the_loop(args, kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            await session.off_the_loop(session.failed, error)
            raise
        await session.off_the_loop(session.succeeded, result)
        return result

    return run


def _generator(function: Callable[..., Any], agent: _Agent) -> Callable[..., Any]:
    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
        with Carried():
            run = agent.begin(args, kwargs)
            run.lift()
        return run

    return watched(function, begin)


def _async_generator(function: Callable[..., Any], agent: _Agent) -> Callable[..., Any]:
    async def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
        with Carried():
            run = await agent.begin_off_the_loop(args, kwargs)
            run.lift()
        return run

    return async_watched(function, begin)
