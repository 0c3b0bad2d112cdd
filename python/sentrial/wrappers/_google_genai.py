"""Google's current package: `google.genai.Client`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from sentrial.wrappers import _google_answers as google
from sentrial.wrappers import _google_turns as turns
from sentrial.wrappers._calls import Method, wrapped
from sentrial.wrappers._google_interactions import targets_of
from sentrial.wrappers._record import Answer, Options, Request
from sentrial.wrappers._targets import Deferred, Target, resource
from sentrial.wrappers._usage import of_google
from sentrial.wrappers._values import read, scalars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sentrial.wrappers._tracker import Accumulator

__all__ = ["class_targets", "targets"]

_PARAMETERS = frozenset(
    (
        "temperature",
        "top_p",
        "top_k",
        "max_output_tokens",
        "candidate_count",
        "stop_sequences",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "response_mime_type",
    )
)


def _tier(config: Any) -> dict[str, str]:
    tier = google.enum_name(read(config, "service_tier"))
    return {"service_tier": tier.lower().removeprefix("service_tier_")} if tier else {}


class _Base(Method):
    def request(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:  # noqa: ARG002
        contents = kwargs.get("contents")
        config = kwargs.get("config")
        given = {name: read(config, name) for name in _PARAMETERS} if config is not None else {}
        messages = google.messages_of(contents)
        system = read(config, "system_instruction")
        if system is not None:
            told = google.messages_of(system)
            messages = [{**told[0], "role": "system"}, *told[1:], *messages]
        return Request(
            "google",
            google.model_name(kwargs.get("model")),
            messages,
            {**scalars(given, _PARAMETERS), **_tier(config)},
        )

    def accumulator(self, options: Options, *, injected: bool) -> Accumulator:  # noqa: ARG002
        return google.Chunks(options)


class Content(_Base):
    """`generate_content` and `generate_content_stream`; chats call these."""

    def answer(self, response: Any, options: Options) -> Answer:
        answer = google.answer(response, options)
        before = turns.usage_before(response)
        return (
            answer if before is None else answer._replace(usage=turns.added(before, answer.usage))
        )


class Embedding(_Base):
    """`embed_content`; the vectors are counted, not recorded."""

    def answer(self, response: Any, options: Options) -> Answer:  # noqa: ARG002
        found = read(response, "embeddings")
        fields: dict[str, Any] = {}
        if isinstance(found, list):
            fields["embeddings"] = len(found)
            vector = read(found[0], "values") if found else None
            if isinstance(vector, list):
                fields["dimensions"] = len(vector)
        return Answer("", of_google(read(response, "usage_metadata")), fields)


_CONTENT = Content()
_EMBEDDING = Embedding()


def targets(client: Any, options: Options) -> Iterator[Target | Deferred]:
    """Give the methods of a client that are wrapped."""
    for path in ("models", "aio.models"):
        owner = resource(client, path)
        if owner is not None:
            yield from _of(owner, options, bound=True)
    for owner in (client, resource(client, "aio")):
        if "_interactions" in read(owner, "__dict__", {}):
            # To load the package of this API takes most of a second.
            below = functools.partial(_interactions, owner, options)
            yield Deferred(owner, "_interactions", below, "interactions")


def _interactions(client: Any, options: Options) -> Iterator[Target]:
    yield from targets_of(client.interactions, options, bound=True)


def class_targets(options: Options) -> Iterator[Target]:
    """Give the methods of the package's classes that are wrapped."""
    try:
        from google.genai import models
    except ImportError:
        return
    for cls in (models.Models, models.AsyncModels):
        yield from _of(cls, options, bound=False)


def _of(owner: Any, options: Options, *, bound: bool) -> Iterator[Target]:
    is_async = "Async" in (owner if isinstance(owner, type) else type(owner)).__name__
    if hasattr(owner, "_generate_content"):
        yield Target(owner, "_generate_content", lambda f: turns.requesting(f, is_async=is_async))
    yield Target(
        owner,
        "generate_content",
        lambda f: wrapped(
            turns.counting(f, is_async=is_async), _CONTENT, options, bound=bound, owner=owner
        ),
    )
    yield Target(
        owner,
        "generate_content_stream",
        lambda f: wrapped(f, _CONTENT, options, bound=bound, owner=owner),
    )
    yield Target(
        owner, "embed_content", lambda f: wrapped(f, _EMBEDDING, options, bound=bound, owner=owner)
    )
