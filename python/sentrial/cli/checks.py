"""What ``sentrial doctor`` finds: one finding per thing that must work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        name: What was checked.
        status: ``failed`` means that nothing, or not everything, is delivered.
        detail: What was found; never holds the key.
        advice: What to do about it; empty if nothing is to be done.
    """

    name: str
    status: Status
    detail: str
    advice: str = ""


def ok(name: str, detail: str) -> Finding:
    """Return a finding that is as it should be."""
    return Finding(name, "ok", detail)


def warning(name: str, detail: str, advice: str) -> Finding:
    """Return a finding that may be a mistake."""
    return Finding(name, "warning", detail, advice)


def failed(name: str, detail: str, advice: str) -> Finding:
    """Return a finding that keeps delivery from working."""
    return Finding(name, "failed", detail, advice)


def skipped(name: str, why: str) -> Finding:
    """Return that a check was not made."""
    return Finding(name, "skipped", why)
