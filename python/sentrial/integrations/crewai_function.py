"""`@track_crew`: each call of a function that runs a crew as a session."""

from __future__ import annotations

import functools
import inspect
import json
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from sentrial.integrations.base import client_of, cut, documented_in, quietly
from sentrial.integrations.crewai import SentrialCrewHandler, output_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from sentrial._core import SentrialClient
    from sentrial.async_client import AsyncSentrialClient

__all__ = ["track_crew"]

P = ParamSpec("P")
T = TypeVar("T")

_OUTPUT = 500


@documented_in("sentrial.crewai")
def track_crew(
    client: SentrialClient | AsyncSentrialClient,
    agent_name: str = "crewai",
    user_id: str | None = None,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Record each call of a function that runs a crew as a session.

    Usable on functions and coroutine functions. The session has the arguments as its input and the
    result as its output; an exception makes it a failed one, and is raised again as it is.

    Args:
        client: The client.
        agent_name: The name of the agent. Default ``"crewai"``.
        user_id: The end user. Default ``"anonymous"``.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        name = f"{agent_name}: {getattr(function, '__name__', type(function).__name__)}"

        def begin(*args: Any, **kwargs: Any) -> _TrackedCall:
            return _TrackedCall(client, name, agent_name, user_id, args, kwargs)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                import asyncio

                # The session's id is waited for.
                call = await asyncio.to_thread(begin, *args, **kwargs)
                with call:
                    call.result = await function(*args, **kwargs)
                    return call.result

            return cast("Callable[P, T]", run_async)

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            with begin(*args, **kwargs) as call:
                call.result = function(*args, **kwargs)
                return cast("T", call.result)

        return run

    return decorate


class _TrackedCall:
    """One call of a function under `track_crew`."""

    def __init__(
        self,
        client: SentrialClient | AsyncSentrialClient,
        name: str,
        agent_name: str,
        user_id: str | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.result: Any = None
        session_id = client_of(client).create_session(name, agent_name, user_id)
        self._handler = SentrialCrewHandler(client, session_id)
        self._started(args, kwargs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._ended(error)

    def _started(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        handler = self._handler
        handler.run_begins(None)
        handler.user_input = json.dumps(
            {"args": cut(args, _OUTPUT), "kwargs": cut(kwargs, _OUTPUT)}
        )[:_OUTPUT]

    @quietly
    def _ended(self, error: BaseException | None) -> None:
        if error is not None:
            self._handler.finish(False, cut(error, _OUTPUT))
            return
        self._handler.finish(output=output_of(self.result))
