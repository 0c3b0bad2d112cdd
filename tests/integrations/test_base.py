"""The base of the integrations: requirements, silence, hooks, usage."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from sentrial.integrations import base, versions
from sentrial.integrations.base import Handler, Hook, quietly
from sentrial.integrations.usage import of_parts
from sentrial.integrations.versions import REQUIREMENTS, Requirement
from sentrial.wrappers import Usage

from tests.integrations.events import Sent
from tests.support.sdk import client_for, messages

if TYPE_CHECKING:
    from collections.abc import Callable

    import sentrial

    from tests.support.collector import Collector


@pytest.fixture
def requirement(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, tuple[int, ...]], None]:
    """Give a function that adds a requirement, of which no check has been made."""
    monkeypatch.setattr(versions, "_checked", set())

    def add(distribution: str, minimum: tuple[int, ...]) -> None:
        monkeypatch.setitem(REQUIREMENTS, "mine", Requirement(distribution, minimum, "mine"))

    return add


def test_a_version_below_the_minimum_gives_one_warning(
    requirement: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    requirement("pytest", (9999, 1))
    versions.check("mine")
    versions.check("mine")
    (line,) = messages(caplog)
    assert line.startswith("pytest ")
    assert "is older than 9999.1" in line
    assert line.endswith("pip install -U 'sentrial[mine]'")


@pytest.mark.parametrize(("name", "minimum"), [("pytest", (1, 0)), ("not-installed-here", (1,))])
def test_what_is_new_enough_or_not_there_gives_none(
    requirement: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    name: str,
    minimum: tuple[int, ...],
) -> None:
    requirement(name, minimum)
    versions.check("mine")
    assert messages(caplog) == []


@pytest.mark.parametrize(
    ("text", "numbers"), [("1.2.3", (1, 2, 3)), ("2.0rc1", (2, 0)), ("0.4.9.3+x", (0, 4, 9, 3))]
)
def test_versions_are_read_as_numbers(
    monkeypatch: pytest.MonkeyPatch, text: str, numbers: tuple[int, ...]
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _: text)
    assert versions.installed("langchain") == numbers


def test_what_is_missing_says_how_to_get_it() -> None:
    error = versions.missing("crewai", "SentrialCrewHandler")
    assert str(error) == (
        "SentrialCrewHandler needs crewai, which is not installed: "
        "pip install -U 'sentrial[crewai]'"
    )


@pytest.mark.swallows
def test_what_cannot_be_recorded_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(base, "_reported", set())

    @quietly
    def failing() -> None:
        raise ValueError("hidden")

    assert failing() is None
    assert failing() is None
    assert len(messages(caplog)) == 1
    assert len(messages(caplog, logging.DEBUG)) == 2


def test_silence_does_not_reach_further_than_exceptions() -> None:
    @quietly
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


class _Thing:
    def work(self) -> str:
        return "done"


def _wrap(method: Callable[..., Any]) -> Callable[..., Any]:
    return lambda: f"wrapped {method()}"


def test_a_hook_is_installed_once_and_can_be_undone() -> None:
    thing = _Thing()
    hook = Hook("first")
    assert hook.into(thing, "work", _wrap)
    assert not Hook("second").into(thing, "work", _wrap)
    assert thing.work() == "wrapped done"
    found = Hook.on(thing, "work")
    assert found is hook
    found.handler = "second"
    assert hook.handler == "second"
    hook.undo()
    assert thing.work() == "done"
    assert Hook.on(thing, "work") is None
    assert "work" not in vars(thing)


@pytest.mark.parametrize("owner", [None, 3, object(), _Thing()])
def test_there_is_no_hook_where_none_was_installed(owner: Any) -> None:
    assert Hook.on(owner, "work") is None


def test_parts_of_a_whole_do_not_overlap() -> None:
    usage = of_parts(prompt=100, completion=20, cache_read=60, cache_write=30, reasoning=50)
    assert usage == Usage(10, 60, 30, 0, 20)
    assert (usage.prompt_tokens, usage.completion_tokens) == (100, 20)


@pytest.mark.parametrize("tokens", [None, "7", -1, float("nan"), float("inf"), object(), []])
def test_what_is_no_count_counts_nothing(tokens: Any) -> None:
    assert base.count(tokens) == 0


def test_usage_without_an_event_is_in_the_totals(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    handler = Handler(client, "s")
    handler._add_usage(Usage(100, output_tokens=20), 0.25)
    handler._add_usage(Usage(1), None)
    handler._complete(True, None, None)
    done = Sent(client, collector).completion()
    assert (done["promptTokens"], done["completionTokens"], done["totalTokens"]) == (101, 20, 121)
    assert done["estimatedCost"] == 0.25


def test_a_handler_takes_the_interaction_itself(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with collector.gate():
        # Its id is not known yet.
        interaction = client.begin("u", "chat", input="q")
        handler = Handler(client, interaction)
        handler._add_usage(Usage(100), 0.25)
        handler._complete(True, None, None)
    done = Sent(client, collector).completion()
    assert (done["promptTokens"], done["estimatedCost"]) == (100, 0.25)


def test_usage_for_what_is_no_session_goes_nowhere(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    handler = Handler(client, "")
    handler._add_usage(Usage(100), 0.25)
    assert Sent(client, collector).bodies == []


def test_usage_of_a_disabled_client_goes_nowhere(collector: Collector) -> None:
    client = client_for(collector)
    handler = Handler(client, None)
    handler._add_usage(Usage(100), 1.0)
    assert handler._complete(True, None, None) == {}
    assert Sent(client, collector).bodies == []
