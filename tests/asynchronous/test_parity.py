"""The async classes have everything that the sync ones have, with the same parameters (A2)."""

from __future__ import annotations

import inspect
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import pytest
from sentrial import (
    AsyncInteraction,
    AsyncSentrialClient,
    Interaction,
    SentrialClient,
    begin_async,
    configure,
    configure_async,
)
from sentrial import begin as begin_sync
from sentrial._async_interaction import Beginning

if TYPE_CHECKING:
    from collections.abc import Callable

PAIRS = [(SentrialClient, AsyncSentrialClient), (Interaction, AsyncInteraction)]

#: What is a plain call in the async client too, because it never waits.
PLAIN = {
    "begin",
    "calculate_anthropic_cost",
    "calculate_google_cost",
    "calculate_openai_cost",
    "redact",
    "redaction_report",
    "set_output",
    "stats",
    "update_state",
}


def public(cls: type) -> list[str]:
    return [name for name in dir(cls) if not name.startswith("_")]


def methods() -> list[tuple[type, type, str]]:
    return [
        (sync, other, name)
        for sync, other in PAIRS
        for name in public(sync)
        if callable(getattr(sync, name))
    ]


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    found = inspect.signature(function).parameters.values()
    # Native methods have a self that is positional only.
    return [(each.name, each.kind) for each in found if each.name != "self"]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].__name__)
def test_every_name_of_the_sync_class_is_there(pair: tuple[type, type]) -> None:
    sync, other = pair
    instance = {"client", "event", "event_id", "user_id"} if other is AsyncInteraction else set()
    assert set(public(sync)) <= set(public(other)) | instance


@pytest.mark.parametrize(("sync", "other", "name"), methods())
def test_every_method_takes_the_same_parameters(sync: type, other: type, name: str) -> None:
    ours, theirs = parameters(getattr(other, name)), parameters(getattr(sync, name))
    if ours and ours[-1][1] is inspect.Parameter.VAR_KEYWORD:
        named = ours[:-1]
        assert theirs[: len(named)] == named
    else:
        assert ours == theirs


@pytest.mark.parametrize(("sync", "other", "name"), methods())
def test_what_may_wait_is_a_coroutine(sync: type, other: type, name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(other, name)) is (name not in PLAIN)


def test_the_constructors_take_the_same() -> None:
    ours, theirs = parameters(AsyncSentrialClient), parameters(SentrialClient)
    assert ours[:-1] == theirs[: len(ours) - 1]
    assert all(kind is inspect.Parameter.KEYWORD_ONLY for _, kind in theirs[len(ours) - 1 :])


def test_the_functions_take_the_same() -> None:
    assert parameters(begin_async) == parameters(begin_sync)
    assert parameters(configure_async)[:-1] == parameters(configure)[:5]
    assert inspect.iscoroutinefunction(configure_async)
    assert issubclass(Beginning, Coroutine)


def test_the_documented_module_is_shown() -> None:
    assert AsyncSentrialClient.__module__ == AsyncInteraction.__module__ == "sentrial.async_client"
