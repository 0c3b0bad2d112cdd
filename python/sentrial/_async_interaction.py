"""`AsyncInteraction` and what `AsyncSentrialClient.begin` returns."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from sentrial import _core, _loop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from typing_extensions import Self

    from sentrial._core import Interaction
    from sentrial.async_client import AsyncSentrialClient

__all__ = ["AsyncInteraction", "Beginning"]


class AsyncInteraction:
    """One piece of work of an agent; see `Interaction`. Made by `AsyncSentrialClient.begin`.

    Attributes:
        client: The client it was begun on.
        event_id: The id of the event: given, or a new UUID.
        user_id: The end user.
        event: What happens.
        user_input: What the user asked. Default None.
        total_prompt_tokens: The prompt tokens given to `add_tokens` so far.
        total_completion_tokens: The completion tokens given to `add_tokens` so far.
        total_tokens: The sum of both.
        total_cost: The costs given to `add_tokens` so far, in USD.
    """

    def __init__(
        self,
        client: AsyncSentrialClient,
        session_id: str | None,
        event_id: str,
        user_id: str,
        event: str,
        user_input: str | None = None,
    ) -> None:
        made = _core.Interaction(client._client, session_id, event_id, user_id, event)  # noqa: SLF001
        self._adopt(client, made, user_input)

    @classmethod
    def _of(
        cls, client: AsyncSentrialClient, interaction: Interaction, user_input: str | None
    ) -> Self:
        self = cls.__new__(cls)
        self._adopt(client, interaction, user_input)
        return self

    def _adopt(
        self, client: AsyncSentrialClient, interaction: Interaction, user_input: str | None
    ) -> None:
        self.client = client
        self.event_id = interaction.event_id
        self.user_id = interaction.user_id
        self.event = interaction.event
        self.user_input = user_input
        self.total_prompt_tokens = 0
        self.total_completion_tokens = 0
        self.total_tokens = 0
        self.total_cost = 0.0
        self._failure: str | None = None
        self._interaction = interaction

    @property
    def session_id(self) -> str | None:
        """The session's id; None if there is none.

        If it is not known yet this waits at most ``wait_timeout`` seconds, and the event loop with
        it; `get_session_id` does not block the loop.
        """
        return self._interaction.session_id

    async def get_session_id(self) -> str | None:
        """Return the session's id, waiting for it at most ``wait_timeout`` seconds.

        Raises:
            SentrialError: The session was refused, if the client is loud and delivers immediately.
        """
        session_id: str | None = await _loop.result(_core.start_naming(self._interaction))
        return session_id

    def add_tokens(
        self, prompt_tokens: int = 0, completion_tokens: int = 0, cost: float = 0.0
    ) -> None:
        """Add to the sums that `finish` reports when it is given no others.

        Args:
            prompt_tokens: Tokens that went in. Default 0.
            completion_tokens: Tokens that came out. Default 0.
            cost: USD. Default 0.0.
        """
        self.total_prompt_tokens += prompt_tokens
        self.total_completion_tokens += completion_tokens
        self.total_tokens += prompt_tokens + completion_tokens
        self.total_cost += cost

    def set_output(self, output: str) -> None:
        """Remember the answer for `finish`."""
        self._interaction.set_output(output)

    async def track_tool_call(
        self,
        tool_name: str,
        tool_input: Any,
        tool_output: Any,
        reasoning: str | None = None,
        estimated_cost: float = 0.0,
        tool_error: dict[str, Any] | str | BaseException | None = None,
        token_count: int | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        duration_ms: float | None = None,
        status: str | None = None,
    ) -> dict[str, Any]:
        """Record a call of a tool; see `Interaction.track_tool_call`."""
        return await self._run(
            self._interaction.track_tool_call,
            tool_name,
            tool_input,
            tool_output,
            reasoning,
            estimated_cost,
            tool_error,
            token_count,
            metadata,
            duration_ms=duration_ms,
            status=status,
        )

    async def track_decision(
        self,
        reasoning: str,
        alternatives: list[str] | None = None,
        confidence: float | None = None,
        estimated_cost: float = 0.0,
        token_count: int | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        chosen: Any = None,
    ) -> dict[str, Any]:
        """Record a decision; see `Interaction.track_decision`."""
        return await self._run(
            self._interaction.track_decision,
            reasoning,
            alternatives,
            confidence,
            estimated_cost,
            token_count,
            metadata,
            chosen=chosen,
        )

    async def track_error(
        self,
        error_message: str,
        error_type: str | None = None,
        tool_name: str | None = None,
        stack_trace: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Record an error; see `Interaction.track_error`."""
        self._failure = error_message
        return await self._run(
            self._interaction.track_error,
            error_message,
            error_type,
            tool_name,
            stack_trace,
            metadata,
        )

    async def finish(
        self,
        output: str | None = None,
        success: bool = True,
        failure_reason: str | None = None,
        estimated_cost: float | None = None,
        custom_metrics: dict[str, float] | None = None,
        duration_ms: int | None = None,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        total_tokens: int | None = None,
    ) -> dict[str, Any]:
        """Complete the interaction; see `Interaction.finish`."""
        return await self._run(
            self._interaction.finish,
            output,
            success,
            failure_reason,
            _first(estimated_cost, self.total_cost),
            custom_metrics,
            duration_ms,
            _first(prompt_tokens, self.total_prompt_tokens),
            _first(completion_tokens, self.total_completion_tokens),
            _first(total_tokens, self.total_tokens),
        )

    async def __aenter__(self) -> Self:
        # It may have begun in another task, for example in that of `asyncio.wait_for`.
        _core.make_current(self._interaction)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        if exc_type is None:
            await self.finish(success=self._failure is None, failure_reason=self._failure)
            return False
        try:
            reason = f"{exc_type.__name__}: {_text(exc_val)}"
            await self.finish(success=False, failure_reason=reason)
        except Exception as error:  # noqa: BLE001  the program's own exception matters more
            from sentrial import _log

            _log.emit([(30, f"the completion of a session was not delivered: {error}")])
        return False

    def __repr__(self) -> str:
        return f"<Async{repr(self._interaction).removeprefix('<')}"

    async def _run(
        self, call: Callable[..., dict[str, Any]], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        return await self.client._run(call, *args, **kwargs)  # noqa: SLF001


class Beginning(Coroutine[Any, Any, AsyncInteraction]):
    """An interaction that begins when it is awaited, or entered with ``async with``."""

    def __init__(self, start: Coroutine[Any, Any, AsyncInteraction]) -> None:
        self._start = start
        self._interaction: AsyncInteraction | None = None

    def __await__(self) -> Generator[Any, None, AsyncInteraction]:
        return self._start.__await__()

    async def __aenter__(self) -> AsyncInteraction:
        self._interaction = await self._start
        return self._interaction

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        if self._interaction is None:
            return False
        return await self._interaction.__aexit__(exc_type, exc_val, exc_tb)

    # A coroutine, so that `asyncio.create_task` takes it.

    def send(self, value: Any, /) -> Any:
        """See `collections.abc.Coroutine`."""
        return self._start.send(value)

    def throw(self, typ: Any, val: Any = None, tb: Any = None, /) -> Any:
        """See `collections.abc.Coroutine`."""
        error = typ if val is None else val
        return self._start.throw(error if tb is None else error.with_traceback(tb))

    def close(self) -> None:
        """See `collections.abc.Coroutine`."""
        self._start.close()


def _first(given: Any, summed: float) -> Any:
    return given if given is not None else summed or None


def _text(value: object) -> str:
    return _core.described(value)


AsyncInteraction.__module__ = "sentrial.async_client"
