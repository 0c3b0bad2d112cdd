"""One run of an agent as a session: how it begins, and how it ends whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sentrial import _core
from sentrial._carried import Carried
from sentrial._off_loop import off_the_loop
from sentrial.client import _get_client
from sentrial.decorators._snapshot import LONGEST_TEXT, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sentrial._core import CurrentSession, Interaction, SentrialClient

_MOST_ITEMS = 10_000
_LONGEST_JOINED = 100_000


def current_client() -> SentrialClient:
    """Return the client of the current session, else the default client."""
    return _core.context_client() or _get_client()


def enclosing(client: SentrialClient) -> CurrentSession | None:
    """Return the session that one begun now on this client is nested in."""
    session = _core.current_session(_get_client)
    return session if session is not None and session.client is client else None


def reason(error: BaseException) -> str:
    """Say why a session failed, in the documented form."""
    return f"{type(error).__name__}: {text(error)}"


def output_of(result: object) -> str | None:
    """Return what a function answered, as the text that is shown for its session."""
    # By its real class: a proxy or a mock that is asked for its own resolves or records that.
    kind = type(result)
    if result is None or issubclass(kind, str):
        return cast("str | None", result)
    if issubclass(kind, dict):
        for key in ("response", "output"):
            if dict.__contains__(cast("dict[str, Any]", result), key):
                return text(dict.__getitem__(cast("dict[str, Any]", result), key))
    return text(result)[:LONGEST_TEXT]


class Run:
    """One session of a decorated function. What goes wrong here never reaches the program."""

    __slots__ = ("_carried", "_client", "_interaction", "_items", "_length")

    def __init__(self, client: SentrialClient) -> None:
        self._client = client
        self._interaction: Interaction | None = None
        self._carried: Carried | None = None
        self._items: list[Any] = []
        self._length = 0

    def begin(self, user_id: str, agent: str, given: str | None) -> None:
        """Create the session and make it current."""
        try:
            self._interaction = self._client.begin(
                user_id, agent, given, parent_session_id=enclosing(self._client)
            )
            self._interaction.__enter__()
        except Exception as error:  # noqa: BLE001  the function runs without a session
            _warn("a session could not be begun", error)

    async def begin_off_the_loop(self, user_id: str, agent: str, given: str | None) -> None:
        """Do the same from a coroutine, in whose context the session becomes current."""
        try:
            await off_the_loop(self._client, self.begin, user_id, agent, given)
        except BaseException as error:
            await self.off_the_loop(self.failed, error)
            raise
        if self._interaction is not None and _core.is_immediate(self._client):
            # A worker thread has a context of its own.
            _core.make_current(self._interaction)

    def succeeded(self, result: object) -> None:
        """Complete the session with what the function returned."""
        self._finish(output_of(result), success=True)

    def failed(self, error: BaseException) -> None:
        """Complete the session as failed."""
        self._finish(None, success=False, failure_reason=reason(error))

    def _finish(
        self, output: str | None, *, success: bool, failure_reason: str | None = None
    ) -> None:
        if self._interaction is None:
            return
        try:
            self._interaction.finish(output, success, failure_reason)
        except Exception as error:  # noqa: BLE001  the function has its result already
            _warn("a session could not be completed", error)

    async def off_the_loop(self, call: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Call one of these methods from a coroutine."""
        await off_the_loop(self._client, call, *args, **kwargs)

    def lift(self) -> None:
        """Leave the session, which only the body of a generator runs in, until its next step."""
        self._carried = Carried()

    def inside(self) -> AbstractContextManager[None]:
        """Return the surroundings in which the session is current."""
        return self._carried or Carried()

    def yielded(self, item: object) -> None:
        """Note an item of a generator."""
        if issubclass(type(item), bytes):
            # What is streamed over HTTP.
            item = cast("bytes", item).decode(errors="replace")
        said = cast("str", item) if issubclass(type(item), str) else None
        self._length += len(said) if said is not None else 1
        if len(self._items) < _MOST_ITEMS and self._length <= _LONGEST_JOINED:
            self._items.append(said if said is not None else text(item)[:LONGEST_TEXT])

    def ended(self, returned: object, *, partial: bool) -> None:  # noqa: ARG002
        """Complete the session of a generator: its answer are its items, one after the other."""
        self._finish("".join(self._items) or output_of(returned), success=True)


def _warn(what: str, error: Exception) -> None:
    from sentrial import _log

    _log.emit([(30, f"{what}: {error}")])
