"""Raw responses: `with_raw_response` and `with_streaming_response` of OpenAI and Anthropic.

The program gets the response object itself and decides whether, when and how it is parsed. What is
parsed is what is recorded; for a response whose body the client has read already, that is at once.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from typing import TYPE_CHECKING, Any

from sentrial.wrappers._record import Answer, retries_in, warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentrial.wrappers._calls import Running

__all__ = ["is_raw_class", "tracked"]


@functools.lru_cache(maxsize=256)
def is_raw_class(cls: type) -> bool:
    """Tell whether objects of this class are responses: known by it, which no mock has."""
    return cls.__name__.endswith("APIResponse") and hasattr(cls, "parse")


def tracked(response: Any, running: Running) -> Callable[[], None] | None:
    """Record what a raw response is parsed to.

    Returns:
        What records the response now, if the client has read its body already.
    """
    watch = _Watch(response, running)
    _replace(response, "parse", lambda original: _parse(original, watch, running))
    _replace(response, "close", lambda original: _close(original, watch, running))
    # In its parse and close the response refers to itself, so that this waits for the collector.
    weakref.finalize(response, watch.closed).atexit = False
    return watch.read()


def _replace(response: Any, name: str, make: Callable[[Any], Any]) -> None:
    original = getattr(response, name, None)
    if callable(original):
        object.__setattr__(response, name, make(original))


def _parse(original: Callable[..., Any], watch: _Watch, running: Running) -> Callable[..., Any]:
    if not inspect.iscoroutinefunction(original):
        return lambda *args, **kwargs: watch.parsed(original(*args, **kwargs), _at_once)

    async def parse_async(*args: Any, **kwargs: Any) -> Any:
        result = await original(*args, **kwargs)
        records: list[Callable[[], None]] = []
        handed_out = watch.parsed(result, records.append)
        for record in records:
            await running.record_in_loop(record)
        return handed_out

    return parse_async


def _close(original: Callable[..., Any], watch: _Watch, running: Running) -> Callable[..., Any]:
    if not inspect.iscoroutinefunction(original):

        def close(*args: Any, **kwargs: Any) -> Any:
            try:
                return original(*args, **kwargs)
            finally:
                watch.closed()

        return close

    async def close_async(*args: Any, **kwargs: Any) -> Any:
        try:
            return await original(*args, **kwargs)
        finally:
            await running.record_in_loop(watch.closed)

    return close_async


def _at_once(record: Callable[[], None]) -> None:
    record()


class _Watch:
    """Records one raw response, once. It does not hold the response."""

    def __init__(self, response: Any, running: Running) -> None:
        self._http = getattr(response, "http_response", None)
        self._running = running
        self._done = False
        self._metadata = _metadata(response)

    def parsed(self, result: Any, take: Callable[[Callable[[], None]], None]) -> Any:
        """Hand what records the answer to `take`; return what the program gets."""
        if self._done:
            return result
        self._done = True
        try:
            stream = self._running.tracked(result)
        except Exception as problem:  # noqa: BLE001  the program must get its stream
            warn(problem)
            return result
        if stream is not None:
            return stream
        take(lambda: self._running.answered(result, self._metadata))
        return result

    def read(self) -> Callable[[], None] | None:
        """What records the body, if it has been read and is a JSON object."""
        if self._done or self._running.kwargs.get("stream") is True:
            return None
        try:
            body = self._http.json()  # type: ignore[union-attr]
        except Exception:  # noqa: BLE001  not read yet, or no JSON: the program may still parse it
            return None
        if not isinstance(body, dict):
            return None
        self._done = True
        return lambda: self._running.answered(body, self._metadata)

    def closed(self) -> None:
        """Record the call: by its body if the program has read that, else without an answer."""
        record = self.read()
        if record is not None:
            record()
        elif not self._done:
            self._done = True
            self._running.call.succeeded(Answer(metadata=self._metadata), partial=True)


def _metadata(response: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    request_id = getattr(response, "request_id", None)
    if isinstance(request_id, str):
        metadata["request_id"] = request_id
    retries = getattr(response, "retries_taken", None)
    if type(retries) is int:
        metadata["retries"] = retries
    else:
        request = getattr(getattr(response, "http_response", None), "request", None)
        metadata.update(retries_in(getattr(request, "headers", None)))
    return metadata
