"""OpenAI's client, Azure's, and servers with the same API."""

from __future__ import annotations

import functools
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

from sentrial.wrappers import _openai_chat as chat
from sentrial.wrappers import _openai_responses as responses
from sentrial.wrappers._calls import Method, wrapped, wrapped_helper
from sentrial.wrappers._record import Answer, Options, Request
from sentrial.wrappers._targets import Deferred, Target, resource
from sentrial.wrappers._usage import of_openai
from sentrial.wrappers._values import kept, read, scalars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sentrial.wrappers._tracker import Accumulator

__all__ = ["class_targets", "targets"]

_PARAMETERS = frozenset(
    (
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "n",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "reasoning_effort",
        "service_tier",
        "tool_choice",
        "dimensions",
        "stream",
    )
)
#: Hosts of other providers that speak this API, by the end of their name.
_HOSTS = {
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.x.ai": "x-ai",
    "api.together.xyz": "together",
    "api.fireworks.ai": "fireworks",
    "api.perplexity.ai": "perplexity",
    "api.cerebras.ai": "cerebras",
    "openrouter.ai": "openrouter",
}
_BAD_REQUEST = (400, 422)

#: Base URLs of servers that took a stream only without `stream_options`.
_without_usage: set[str] = set()


def _base_url(owner: Any) -> str:
    return str(read(read(owner, "_client"), "base_url", ""))


#: A base URL and whose it is: a client keeps its URL object until the program sets another.
_seen: tuple[object, str] = (object(), "")


def _provider(owner: Any) -> str:
    global _seen  # noqa: PLW0603  replaced as a whole
    try:
        client = owner._client  # noqa: SLF001  how every resource knows its client
        url = vars(client).get("_base_url")
        seen, provider = _seen
        # The public property imports a module each time, from version 3 on.
        if url is seen:
            return provider
        host = client.base_url.host
    except (AttributeError, TypeError):
        return "openai"
    provider = _HOSTS.get(host, "openai") if isinstance(host, str) else "openai"
    if url is not None:
        _seen = (url, provider)
    return provider


