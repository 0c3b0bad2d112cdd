"""The callback handler for code with asyncio: the sync one behind coroutines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sentrial import _core
from sentrial.integrations import versions
from sentrial.integrations.base import documented_in
from sentrial.integrations.langchain import SentrialCallbackHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentrial._core import Interaction, SentrialClient
    from sentrial.async_client import AsyncSentrialClient

__all__ = ["AsyncSentrialCallbackHandler"]

AsyncCallbackHandler = versions.attribute(
    "langchain_core.callbacks", "AsyncCallbackHandler"
) or versions.attribute("langchain.callbacks.base", "AsyncCallbackHandler")  # langchain 0.0


@documented_in("sentrial.langchain")
class AsyncSentrialCallbackHandler(AsyncCallbackHandler or object):  # type: ignore[misc]
    """`SentrialCallbackHandler` for `ainvoke` and `astream`: it is called in the task itself.

    So what a wrapped client inside a model call records is recognised, and no thread is needed.
    Everything but `finish`, which is awaited here, is that of `SentrialCallbackHandler`.
    """

    # Awaited in the task of the run, one after the other: a gathered callback would be a task of
    # its own, whose context variables the model call does not see.
    run_inline = True

    def __init__(
        self,
        client: SentrialClient | AsyncSentrialClient,
        session_id: str | Interaction | None,
        track_llm_calls: bool = True,
        verbose: bool = False,
    ) -> None:
        if AsyncCallbackHandler is None:
            raise versions.missing("langchain", "AsyncSentrialCallbackHandler")
        self.handler = SentrialCallbackHandler(client, session_id, track_llm_calls, verbose)

    def __getattr__(self, name: str) -> Any:
        if name == "handler":  # not there yet: copying asks before __init__
            raise AttributeError(name)
        return getattr(self.handler, name)

    async def on_llm_start(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        self.handler.on_llm_start(*args, **kwargs)

    async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        self.handler.on_chat_model_start(*args, **kwargs)

    async def on_llm_new_token(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        self.handler.on_llm_new_token(*args, **kwargs)

    async def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        await self._run(self.handler.on_llm_end, *args, **kwargs)

    async def on_llm_error(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        await self._run(self.handler.on_llm_error, *args, **kwargs)

    async def on_agent_action(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        self.handler.on_agent_action(*args, **kwargs)

    async def on_agent_finish(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        await self._run(self.handler.on_agent_finish, *args, **kwargs)

    async def on_tool_start(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        self.handler.on_tool_start(*args, **kwargs)

    async def on_tool_end(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        await self._run(self.handler.on_tool_end, *args, **kwargs)

    async def on_tool_error(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        await self._run(self.handler.on_tool_error, *args, **kwargs)

    async def on_retriever_start(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        self.handler.on_retriever_start(*args, **kwargs)

    async def on_retriever_end(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        await self._run(self.handler.on_retriever_end, *args, **kwargs)

    async def on_retriever_error(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        await self._run(self.handler.on_retriever_error, *args, **kwargs)

    async def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        self.handler.on_chain_start(*args, **kwargs)

    async def on_chain_end(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        self.handler.on_chain_end(*args, **kwargs)

    async def on_chain_error(self, *args: Any, **kwargs: Any) -> None:
        """See `SentrialCallbackHandler`."""
        await self._run(self.handler.on_chain_error, *args, **kwargs)

    async def finish(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Complete the session; see `SentrialCallbackHandler.finish`."""
        done: dict[str, Any] = await self._run(self.handler.finish, *args, **kwargs)
        return done

    async def _run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call at once in background delivery; in a worker thread where the call waits."""
        if _core.is_immediate(self.handler._client):  # noqa: SLF001  its own
            return await asyncio.to_thread(call, *args, **kwargs)
        return call(*args, **kwargs)
