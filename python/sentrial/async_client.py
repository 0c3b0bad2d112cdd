"""The client for asyncio: the sync client, whose calls do not wait, behind coroutines.

What does wait (creating a session, a flush, any call in immediate delivery) waits in the event
loop: no thread is used, and a client serves several loops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial import _core, _loop, _turns, client
from sentrial._async_events import AsyncEvents
from sentrial._async_interaction import AsyncInteraction, Beginning
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
    from types import TracebackType

    from typing_extensions import Self

    from sentrial._core import Interaction, Wait
    from sentrial.batcher import BatcherConfig
    from sentrial.redact import PiiConfig

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


class AsyncSentrialClient(AsyncEvents):
    """Sends what an agent does to the Sentrial API, from coroutines.

    The arguments are those of `SentrialClient`; the further ``options`` are its keyword-only ones.
    Without any, the key and the address come from the environment. One client may be shared by all
    tasks, event loops and threads.
    """

    def __init__(
        self,
        api_url: str | None = None,
        api_key: str | None = None,
        fail_silently: bool = True,
        langfuse: Any = None,
        pii: PiiConfig | dict[str, Any] | bool | None = None,
        batching: BatcherConfig | dict[str, Any] | bool | None = None,
        **options: Any,
    ) -> None:
        made = _core.deferred_client()
        made.__init__(api_url, api_key, fail_silently, langfuse, pii, batching, **options)  # type: ignore[misc]
        self._client = made

    # What does not wait.

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
    def langfuse(self) -> Any:
        """The Langfuse integration given to the constructor, or None."""
        return self._client.langfuse

    @property
    def pii(self) -> PiiConfig | bool | None:
        """The PII settings: None, False or a `PiiConfig`."""
        return self._client.pii

    @property
    def session(self) -> None:
        """Always None: there is no Python HTTP session behind this client."""

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

    def redact(self, value: Any, kind: str = "event") -> Any:
        """Return what would leave the process; see `SentrialClient.redact`."""
        return self._client.redact(value, kind)

    def redaction_report(self) -> dict[str, Any]:
        """Return what has been redacted; see `SentrialClient.redaction_report`."""
        return self._client.redaction_report()

    calculate_openai_cost = staticmethod(SentrialClient.calculate_openai_cost)
    calculate_anthropic_cost = staticmethod(SentrialClient.calculate_anthropic_cost)
    calculate_google_cost = staticmethod(SentrialClient.calculate_google_cost)

    # Sessions.

    async def create_session(
        self,
        name: str,
        agent_name: str | None = None,
        user_id: str | None = None,
        parent_session_id: str | None = None,
        convo_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        project_id: str | None = None,
    ) -> str | None:
        """Create a session; see `SentrialClient.create_session`.

        If the task is cancelled meanwhile the request is withdrawn.
        """
        wait = await _turns.record(
            _core.start_create_session,
            self._client,
            name,
            agent_name,
            user_id,
            parent_session_id,
            convo_id,
            metadata,
            project_id,
        )
        session_id: str | None = await _loop.result(wait)
        return session_id

    def begin(
        self,
        user_id: str,
        event: str,
        input: str | None = None,  # noqa: A002  the documented name
        event_id: str | None = None,
        convo_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        parent_session_id: str | Interaction | AsyncInteraction | None = None,
    ) -> Beginning:
        """Begin an interaction: to be awaited, or used with ``async with`` as it is.

        It begins then, and becomes current in the task that does so. The arguments are those of
        `SentrialClient.begin`. In immediate delivery it waits for the session.
        """
        parent: str | Interaction | None
        if isinstance(parent_session_id, AsyncInteraction):
            parent = parent_session_id._interaction  # noqa: SLF001
        else:
            parent = parent_session_id

        async def start() -> AsyncInteraction:
            call = self._client.begin
            interaction = await _turns.record(
                call,
                user_id,
                event,
                input,
                event_id,
                convo_id,
                metadata,
                parent_session_id=parent,
            )
            if _core.awaits_answers(self._client):
                await _loop.result(_core.start_naming(interaction))
            return AsyncInteraction._of(self, interaction, input)  # noqa: SLF001

        return Beginning(start())

    async def complete_session(
        self,
        session_id: str,
        success: bool = True,
        failure_reason: str | None = None,
        estimated_cost: float | None = None,
        custom_metrics: dict[str, float] | None = None,
        duration_ms: int | None = None,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        total_tokens: int | None = None,
        user_input: str | None = None,
        assistant_output: str | None = None,
        *,
        status: str | None = None,
        input: str | None = None,  # noqa: A002  the documented name
        output: str | None = None,
    ) -> dict[str, Any]:
        """Complete a session; see `SentrialClient.complete_session`."""
        return await self._run(
            self._client.complete_session,
            session_id,
            success,
            failure_reason,
            estimated_cost,
            custom_metrics,
            duration_ms,
            prompt_tokens,
            completion_tokens,
            total_tokens,
            user_input,
            assistant_output,
            status=status,
            input=input,
            output=output,
        )

    async def close_session(
        self,
        session_id: str,
        duration_ms: int | None = None,
        success: bool | None = None,
        failure_reason: str | None = None,
        *,
        status: str | None = None,
        summary: str | None = None,
    ) -> dict[str, Any]:
        """Complete a session, the short way; see `SentrialClient.close_session`."""
        return await self._run(
            self._client.close_session,
            session_id,
            duration_ms,
            success,
            failure_reason,
            status=status,
            summary=summary,
        )

    async def update_session(self, session_id: str, **fields: Any) -> dict[str, Any]:
        """Change fields of a session; see `SentrialClient.update_session`."""
        return await self._run(self._client.update_session, session_id, **fields)

    async def get_session(self, session_id: str) -> dict[str, Any] | None:
        """Ask the server for a session; experimental, see `SentrialClient.get_session`."""
        wait = _core.start_get_session(self._client, session_id)
        found: dict[str, Any] | None = await _loop.result(wait)
        return found

    # The client as a whole.

    async def flush(self, timeout: float = 30.0) -> None:
        """Wait until everything recorded so far is delivered.

        Args:
            timeout: Seconds to wait at most; default 30. Returns at once while the server is down.

        Raises:
            SentrialError: The first failure since the last flush, if the client is loud and
                batches.
        """
        await self._wait_out(_core.start_flush(self._client, timeout))

    async def shutdown(self) -> None:
        """Deliver what is queued; see `SentrialClient.shutdown`."""
        await self._wait_out(_core.start_shutdown(self._client))

    async def _wait_out(self, wait: Wait | None) -> None:
        """Wait for a flush, and then for Langfuse if the client writes there too."""
        try:
            await _loop.result(wait)
        finally:
            left = None if wait is None else wait.remaining()
            if left and self.langfuse is not None:
                # Its flush blocks, so it must not run in the loop.
                import asyncio

                await asyncio.to_thread(_core.flush_mirror, self._client, left)

    async def close(self) -> None:
        """Do the same as `shutdown`; a later call starts delivery again."""
        await self.shutdown()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        try:
            await self.close()
        except Exception:
            # The program's own exception matters more than ours.
            if exc_type is None:
                raise
        return False

    def __repr__(self) -> str:
        return f"Async{self._client!r}"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the options, without the key: that is read from the environment again."""
        return _restore, (type(self), _options_of(self._client))


