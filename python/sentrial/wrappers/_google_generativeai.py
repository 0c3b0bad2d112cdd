"""Google's older package: `google.generativeai.GenerativeModel`."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from sentrial.wrappers import _google_answers as google
from sentrial.wrappers._adopt import adopt
from sentrial.wrappers._calls import Method, is_answer_class, wrapped
from sentrial.wrappers._record import Answer, Options, Request
from sentrial.wrappers._targets import Target
from sentrial.wrappers._values import read, scalars

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from sentrial.wrappers._tracker import Accumulator, Tracker

__all__ = ["class_targets", "targets"]

_PARAMETERS = frozenset(
    (
        "temperature",
        "top_p",
        "top_k",
        "max_output_tokens",
        "candidate_count",
        "stop_sequences",
        "response_mime_type",
    )
)


@functools.lru_cache(maxsize=256)
def _is_answer(cls: type) -> bool:
    # What is not streamed is the same class, with nothing left to come.
    return is_answer_class(cls) and not hasattr(cls, "resolve")


class Content(Method):
    """`generate_content` and `generate_content_async`; chats call these."""

    def request(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        contents = kwargs["contents"] if "contents" in kwargs else next(iter(args), None)
        config = kwargs.get("generation_config")
        given = {name: read(config, name) for name in _PARAMETERS} if config is not None else {}
        if kwargs.get("stream") is True:
            given["stream"] = True
        return Request(
            "google",
            google.model_name(read(owner, "model_name")),
            google.messages_of(contents),
            scalars(given, _PARAMETERS | {"stream"}),
        )

    def answer(self, response: Any, options: Options) -> Answer:
        answer = google.answer(response, options)
        # The package's own way to join parts; it refuses where there is no text.
        text = read(response, "text")
        return answer._replace(content=text) if isinstance(text, str) and text else answer

    def accumulator(self, options: Options, *, injected: bool) -> Accumulator:  # noqa: ARG002
        return google.Chunks(options)

    is_answer = staticmethod(_is_answer)

    def stream(self, result: Any, tracker: Callable[[], Tracker]) -> Any:
        cls = type(result)
        if hasattr(cls, "__next__") or hasattr(cls, "__anext__") or not hasattr(cls, "resolve"):
            return super().stream(result, tracker)
        if read(result, "_done", True) is not False:
            return None
        members = _async_members if hasattr(cls, "__aiter__") else _members
        return result if adopt(result, members, _sentrial_tracker=tracker()) else None


def _members(base: Any) -> dict[str, Any]:
    """The methods of a response that is read piece by piece."""

    def iterate(self: Any) -> Iterator[Any]:
        tracker: Tracker = self._sentrial_tracker
        try:
            for piece in base.__iter__(self):
                tracker.hides(piece)
                yield piece
        except GeneratorExit:
            tracker.broken_off()
            raise
        except BaseException as error:
            tracker.ended(error)
            raise
        tracker.ended()

    return {"__iter__": iterate, "__del__": _collected}


def _async_members(base: Any) -> dict[str, Any]:
    async def iterate(self: Any) -> AsyncIterator[Any]:
        tracker: Tracker = self._sentrial_tracker
        try:
            async for piece in base.__aiter__(self):
                tracker.hides(piece)
                yield piece
        except GeneratorExit:
            tracker.broken_off()
            raise
        except BaseException as error:
            await tracker.ended_in_loop(error)
            raise
        await tracker.ended_in_loop()

    return {"__aiter__": iterate, "__del__": _collected}


def _collected(response: Any, ending: Callable[[], bool] = sys.is_finalizing) -> None:
    if not ending():
        response._sentrial_tracker.left()  # noqa: SLF001  ours


_CONTENT = Content()
_NAMES = ("generate_content", "generate_content_async")


def targets(model: Any, options: Options) -> Iterator[Target]:
    """Give the methods of a model that are wrapped."""
    for name in _NAMES:
        yield Target(model, name, lambda f: wrapped(f, _CONTENT, options, bound=True, owner=model))


def class_targets(options: Options) -> Iterator[Target]:
    """Give the methods of the package's class that are wrapped."""
    import warnings

    with warnings.catch_warnings():
        # It says at import that it is no longer developed: the program knows.
        warnings.simplefilter("ignore")
        try:
            import google.generativeai as package
        except ImportError:
            return
    model: Any = package.GenerativeModel  # type: ignore[attr-defined]
    for name in _NAMES:
        yield Target(model, name, lambda f: wrapped(f, _CONTENT, options, bound=False))
