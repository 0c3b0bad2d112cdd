"""`@tool` and `@session`: functions of an agent as tool calls, and as sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sentrial import _core
from sentrial._core import (
    Interaction,
    SentrialClient,
    clear_session_context,
    get_session_context,
    set_session_context,
)
from sentrial.client import _get_client
from sentrial.decorators._entry_points import clear_session_entry_points, get_session_entry_points
from sentrial.decorators._session import session
from sentrial.decorators._session_context import SessionContext
from sentrial.decorators._tool import tool

if TYPE_CHECKING:
    from typing import Optional

__all__ = [
    "Interaction",
    "SentrialClient",
    "SessionContext",
    "clear_session_context",
    "clear_session_entry_points",
    "get_current_client",
    "get_current_interaction",
    "get_current_session_id",
    "get_session_context",
    "get_session_entry_points",
    "session",
    "set_session_context",
    "tool",
]


def get_current_client() -> Optional[SentrialClient]:  # noqa: UP045  the documented annotation
    """Return the client of the current session, else the default client; never None."""
    return _core.context_client() or _get_client()


def get_current_session_id() -> Optional[str]:  # noqa: UP045
    """Return the id of the current session, waiting for it; None outside of one."""
    return _core.get_session_context()


def get_current_interaction() -> Optional[Interaction]:  # noqa: UP045
    """Return the current interaction, or None outside of one.

    It is the innermost one begun in this context, by `begin`, `session` or `SessionContext`, that
    is not finished.
    """
    return _core.current_interaction()


for _public in (
    SessionContext,
    clear_session_entry_points,
    get_session_entry_points,
    session,
    tool,
):
    _public.__module__ = __name__
del _public
