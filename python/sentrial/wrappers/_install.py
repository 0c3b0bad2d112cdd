"""`wrap_openai` and its like: putting the recording into a client, and taking it out again."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

from sentrial._patching import Undo, patch
from sentrial.wrappers._record import Options
from sentrial.wrappers._targets import install

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sentrial.wrappers._targets import Deferred, Target

__all__ = ["instrument", "unwrap", "wrap_anthropic", "wrap_google", "wrap_llm", "wrap_openai"]

C = TypeVar("C")

_WARNING = 30
_UNDO = "_sentrial_undo"
#: Methods that make another client of the same kind.
_COPIES = ("with_options", "copy")


def wrap_openai(
    client: C, track_without_session: bool = False, *, record_thinking: bool = True
) -> C:
    """Record the calls of an OpenAI client: sync or async, Azure, subclasses, compatible servers.

    Recorded are `chat.completions` and `responses` (`create`, `parse`, `stream`), `embeddings` and
    the older `completions`, also through `with_raw_response`, `with_streaming_response` and clients
    made by `with_options` or `copy`. Wrapping twice is wrapping once; `unwrap` takes it back.

    Args:
        client: The client; only this instance is changed.
        track_without_session: Record calls outside of a session in a session of their own. Default
            False: they are not recorded.
        record_thinking: Record what a model thought before it answered. Default True.

    Returns:
        The client. If it is none, it comes back unchanged, with one warning.
    """
    from sentrial.wrappers import _openai

    return _wrapped(
        client, Options(track_without_session, record_thinking), _openai.targets, "an OpenAI client"
    )


def wrap_anthropic(
    client: C, track_without_session: bool = False, *, record_thinking: bool = True
) -> C:
    """Record the calls of an Anthropic client: sync or async, Bedrock, Vertex, subclasses.

    Recorded are `messages` and `beta.messages` (`create`, `parse`, `stream`), also through
    `with_raw_response`, `with_streaming_response` and clients made by `with_options` or `copy`.

    Args:
        client: The client; only this instance is changed.
        track_without_session: As in `wrap_openai`.
        record_thinking: Record the model's thinking. Default True.

    Returns:
        The client. If it is none, it comes back unchanged, with one warning.
    """
    from sentrial.wrappers import _anthropic

    return _wrapped(
        client,
        Options(track_without_session, record_thinking),
        _anthropic.targets,
        "an Anthropic client",
    )


def wrap_google(
    model: C, track_without_session: bool = False, *, record_thinking: bool = True
) -> C:
    """Record the calls of a `google.genai.Client` or an older `GenerativeModel`.

    Recorded are `generate_content`, `generate_content_stream` and `embed_content` of the client's
    `models` and `aio.models`, or `generate_content` and `generate_content_async` of the model; and
    the chats made from either.

    Args:
        model: The client or model; only this instance is changed.
        track_without_session: As in `wrap_openai`.
        record_thinking: Record the model's thoughts. Default True.

    Returns:
        The client or model. If it is none, it comes back unchanged, with one warning.
    """
    options = Options(track_without_session, record_thinking)
    return _wrapped(model, options, _google_targets, "a Google client or model", copies=())


def _google_targets(model: Any, options: Options) -> Iterator[Target | Deferred]:
    from sentrial.wrappers import _google_genai, _google_generativeai

    # Each has what the other has not; a mock has both.
    yield from _google_genai.targets(model, options)
    yield from _google_generativeai.targets(model, options)


def wrap_llm(
    client: C,
    provider: str | None = None,
    track_without_session: bool = False,
    *,
    record_thinking: bool = True,
) -> C:
    """Record the calls of a client of any of the providers.

    Args:
        client: The client.
        provider: ``"openai"``, ``"anthropic"`` or ``"google"``. Default: known by the class of the
            client, or of one it is derived from.
        track_without_session: As in `wrap_openai`.
        record_thinking: As in `wrap_openai`.

    Returns:
        The client. If its provider is not known, it comes back unchanged, with one warning.
    """
    wrap = {
        "openai": wrap_openai,
        "anthropic": wrap_anthropic,
        "google": wrap_google,
    }.get(provider or _detected(client) or "")
    if wrap is None:
        _warn(
            f"{type(client).__name__} is no client of a known provider: its calls are not recorded"
        )
        return client
    return wrap(client, track_without_session, record_thinking=record_thinking)


def _detected(client: object) -> str | None:
    for cls in type(client).__mro__:
        if "openai" in cls.__module__ or cls.__name__ in ("OpenAI", "AsyncOpenAI"):
            return "openai"
        if "anthropic" in cls.__module__ or cls.__name__ in ("Anthropic", "AsyncAnthropic"):
            return "anthropic"
        if "google" in cls.__module__ or "GenerativeModel" in cls.__name__:
            return "google"
    return None


def unwrap(client: C) -> C:
    """Take back what `wrap_openai` and its like did to a client.

    Args:
        client: The client. One that is not wrapped stays as it is.

    Returns:
        The client.
    """
    undo = _undo_of(client)
    if undo is not None:
        vars(client).pop(_UNDO, None)
        undo()
    return client


def instrument(
    *providers: str, track_without_session: bool = False, record_thinking: bool = True
) -> Undo:
    """Record the calls of all clients, also of those other packages make, by their classes.

    Args:
        providers: ``"openai"``, ``"anthropic"``, ``"google"``. Default: all that are installed.
        track_without_session: As in `wrap_openai`.
        record_thinking: As in `wrap_openai`.

    Returns:
        A handle; called, it takes everything back.

    Raises:
        ValueError: A provider is not one of these.
    """
    from sentrial.wrappers import _anthropic, _google_genai, _google_generativeai, _openai

    known = {
        "openai": (_openai.class_targets,),
        "anthropic": (_anthropic.class_targets,),
        "google": (_google_genai.class_targets, _google_generativeai.class_targets),
    }
    unknown = sorted(set(providers) - set(known))
    if unknown:
        names = ", ".join(known)
        raise ValueError(f"provider: {', '.join(unknown)} is not one of {names}")
    options = Options(track_without_session, record_thinking)
    undo = Undo()
    for provider in providers or known:
        for find in known[provider]:
            undo.join(install(find(options)))
    return undo


def _wrapped(
    client: C,
    options: Options,
    find: Callable[[Any, Options], Iterable[Target | Deferred]],
    what: str,
    copies: tuple[str, ...] = _COPIES,
) -> C:
    try:
        found = list(find(client, options))
        undo = install(found)
    except Exception as problem:  # noqa: BLE001  a client of any shape must come back as it is
        _warn(f"{type(client).__name__} cannot be wrapped: {type(problem).__name__}: {problem}")
        return client
    if not undo:
        if not _is_wrapped(found):
            _warn(f"{type(client).__name__} is not {what}: its calls are not recorded")
        return client
    again = functools.partial(_wrapped, options=options, find=find, what=what)
    for name in copies:
        undo.join(patch(client, name, lambda original: _copying(original, again)))
    kept = _undo_of(client)
    if kept is not None:
        kept.join(undo)
        return client
    try:
        object.__setattr__(client, _UNDO, undo)
    except (AttributeError, TypeError):
        undo()
        _warn(f"{type(client).__name__} takes no attributes: its calls are not recorded")
    return client


def _copying(original: Callable[..., C], wrap: Callable[[C], C]) -> Callable[..., C]:
    return lambda *args, **kwargs: wrap(original(*args, **kwargs))


def _is_wrapped(found: list[Target | Deferred]) -> bool:
    from sentrial._patching import is_patched

    return any(is_patched(getattr(target.owner, target.name, None)) for target in found)


def _undo_of(client: object) -> Undo | None:
    try:
        undo = vars(client).get(_UNDO)
    except TypeError:
        return None
    return undo if isinstance(undo, Undo) else None


def _warn(line: str) -> None:
    from sentrial import _log

    _log.emit([(_WARNING, line)])
