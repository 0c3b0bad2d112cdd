"""Claude Agent SDK: each run of an agent as a session, its tool uses as tool calls.

Messages are taken as the SDK yields them, objects or dicts, and passed on unchanged. What is
recorded runs beside them, in order, so that nothing waits for the server but the end of a run.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from sentrial import _patching
from sentrial.integrations import versions
from sentrial.integrations.base import documented_in
from sentrial.integrations.claude_session import RunningTotal, Settings, Turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from typing_extensions import Self

    from sentrial._core import SentrialClient
    from sentrial.async_client import AsyncSentrialClient

    QueryFunction = Callable[..., AsyncIterator[Any]]

__all__ = ["TrackedClaudeClient", "wrap_claude_agent", "wrap_claude_client"]

_NAMES = ("prompt", "options")


@documented_in("sentrial.claude_code")
def wrap_claude_agent(
    query_fn: QueryFunction,
    *,
    client: SentrialClient | AsyncSentrialClient,
    default_agent: str = "claude-agent",
    user_id: str = "anonymous",
    convo_id: str | None = None,
    extra_metadata: dict[str, Any] | None = None,
) -> QueryFunction:
    """Record every run of `claude_agent_sdk.query` as a session.

    Args:
        query_fn: `query`, or a function like it.
        client: The client, sync or async.
        default_agent: The name of the agent. Default ``"claude-agent"``.
        user_id: The end user. Default ``"anonymous"``.
        convo_id: The conversation that the sessions belong to.
        extra_metadata: Metadata of the sessions, beside what the SDK says of itself.

    Returns:
        A function that takes what `query_fn` takes (also positionally) and yields the same
        messages. Wrapping it again replaces the settings.
    """
    versions.check("claude-agent-sdk")
    settings = Settings(client, default_agent, user_id, convo_id, extra_metadata)
    original = _patching.unwrapped(query_fn)

    def query(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        kwargs.update(zip(_NAMES, args, strict=False))
        return _tracked(original(**kwargs), Turn(settings, kwargs.get("prompt")))

    _patching.mark(query, original)
    return query


@documented_in("sentrial.claude_code")
def wrap_claude_client(
    client: Any,
    *,
    sentrial_client: SentrialClient | AsyncSentrialClient,
    default_agent: str = "claude-agent",
    user_id: str = "anonymous",
    convo_id: str | None = None,
    extra_metadata: dict[str, Any] | None = None,
) -> TrackedClaudeClient:
    """Record every turn of a `ClaudeSDKClient` as a session.

    Args:
        client: The `ClaudeSDKClient`.
        sentrial_client: The client of Sentrial, sync or async.
        default_agent: The name of the agent. Default ``"claude-agent"``.
        user_id: The end user. Default ``"anonymous"``.
        convo_id: The conversation that the sessions belong to.
        extra_metadata: Metadata of the sessions, beside what the SDK says of itself.

    Returns:
        What is used in the place of `client`; it has everything that `client` has.
    """
    return TrackedClaudeClient(
        client,
        sentrial_client=sentrial_client,
        default_agent=default_agent,
        user_id=user_id,
        convo_id=convo_id,
        extra_metadata=extra_metadata,
    )


@documented_in("sentrial.claude_code")
class TrackedClaudeClient:
    """A `ClaudeSDKClient` whose turns are recorded; made by `wrap_claude_client`.

    Whatever is not defined here is that of the wrapped client.
    """

    def __init__(
        self,
        client: Any,
        *,
        sentrial_client: SentrialClient | AsyncSentrialClient,
        default_agent: str,
        user_id: str,
        convo_id: str | None,
        extra_metadata: dict[str, Any] | None,
    ) -> None:
        versions.check("claude-agent-sdk")
        # Wrapping again replaces the settings.
        self._client: Any = vars(client).get("_client") if _is_tracked(client) else client
        self._settings = Settings(sentrial_client, default_agent, user_id, convo_id, extra_metadata)
        self._turns = 0
        self._total = RunningTotal()
        self._prompt: Any = None

    def __getattr__(self, name: str) -> Any:
        if name == "_client":  # not there yet: copying and unpickling ask before __init__
            raise AttributeError(name)
        return getattr(self._client, name)

    async def __aenter__(self) -> Self:
        await self._client.connect()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self._client.disconnect()

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        """Connect the client; a prompt begins the first turn."""
        if args or kwargs.get("prompt") is not None:
            self._begin_turn(args[0] if args else kwargs["prompt"])
        return await self._client.connect(*args, **kwargs)

    async def disconnect(self) -> Any:
        """Disconnect the client."""
        return await self._client.disconnect()

    async def query(self, prompt: Any = None, **kwargs: Any) -> Any:
        """Begin a turn."""
        self._begin_turn(prompt)
        return await self._client.query(prompt, **kwargs)

    def receive_response(self) -> AsyncIterator[Any]:
        """Yield the messages of the current turn, recording them."""
        return _tracked(self._client.receive_response(), self._turn())

    def receive_messages(self) -> AsyncIterator[Any]:
        """Yield the messages of all turns, recording each as a session."""
        return _tracked(self._client.receive_messages(), self._turn(), self._turn)

    async def interrupt(self) -> Any:
        """Interrupt the current turn."""
        return await self._client.interrupt()

    async def set_permission_mode(self, *args: Any, **kwargs: Any) -> Any:
        """Change the permission mode."""
        return await self._client.set_permission_mode(*args, **kwargs)

    async def set_model(self, *args: Any, **kwargs: Any) -> Any:
        """Change the model."""
        return await self._client.set_model(*args, **kwargs)

    async def rewind_files(self, *args: Any, **kwargs: Any) -> Any:
        """Rewind files."""
        return await self._client.rewind_files(*args, **kwargs)

    async def get_mcp_status(self) -> Any:
        """Return the status of the MCP servers."""
        return await self._client.get_mcp_status()

    async def get_server_info(self) -> Any:
        """Return what the server says of itself."""
        return await self._client.get_server_info()

    def _begin_turn(self, prompt: Any) -> None:
        self._turns += 1
        self._prompt = prompt

    def _turn(self) -> Turn:
        more = {"client_mode": "ClaudeSDKClient", "turn": self._turns}
        return Turn(self._settings, self._prompt, more, self._total)


def _is_tracked(client: object) -> bool:
    return isinstance(client, TrackedClaudeClient)


async def _tracked(
    stream: Any, turn: Turn, following: Callable[[], Turn] | None = None
) -> AsyncIterator[Any]:
    """Yield what a stream yields; `following` makes the turn after one that has its result."""
    failure: BaseException | None = None
    try:
        if inspect.isawaitable(stream):
            stream = await stream
        async for message in stream:
            if turn.is_over and following is not None:
                turn = following()
            turn.observe(message)
            if turn.is_over:
                # The caller may be gone after the last message.
                await turn.settled()
            yield message
    except BaseException as error:
        failure = error
        raise
    finally:
        turn.end(failure)
        try:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()
        finally:
            await turn.settled()
