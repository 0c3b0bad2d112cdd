"""Which session calls belong to, by its id.

An interaction makes itself current; these functions are for sessions made by `create_session`, or
in another process.
"""

from sentrial._core import clear_session_context, get_session_context, set_session_context

__all__ = ["clear_session_context", "get_session_context", "set_session_context"]
