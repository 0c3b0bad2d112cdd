"""Automatic function calling of Google's package: several requests inside of one call.

The answer that the program gets carries the usage of the last request only; each is billed.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from sentrial.wrappers._usage import Usage, of_google
from sentrial.wrappers._values import read

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["added", "counting", "requesting", "usage_before"]

#: The usage of the requests so far, of the call that is being made.
_requests: ContextVar[list[Usage | None] | None] = ContextVar("sentrial_requests", default=None)
#: What the requests before the last one used, and for which answer that is.
_before: ContextVar[tuple[int, Usage | None]] = ContextVar("sentrial_before", default=(0, None))


def added(first: Usage | None, second: Usage | None) -> Usage | None:
    """Return the sum of two usages."""
    if first is None or second is None:
        return first or second
    tools = dict(first.tool_requests or {})
    for name, requests in (second.tool_requests or {}).items():
        tools[name] = tools.get(name, 0) + requests
    sums = [a + b for a, b in zip(first[:12], second[:12], strict=True)]
    return Usage._make([*sums, tools or None, None])


def counting(original: Callable[..., Any], *, is_async: bool) -> Callable[..., Any]:
    """Make a call note what the requests inside it used."""

    def ended(answer: Any, requests: list[Usage | None]) -> Any:
        _before.set((id(answer), functools.reduce(added, requests[:-1], None)))
        return answer

    if is_async:

        @functools.wraps(original)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            requests: list[Usage | None] = []
            token = _requests.set(requests)
            try:
                answer = await original(*args, **kwargs)
            finally:
                _requests.reset(token)
            return ended(answer, requests)

        return call_async

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        requests: list[Usage | None] = []
        token = _requests.set(requests)
        try:
            answer = original(*args, **kwargs)
        finally:
            _requests.reset(token)
        return ended(answer, requests)

    return call


def requesting(original: Callable[..., Any], *, is_async: bool) -> Callable[..., Any]:
    """Make the package's own request note its usage for the call around it."""

    def noted(answer: Any) -> Any:
        requests = _requests.get()
        if requests is not None:
            requests.append(of_google(read(answer, "usage_metadata")))
        return answer

    if is_async:

        @functools.wraps(original)
        async def request_async(*args: Any, **kwargs: Any) -> Any:
            return noted(await original(*args, **kwargs))

        return request_async

    @functools.wraps(original)
    def request(*args: Any, **kwargs: Any) -> Any:
        return noted(original(*args, **kwargs))

    return request


def usage_before(answer: Any) -> Usage | None:
    """Return what was used before the request that this answer came from."""
    key, usage = _before.get()
    return usage if key == id(answer) else None
