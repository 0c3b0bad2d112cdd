"""The next framework is one small file: this one, for a framework that nobody knows.

The framework is a class of the test; what is integrated with it is the base that the integrations
share: the requirement, one hook per object and its undo, silence, and usage that counts once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial.integrations import base, versions
from sentrial.integrations.base import Handler, Hook, cost_of, count, quietly, text_of
from sentrial.integrations.versions import REQUIREMENTS, Requirement
from sentrial.wrappers import Usage
from sentrial.wrappers._innermost import Scope

from tests.integrations.events import Sent
from tests.support.sdk import messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.collector import Collector

# -- the framework


class Answer:
    """What an agent of the framework answers."""

    def __init__(self, text: str, model: str, tokens: tuple[Any, Any]) -> None:
        self.text = text
        self.model = model
        self.tokens = tokens


class Agent:
    """An agent of the framework."""

    def __init__(self, think: Callable[[str], Any]) -> None:
        self.think = think

    def run(self, question: str) -> Any:
        """Answer a question."""
        return self.think(question)


# -- its integration


class PocketHandler(Handler):
    """Records the runs of agents."""

    def __init__(self, client: sentrial.SentrialClient, session_id: str) -> None:
        super().__init__(client, session_id)
        versions.check("pocket")

    def wrap(self, agent: Agent) -> Agent:
        """Record the runs of an agent from now on."""
        hook = Hook.on(agent, "run")
        if hook is not None:
            hook.handler = self
            return agent
        hook = Hook(self)

        def wrap_run(run: Callable[..., Any]) -> Callable[..., Any]:
            def recorded(question: str) -> Any:
                with Scope() as scope:
                    hook.handler.asked(question)
                    answer = run(question)
                    hook.handler.answered(answer, scope)
                return answer

            return recorded

        hook.into(agent, "run", wrap_run)
        return agent

    @staticmethod
    def unwrap(agent: Agent) -> None:
        """Take it out again."""
        hook = Hook.on(agent, "run")
        if hook is not None:
            hook.undo()

    @quietly
    def asked(self, question: str) -> None:
        """Note what the user asked."""
        self._begin()
        self.set_input(text_of(question))

    @quietly
    def answered(self, answer: Any, scope: Scope) -> None:
        """Note what the agent answered, and what it used."""
        self.assistant_output = text_of(answer.text)
        self.model_name = answer.model
        usage = Usage(count(answer.tokens[0]), output_tokens=count(answer.tokens[1]))
        cost = cost_of(None, self.model_name, usage)
        self._add_totals(usage, cost)
        if scope.claim():
            self._add_usage(usage, cost)

    def finish(self, success: bool = True) -> dict[str, Any]:
        """Complete the session."""
        return self._complete(success, None, None)


# -- what it does


@pytest.fixture(autouse=True)
def requirement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REQUIREMENTS, "pocket", Requirement("pytest", (1,), "pocket"))
    monkeypatch.setattr(versions, "_checked", set())


def think(question: str) -> Answer:
    return Answer(f"re: {question}", "gpt-4o", (100, 20))


def test_a_run_is_recorded_with_its_usage(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    handler = PocketHandler(client, "s")
    assert handler.wrap(Agent(think)).run("why?").text == "re: why?"
    handler.finish()
    done = Sent(client, collector).completion()
    assert (done["userInput"], done["assistantOutput"]) == ("why?", "re: why?")
    assert (done["promptTokens"], done["completionTokens"]) == (100, 20)
    assert done["estimatedCost"] == pytest.approx(handler.total_cost) != 0


def test_what_a_wrapped_client_recorded_counts_once(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    def calls_a_model(question: str) -> Answer:
        with sentrial.llm_call("gpt-4o") as call:
            call.set_usage(prompt_tokens=100, completion_tokens=20)
        return think(question)

    with client.begin("u", "pocket") as session:
        handler = PocketHandler(client, session.session_id)
        handler.wrap(Agent(calls_a_model)).run("why?")
        handler.finish()
    done = Sent(client, collector).completions()[0]
    assert (done["promptTokens"], done["completionTokens"]) == (100, 20)


def test_wrapping_twice_records_once_and_for_the_later_handler(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    agent = Agent(think)
    first, second = PocketHandler(client, "s1"), PocketHandler(client, "s2")
    first.wrap(agent)
    second.wrap(agent)
    agent.run("why?")
    assert (first.total_tokens, second.total_tokens) == (0, 120)
    PocketHandler.unwrap(agent)
    assert "run" not in vars(agent)
    agent.run("again")
    assert second.total_tokens == 120
    assert Sent(client, collector).bodies == []


@pytest.mark.swallows
@pytest.mark.parametrize("odd", [None, object(), Answer("x", None, (None, "7"))])  # type: ignore[arg-type]
def test_what_lacks_attributes_breaks_nothing(
    client: sentrial.SentrialClient, monkeypatch: pytest.MonkeyPatch, odd: Any
) -> None:
    monkeypatch.setattr(base, "_reported", set())
    handler = PocketHandler(client, "s")
    assert handler.wrap(Agent(lambda _: odd)).run("why?") is odd
    assert handler.total_tokens == 0


def test_an_older_version_gives_one_warning(
    client: sentrial.SentrialClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(REQUIREMENTS, "pocket", Requirement("pytest", (9999,), "pocket"))
    PocketHandler(client, "s")
    PocketHandler(client, "s")
    (line,) = messages(caplog)
    assert "is older than 9999" in line