class _Base(Method):
    """What the methods of the client have in common."""

    #: Whether usage of a stream must be asked for.
    asks_for_usage = False

    def messages(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise NotImplementedError

    def request(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        metadata = scalars(kwargs, _PARAMETERS)
        model = kwargs.get("model")
        return Request(
            _provider(owner),
            model if isinstance(model, str) else "unknown",
            self.messages(args, kwargs),
            metadata,
        )

    def prepare(self, owner: Any, kwargs: dict[str, Any]) -> dict[str, Any] | None:
        if not self.asks_for_usage:
            return None
        given = kwargs.get("stream_options", _ABSENT)
        if given is _ABSENT or type(given).__name__ in ("NotGiven", "Omit"):
            given = {}
        if not isinstance(given, dict) or "include_usage" in given:
            return None
        if "stream_options" in (kwargs.get("extra_body") or ()):
            return None
        if _base_url(owner) in _without_usage:
            return None
        return {**kwargs, "stream_options": {**given, "include_usage": True}}

    def refused(self, owner: Any, error: BaseException) -> bool:  # noqa: ARG002
        return getattr(error, "status_code", None) in _BAD_REQUEST

    def accepted_without(self, owner: Any) -> None:
        _without_usage.add(_base_url(owner))


_ABSENT = object()


class Chat(_Base):
    """`chat.completions.create`, `parse` and `stream`."""

    asks_for_usage = True

    def messages(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return kept(kwargs, "messages") if "messages" in kwargs else next(iter(args), None)

    answer = staticmethod(chat.answer)

    def accumulator(self, options: Options, *, injected: bool) -> Accumulator:
        return chat.Chunks(options, hide_usage=injected)


class Responses(_Base):
    """`responses.create`, `parse` and `stream`."""

    def messages(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG002
        given = kept(kwargs, "input")
        messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
        instructions = kwargs.get("instructions")
        if isinstance(instructions, str) and isinstance(messages, (list, tuple)):
            return [{"role": "system", "content": instructions}, *messages]
        return messages

    def request(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        made = super().request(owner, args, kwargs)
        _asking.set(made if kwargs.get("background") is True else None)
        return made

    def answer(self, response: Any, options: Options) -> Answer | None:
        asked = _asking.get()
        if asked is not None and _background.begun(response, asked):
            return None
        return responses.answer(response, options)

    def accumulator(self, options: Options, *, injected: bool) -> Accumulator:  # noqa: ARG002
        return responses.Events(options)


#: The background response that is being asked for.
_asking: ContextVar[Request | None] = ContextVar("sentrial_background", default=None)
_background = responses.Background()


class Retrieval(_Base):
    """`responses.retrieve`: the end of a background response."""

    def request(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        asked = _background.request(kwargs["response_id"] if "response_id" in kwargs else args[0])
        return asked or Request(_provider(owner), "unknown", None, {})

    def answer(self, response: Any, options: Options) -> Answer | None:
        return responses.answer(response, options) if _background.ended(response) else None

    def accumulator(self, options: Options, *, injected: bool) -> Accumulator:  # noqa: ARG002
        return responses.Events(options, _background)


class Completions(_Base):
    """The older `completions.create`."""

    asks_for_usage = True

    def messages(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG002
        prompt = kwargs.get("prompt")
        return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt

    def answer(self, response: Any, options: Options) -> Answer:  # noqa: ARG002
        return chat.answer_of_text(response)

    def accumulator(self, options: Options, *, injected: bool) -> Accumulator:
        return chat.Chunks(options, hide_usage=injected)


class Embeddings(_Base):
    """`embeddings.create`; the vectors are counted, not recorded."""

    def messages(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG002
        return kept(kwargs, "input")

    def answer(self, response: Any, options: Options) -> Answer:  # noqa: ARG002
        data = read(response, "data")
        fields: dict[str, Any] = {}
        if isinstance(data, list):
            fields["embeddings"] = len(data)
            vector = read(data[0], "embedding") if data else None
            if isinstance(vector, list):
                fields["dimensions"] = len(vector)
        return Answer("", of_openai(read(response, "usage")), fields, chat.identity(response))

    def accumulator(self, options: Options, *, injected: bool) -> Accumulator:
        return chat.Chunks(options, hide_usage=injected)


_CHAT = Chat()
_RESPONSES = Responses()
_RETRIEVAL = Retrieval()
_COMPLETIONS = Completions()
_EMBEDDINGS = Embeddings()

_Rule: TypeAlias = tuple[str, Method, tuple[str, ...], tuple[str, ...]]

#: Path of the resource below the client, and which of its methods are wrapped how.
_RESOURCES: tuple[_Rule, ...] = (
    ("chat.completions", _CHAT, ("create", "parse"), ("stream",)),
    ("responses", _RESPONSES, ("create", "parse"), ("stream",)),
    ("responses", _RETRIEVAL, ("retrieve",), ()),
    ("completions", _COMPLETIONS, ("create",), ()),
    ("embeddings", _EMBEDDINGS, ("create",), ()),
)
_BETA: tuple[_Rule, ...] = (
    ("beta.chat.completions", _CHAT, ("create", "parse"), ("stream",)),
    ("beta.responses", _RESPONSES, ("create", "parse"), ("stream",)),
)

_CLASSES: tuple[tuple[str, str, Method, tuple[str, ...], tuple[str, ...]], ...] = (
    ("openai.resources.chat.completions", "Completions", _CHAT, ("create", "parse"), ("stream",)),
    ("openai.resources.beta.chat.completions", "Completions", _CHAT, ("parse",), ("stream",)),
    ("openai.resources.responses", "Responses", _RESPONSES, ("create", "parse"), ("stream",)),
    ("openai.resources.responses", "Responses", _RETRIEVAL, ("retrieve",), ()),
    ("openai.resources.beta.responses", "Responses", _RESPONSES, ("create", "parse"), ("stream",)),
    ("openai.resources.completions", "Completions", _COMPLETIONS, ("create",), ()),
    ("openai.resources.embeddings", "Embeddings", _EMBEDDINGS, ("create",), ()),
)


def targets(client: Any, options: Options) -> Iterator[Target | Deferred]:
    """Give the methods of a client that are wrapped."""
    yield from _below(client, _RESOURCES, options)
    beta = functools.partial(_below, client, _BETA, options)
    if hasattr(type(client), "beta") and "openai.resources.beta" not in sys.modules:
        # From version 3 on, loading it takes most of a second.
        yield Deferred(client, "beta", beta)
    else:
        yield from beta()


def _below(client: Any, rules: tuple[_Rule, ...], options: Options) -> Iterator[Target]:
    for path, method, calls, helpers in rules:
        owner = resource(client, path)
        if owner is not None:
            yield from _of(owner, method, calls, helpers, options, bound=True)


def class_targets(options: Options) -> Iterator[Target]:
    """Give the methods of the package's classes that are wrapped."""
    import importlib

    for module, name, method, calls, helpers in _CLASSES:
        try:
            found = importlib.import_module(module)
        except ImportError:
            continue
        for cls in (getattr(found, name, None), getattr(found, f"Async{name}", None)):
            if cls is not None:
                yield from _of(cls, method, calls, helpers, options, bound=False)


def _of(
    owner: Any,
    method: Method,
    calls: tuple[str, ...],
    helpers: tuple[str, ...],
    options: Options,
    *,
    bound: bool,
) -> Iterator[Target]:
    for name in calls:
        yield Target(owner, name, lambda f: wrapped(f, method, options, bound=bound, owner=owner))
    for name in helpers:
        # The helpers ask through `create`, which is recorded there.
        yield Target(
            owner,
            name,
            lambda f: wrapped_helper(f, method, options, bound=bound, owner=owner, inner=True),
        )
