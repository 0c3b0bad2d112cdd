"""The client for asyncio: the sync client, whose calls do not wait, behind coroutines.

What does wait (creating a session, a flush, any call in immediate delivery) runs in a worker thread
of the event loop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sentrial import _core
from sentrial._core import SentrialClient
from sentrial.client import (
    BACKOFF_MULTIPLIER,
    INITIAL_BACKOFF_SECONDS,
    MAX_BACKOFF_SECONDS,
    MAX_RETRIES,
    RETRYABLE_STATUS_CODES,
)
from sentrial.types import EventType

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from typing_extensions import Self

    from sentrial._core import Interaction

__all__ = [
    "BACKOFF_MULTIPLIER",
    "HTTPX_AVAILABLE",
    "INITIAL_BACKOFF_SECONDS",
    "MAX_BACKOFF_SECONDS",
    "MAX_RETRIES",
    "RETRYABLE_STATUS_CODES",
    "AsyncInteraction",
    "AsyncSentrialClient",
    "EventType",
    "begin_async",
    "configure_async",
]

HTTPX_AVAILABLE = True
"""Always True: this client needs no HTTP library."""


class AsyncSentrialClient:
    """Sends what an agent does to the Sentrial API, from coroutines.

    The arguments are those of `SentrialClient`. Without any, the key and the address come from the
    environment.
    """

    def __init__(
        self,
        api_url: str | None = None,
        api_key: str | None = None,
        fail_silently: bool = True,
        **options: Any,
    ) -> None:
        self._client = SentrialClient(api_url, api_key, fail_silently, **options)

    @property
    def api_url(self) -> str:
        """The API's address; see `SentrialClient.api_url`."""
        return self._client.api_url

    @property
    def api_key(self) -> str | None:
        """The API key; see `SentrialClient.api_key`."""
        return self._client.api_key

    @api_key.setter
    def api_key(self, key: str | None) -> None:
        self._client.api_key = key

    @property
    def fail_silently(self) -> bool:
        """Whether failures are kept from the program. Default True."""
        return self._client.fail_silently

    @property
    def current_state(self) -> dict[str, Any]:
        """The state of the session that is current in this context; a live dict."""
        return self._client.current_state

    @current_state.setter
    def current_state(self, state: dict[str, Any]) -> None:
        self._client.current_state = state

    def update_state(self, key: str, value: Any) -> None:
        """Set one entry of the current session's state; see `SentrialClient.update_state`."""
        self._client.update_state(key, value)

    def stats(self) -> dict[str, Any]:
        """Return the counters of this client; see `SentrialClient.stats`."""
        return self._client.stats()

    @property
    def pii(self) -> Any:
        """The PII settings; see `SentrialClient.pii`."""
        return self._client.pii

    def redact(self, value: Any, kind: str = "event") -> Any:
        """Return what would leave the process; see `SentrialClient.redact`."""
        return self._client.redact(value, kind)

    def redaction_report(self) -> dict[str, Any]:
        """Return what has been redacted; see `SentrialClient.redaction_report`."""
        return self._client.redaction_report()

    calculate_openai_cost = staticmethod(SentrialClient.calculate_openai_cost)
    calculate_anthropic_cost = staticmethod(SentrialClient.calculate_anthropic_cost)
    calculate_google_cost = staticmethod(SentrialClient.calculate_google_cost)

    async def create_session(
        self,
        name: str,
        agent_name: str | None = None,
        user_id: str | None = None,
        parent_session_id: str | None = None,
        convo_id: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> str | None:
        """Create a session; see `SentrialClient.create_session`."""
        session_id = await asyncio.to_thread(
            self._client.create_session,
            name,
            agent_name,
            user_id,
            parent_session_id,
            convo_id,
            metadata,
        )
        if session_id is not None:
            _core.enter_state(self._client, session_id)
        return session_id

    async def track_tool_call(
        self,
        session_id: str,
        tool_name: str,
        tool_input: Any,
        tool_output: Any,
        *args: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Record a call of a tool; see `SentrialClient.track_tool_call`."""
        return await _run(
            self._client,
            self._client.track_tool_call,
            session_id,
            tool_name,
            tool_input,
            tool_output,
            *args,
            **kwargs,
        )

    async def track_decision(
        self, session_id: str, reasoning: str, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Record a decision; see `SentrialClient.track_decision`."""
        return await _run(
            self._client, self._client.track_decision, session_id, reasoning, *args, **kwargs
        )

    async def track_error(
        self, session_id: str, error_message: str, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Record an error; see `SentrialClient.track_error`."""
        return await _run(
            self._client, self._client.track_error, session_id, error_message, *args, **kwargs
        )

    async def complete_session(self, session_id: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Complete a session; see `SentrialClient.complete_session`."""
        return await _run(self._client, self._client.complete_session, session_id, *args, **kwargs)

    def begin(
        self,
        user_id: str,
        event: str,
        input: str | None = None,  # noqa: A002  the documented name
        event_id: str | None = None,
        convo_id: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> AsyncInteraction:
        """Begin an interaction, to be used with ``async with``, awaited or not.

        The arguments are those of `SentrialClient.begin`.
        """
        interaction = self._client.begin(user_id, event, input, event_id, convo_id, metadata)
        # Documented: unlike the sync client's, the state does not begin with the input.
        self._client.current_state.pop("input", None)
        return AsyncInteraction._of(self, interaction, input)  # noqa: SLF001

    async def flush(self, timeout: float = 30.0) -> None:
        """Wait until everything recorded so far is delivered.

        Args:
            timeout: Seconds to wait at most; default 30. Returns at once while the server is down.

        Raises:
            SentrialError: The first failure since the last flush, if the client is loud and
                batches.
        """
        await asyncio.to_thread(self._client.flush, timeout)

    async def close(self) -> None:
        """Deliver what is queued; see `SentrialClient.close`."""
        await asyncio.to_thread(self._client.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        await self.close()
        return False


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
        self._interaction = interaction

    @property
    def session_id(self) -> str | None:
        """The session's id; waits for it at most ``wait_timeout`` seconds."""
        return self._interaction.session_id

    def __await__(self) -> Generator[Any, None, Self]:
        """Return the interaction: there is nothing to wait for."""
        return self._self().__await__()

    async def _self(self) -> Self:
        return self

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
        self, tool_name: str, tool_input: Any, tool_output: Any, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Record a call of a tool; see `Interaction.track_tool_call`."""
        call = self._interaction.track_tool_call
        return await self._run(call, tool_name, tool_input, tool_output, *args, **kwargs)

    async def track_decision(self, reasoning: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Record a decision; see `Interaction.track_decision`."""
        return await self._run(self._interaction.track_decision, reasoning, *args, **kwargs)

    async def track_error(self, error_message: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Record an error; see `Interaction.track_error`."""
        return await self._run(self._interaction.track_error, error_message, *args, **kwargs)

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
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        return self._interaction.__exit__(exc_type, exc_val, exc_tb)

    async def _run(
        self, call: Callable[..., dict[str, Any]], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        return await _run(self.client._client, call, *args, **kwargs)  # noqa: SLF001


def _first(given: Any, summed: float) -> Any:
    return given if given is not None else summed or None


async def _run(
    client: SentrialClient, call: Callable[..., dict[str, Any]], *args: Any, **kwargs: Any
) -> dict[str, Any]:
    """Call at once in background delivery; in a worker thread where the call waits."""
    if _core.is_immediate(client):
        return await asyncio.to_thread(call, *args, **kwargs)
    return call(*args, **kwargs)


_default: AsyncSentrialClient | None = None


def _get_client() -> AsyncSentrialClient:
    global _default  # noqa: PLW0603  the default client is this module's one piece of state
    if _default is None:
        _default = AsyncSentrialClient()
    return _default


async def configure_async(
    api_key: str | None = None,
    api_url: str | None = None,
    fail_silently: bool = True,
    **options: Any,
) -> None:
    """Replace the default async client; what the old one has queued is delivered.

    The options are those of `SentrialClient`.

    Raises:
        ConfigurationError: An argument, or a key or address from the environment, cannot be used.
    """
    global _default
    new = AsyncSentrialClient(api_url, api_key, fail_silently, **options)
    old, _default = _default, new
    if old is not None:
        _core.release(old._client)  # noqa: SLF001


async def begin_async(
    user_id: str,
    event: str,
    input: str | None = None,  # noqa: A002  the documented name
    event_id: str | None = None,
    convo_id: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> AsyncInteraction:
    """Begin an interaction on the default async client; see `AsyncSentrialClient.begin`."""
    return _get_client().begin(user_id, event, input, event_id, convo_id, metadata)
