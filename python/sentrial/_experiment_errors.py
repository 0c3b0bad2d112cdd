"""What the error of a run said."""

from __future__ import annotations


def said(error: object) -> str:
    """Return the message of an exception; its class where it has none."""
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return f"SystemExit: {error.code}"
    try:
        return str(error) or name
    except Exception:  # noqa: BLE001  a broken __str__ of the program must not hide its error
        return name
