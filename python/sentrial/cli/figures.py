"""Figures as people read them; empty where there is nothing to show."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeGuard

_SECOND_MS = 1000
_MINUTE_MS = 60 * _SECOND_MS


def _parsed(text: str | None) -> datetime | None:
    """Read the server's form of an instant; None for years that Python has no date for."""
    try:
        read = datetime.strptime(text or "", "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError:
        return None
    return read.replace(tzinfo=timezone.utc)


def moment(text: str | None) -> str:
    """Return an instant as local date and time."""
    at = _parsed(text)
    return (text or "") if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def clock(text: str | None) -> str:
    """Return an instant as local time of day with milliseconds."""
    at = _parsed(text)
    if at is None:
        return text or ""
    local = at.astimezone()
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"


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
        return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.3g} ms"
    if milliseconds < _MINUTE_MS:
        return f"{milliseconds / _SECOND_MS:.1f} s"
    minutes, seconds = divmod(round(milliseconds / _SECOND_MS), 60)
    return f"{minutes} min {seconds:02d} s"


def cost(dollars: object) -> str:
    """Return an amount in USD, to four decimals, or two digits if it is smaller than that."""
    if not _is_number(dollars) or dollars == 0:
        return ""
    return f"${dollars:.4f}" if dollars >= 0.0001 else f"${dollars:.2g}"


def tokens(count: object) -> str:
    """Return a number of tokens."""
    if not _is_number(count) or count == 0:
        return ""
    return f"{count:,.0f} tokens" if count != 1 else "1 token"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
