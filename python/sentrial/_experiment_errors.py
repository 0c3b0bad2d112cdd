"""What the error of a run said."""

from __future__ import annotations

from sentrial._core import described


def text_of(error: object) -> str:
    """Return the message of an exception; empty if it has none, or cannot say it."""
    told = described(error)
    return "" if told == f"<{type(error).__name__}>" else told


def said(error: BaseException) -> str:
    """Return the message of an exception; its class where it has none."""
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return f"{name}: {error.code}"
    return text_of(error) or name
