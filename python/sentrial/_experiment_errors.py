"""What the error of a run said."""

from __future__ import annotations


def text_of(error: object) -> str:
    """Return the message of an exception; empty if it has none, or cannot say it."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  a broken __str__ of the program must not hide its error
        return ""


def said(error: BaseException) -> str:
    """Return the message of an exception; its class where it has none."""
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return f"{name}: {error.code}"
    return text_of(error) or name
