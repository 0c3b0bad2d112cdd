"""Waiting with a deadline for something that happens elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def eventually(
    question: Callable[[], T], timeout: float = 10.0, interval: float = 0.01, what: str = ""
) -> T:
    """Ask until the answer is true, and return it.

    Raises:
        AssertionError: it was not within ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            message = f"not within {timeout} s: {what or question}; the last answer was {answer!r}"
            raise AssertionError(message)
        time.sleep(interval)
