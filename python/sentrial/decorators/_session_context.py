"""`SessionContext`: a session as a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial import _core
from sentrial._core import SentrialClient
from sentrial._off_loop import off_the_loop
from sentrial.decorators._run import current_client, enclosing, reason

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Literal, Optional

    from typing_extensions import Self

    from sentrial._core import Interaction

# The annotations of the documented names keep the spelling of `typing`.
# ruff: noqa: UP045


class SessionContext:
    """A session for a block of code, with ``with`` or ``async with``.

    An exception that leaves the block fails the session and goes on.

    Attributes:
        user_id: The end user.
        agent: The agent.
        input: What the user asked. Default None.
    """

    def __init__(
        self,
        user_id: str,
        agent: str,
        input: Optional[str] = None,  # noqa: A002  the documented name
        client: Optional[SentrialClient] = None,
    ) -> None:
        self.user_id = user_id
        self.agent = agent
        self.input = input
        # An async client does as well: then only `async with` can be used.
        self._client: Any = client or current_client()
        self._interaction: Any = None
        self._output: str | None = None

    @property
    def session_id(self) -> Optional[str]:
        """The session's id, waiting for it; None before the block is entered."""
        session_id: str | None = self._interaction and self._interaction.session_id
        return session_id

    @property
    def interaction(self) -> Optional[Interaction]:
        """The interaction; None before the block is entered."""
        interaction: Interaction | None = self._interaction
        return interaction

    def set_output(self, output: str) -> None:
        """Remember the answer, which is sent when the block is left."""
        self._output = output

    def _begin(self) -> None:
        self._interaction = self._client.begin(
            self.user_id, self.agent, self.input, parent_session_id=enclosing(self._client)
        )
        self._interaction.__enter__()

    def _result(self, error: BaseException | None) -> tuple[str | None, bool, str | None]:
        return self._output, error is None, None if error is None else reason(error)

    def _finish(self, error: BaseException | None) -> None:
        try:
            self._interaction.finish(*self._result(error))
        except Exception:
            # The program's own exception matters more.
            if error is None:
                raise

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> Literal[False]:
        self._finish(exc_val)
        return False

    async def __aenter__(self) -> Self:
        if isinstance(self._client, SentrialClient):
            await off_the_loop(self._client, self._begin)
            if _core.is_immediate(self._client):
                # A worker thread has a context of its own.
                _core.make_current(self._interaction)
        else:
            self._interaction = await self._client.begin(self.user_id, self.agent, self.input)
            await self._interaction.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> Literal[False]:
        if isinstance(self._client, SentrialClient):
            await off_the_loop(self._client, self._finish, exc_val)
            return False
        try:
            await self._interaction.finish(*self._result(exc_val))
        except Exception:
            if exc_val is None:
                raise
        return False
