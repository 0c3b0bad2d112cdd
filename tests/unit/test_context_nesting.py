"""Nested and interleaved interactions: which session is current, and what belongs to which."""

from __future__ import annotations

import gc
import itertools
from typing import TYPE_CHECKING

import pytest
import sentrial

from tests.support.sdk import KEY, client_for, in_loop, in_thread, sessions_sent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import RunPython
    from tests.support.collector import Collector

current = sentrial.get_session_context


@pytest.fixture
def client(collector: Collector) -> sentrial.SentrialClient:
    return client_for(collector)


def test_the_innermost_open_interaction_is_current(client: sentrial.SentrialClient) -> None:
    assert current() is None
    with client.begin("u", "outer") as outer:
        assert current() == outer.session_id
        with client.begin("u", "inner") as inner:
            assert current() == inner.session_id
            assert inner.session_id != outer.session_id
        assert current() == outer.session_id
    assert current() is None


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_finishing_in_any_order_leaves_only_open_sessions_current(
    client: sentrial.SentrialClient, order: tuple[int, ...]
) -> None:
    begun = [client.begin("u", f"agent{number}") for number in range(3)]
    ids = [interaction.session_id for interaction in begun]
    left = [0, 1, 2]
    for number in order:
        begun[number].finish()
        left.remove(number)
        assert current() == (ids[left[-1]] if left else None)


def test_a_long_chain_unwinds_in_order(client: sentrial.SentrialClient) -> None:
    begun = [client.begin("u", f"agent{number}") for number in range(7)]
    ids = [interaction.session_id for interaction in begun]
    for interaction in reversed(begun):
        assert current() == ids.pop()
        interaction.finish()
    assert current() is None


def test_a_very_long_chain_keeps_the_innermost_current(client: sentrial.SentrialClient) -> None:
    begun = [client.begin("u", f"agent{number}") for number in range(40)]
    for interaction in reversed(begun[1:]):
        assert current() == interaction.session_id
        interaction.finish()
    assert current() == begun[0].session_id
    begun[0].finish()
    assert current() is None


def test_open_sessions_of_any_number_leave_the_context_on_a_small_stack(
    run_python: RunPython, collector: Collector
) -> None:
    code = """
        import threading, sentrial

        client = sentrial.SentrialClient()

        def work():
            held = [client.begin("u", f"agent{number}") for number in range(3000)]
            while held:
                held.pop(0)
            print(sentrial.get_current_interaction())
            sentrial.clear_session_context()

        threading.stack_size(512 * 1024)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """
    env = {"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY}
    assert run_python(code, env=env).ok().stdout == "None\n"


def test_interleaved_interactions_keep_their_own_events_state_and_input(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    first = client.begin("u", "first", input="question 1")
    second = client.begin("u", "second", input="question 2")
    first.track_tool_call("search", {"n": 1}, {"hit": 1})
    second.track_tool_call("search", {"n": 2}, {"hit": 2})
    first.track_decision("from first")
    second.track_decision("from second")
    first.finish("answer 1")
    second.finish("answer 2")

    sessions = sessions_sent(client, collector)
    assert set(sessions) == {"sess_u_first_1", "sess_u_second_1"}
    for number, name in ((1, "first"), (2, "second")):
        _, call, decision, done = [request.json for request in sessions[f"sess_u_{name}_1"]]
        assert call["stateBefore"] == {"input": f"question {number}"}
        after = {"input": f"question {number}", "search_result": {"hit": number}}
        assert call["stateAfter"] == after
        assert decision["reasoning"] == f"from {name}"
        assert decision["stateBefore"] == decision["stateAfter"] == after
        assert (done["userInput"], done["assistantOutput"]) == (
            f"question {number}",
            f"answer {number}",
        )


def test_an_abandoned_interaction_leaves_the_context_and_is_counted(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    outer = client.begin("u", "outer")
    abandoned = client.begin("u", "abandoned")
    assert current() == abandoned.session_id
    del abandoned
    gc.collect()
    assert current() == outer.session_id
    assert client.stats()["abandoned"] == 1
    outer.finish()
    assert client.stats()["abandoned"] == 1, "a finished interaction is not abandoned"
    sessions = sessions_sent(client, collector)
    assert [r.method for r in sessions["sess_u_abandoned_1"]] == ["POST"], "no completion invented"


def test_an_abandoned_interaction_is_not_brought_back_by_its_id(
    client: sentrial.SentrialClient,
) -> None:
    interaction = client.begin("u", "abandoned")
    session = interaction.session_id
    del interaction
    gc.collect()
    client.track_decision(session, "late")
    assert current() is None


def test_finishing_in_another_thread_leaves_the_context_of_the_first(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    interaction = client.begin("u", "agent", input="question")
    in_thread(lambda: interaction.finish("answer"))
    assert current() is None
    done = sessions_sent(client, collector)["sess_u_agent_1"][-1].json
    assert (done["userInput"], done["assistantOutput"]) == ("question", "answer")


def test_finishing_in_another_thread_leaves_that_threads_own_session_alone(
    client: sentrial.SentrialClient,
) -> None:
    interaction = client.begin("u", "elsewhere")

    def work() -> tuple[str | None, str | None]:
        with client.begin("u", "own") as own:
            interaction.finish()
            return own.session_id, current()

    own, seen = in_thread(work)
    assert own == seen
    assert current() is None


def test_completing_by_id_ends_the_session_of_the_interaction(
    client: sentrial.SentrialClient,
) -> None:
    interaction = client.begin("u", "agent")
    client.complete_session(interaction.session_id)
    assert current() is None


def test_a_finished_interaction_takes_events_but_is_not_current(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    interaction = client.begin("u", "agent")
    interaction.finish()
    interaction.track_decision("afterwards")
    assert current() is None
    requests = sessions_sent(client, collector)["sess_u_agent_1"]
    assert [request.method for request in requests] == ["POST", "PATCH", "POST"]


def test_a_generator_that_holds_an_interaction_does_not_leak_it(
    client: sentrial.SentrialClient,
) -> None:
    def stream() -> Iterator[int]:
        with client.begin("u", "stream"):
            yield 1
            yield 2

    items = stream()
    next(items)
    with client.begin("u", "other") as other:
        items.close()
        assert current() == other.session_id
    assert current() is None


def test_a_session_finished_inside_a_task_is_over_for_the_one_that_began_it(
    client: sentrial.SentrialClient,
) -> None:
    async def main() -> str | None:
        interaction = client.begin("u", "agent")

        async def finish() -> None:
            interaction.finish()

        import asyncio

        await asyncio.create_task(finish())
        return current()

    assert in_loop(main()) is None
