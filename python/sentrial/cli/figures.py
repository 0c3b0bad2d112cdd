"""Figures as people read them; empty where there is nothing to show."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeGuard

_WHOLE_MS = 10
_SECOND_MS = 1000
_MINUTE_MS = 60 * _SECOND_MS
_FOUR_DECIMALS = 0.0001


def _parsed(text: str | None) -> datetime | None:
    """Read the server's form of an instant as local time; None beyond Python's years."""
    try:
        return datetime.strptime(text or "", "%Y-%m-%dT%H:%M:%S.%f%z").astimezone()
    except (OverflowError, ValueError):
        return None


def moment(text: str | None) -> str:
    """Return an instant as local date and time."""
    at = _parsed(text)
    return (text or "") if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def clock(text: str | None) -> str:
    """Return an instant as local time of day with milliseconds."""
    at = _parsed(text)
    if at is None:
        return text or ""
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"


def between_ms(start: str | None, end: str | None) -> float | None:
    """Return the milliseconds from one instant to another."""
    first, last = _parsed(start), _parsed(end)
    if first is None or last is None:
        return None
    return (last - first).total_seconds() * _SECOND_MS


def duration(milliseconds: object) -> str:
    """Return a duration: ``12 ms``, ``1.2 s``, ``3 min 05 s``."""
    if not _is_number(milliseconds):
        return ""
    if milliseconds < _SECOND_MS:
        return f"{milliseconds:.{0 if milliseconds >= _WHOLE_MS else 1}f} ms"
    if milliseconds < _MINUTE_MS:
        return f"{milliseconds / _SECOND_MS:.1f} s"
    minutes, seconds = divmod(round(milliseconds / _SECOND_MS), 60)
    return f"{minutes} min {seconds:02d} s"


def cost(dollars: object) -> str:
    """Return an amount in USD, to four decimals, or two digits if it is smaller than that."""
    if not _is_number(dollars) or dollars == 0:
        return ""
    return f"${dollars:.4f}" if dollars >= _FOUR_DECIMALS else f"${dollars:.2g}"


def tokens(count: object) -> str:
    """Return a number of tokens."""
    if not _is_number(count) or count == 0:
        return ""
    return f"{count:,.0f} tokens" if count != 1 else "1 token"


def total(*values: object) -> float:
    """Return the sum of what is a number."""
    return sum(value for value in values if _is_number(value))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