def _options_of(made: SentrialClient) -> dict[str, Any]:
    """Return the options of a client, without the key."""
    reduced: Any = made.__reduce__()
    options: dict[str, Any] = reduced[1][1]
    return options


def _restore(cls: type[AsyncSentrialClient], options: dict[str, Any]) -> AsyncSentrialClient:
    """Unpickle a client: its options, with the key from the environment."""
    return cls(**options)


_default: AsyncSentrialClient | None = None
_configured: SentrialClient | None = None
"""The client of the last `configure()` that the default one takes into account."""


def _get_client() -> AsyncSentrialClient:
    """Return the default client: that of `configure_async` or `configure`, whichever came last.

    Without either it is made from the environment. It never raises: a configuration that cannot be
    used gives one warning and a client that does nothing.
    """
    global _default, _configured  # noqa: PLW0603  the default client is this module's state
    last = client._configured  # noqa: SLF001
    if last is not None and last is not _configured:
        _configured = last
        options = _options_of(last)
        _replace(AsyncSentrialClient(api_key=last.api_key, langfuse=last.langfuse, **options))
    if _default is None:
        from sentrial.exceptions import SentrialError

        try:
            _default = AsyncSentrialClient()
        except SentrialError as error:
            from sentrial import _log

            _log.emit([(30, f"nothing is recorded: {error}")])
            _default = AsyncSentrialClient.__new__(AsyncSentrialClient)
            _default._client = _core.deferred_client()  # noqa: SLF001
    return _default


def _replace(new: AsyncSentrialClient) -> None:
    global _default
    old, _default = _default, new
    if old is not None:
        client._hand_over(old._client, new._client)  # noqa: SLF001


async def configure_async(
    api_key: str | None = None,
    api_url: str | None = None,
    fail_silently: bool = True,
    pii: PiiConfig | dict[str, Any] | bool | None = None,
    batching: BatcherConfig | dict[str, Any] | bool | None = None,
    **options: Any,
) -> None:
    """Replace the default async client; returns at once.

    What the old one has queued is delivered with the old key, unless that key was refused (401) and
    the address is the same: then the new key is used. The further ``options`` are the keyword-only
    ones of `SentrialClient`.

    Raises:
        ConfigurationError: An argument, or a key or address from the environment, cannot be used.
    """
    global _configured  # noqa: PLW0603
    new = AsyncSentrialClient(api_url, api_key, fail_silently, None, pii, batching, **options)
    _configured = client._configured  # noqa: SLF001
    _replace(new)


def begin_async(
    user_id: str,
    event: str,
    input: str | None = None,  # noqa: A002  the documented name
    event_id: str | None = None,
    convo_id: str | None = None,
    metadata: dict[str, Any] | None = None,
    *,
    parent_session_id: str | Interaction | AsyncInteraction | None = None,
) -> Beginning:
    """Begin an interaction on the default async client; see `AsyncSentrialClient.begin`."""
    return _get_client().begin(
        user_id,
        event,
        input,
        event_id,
        convo_id,
        metadata,
        parent_session_id=parent_session_id,
    )
