"""Threads and tasks: each has its own current session, and nothing mixes."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import sentrial

from tests.support.sdk import client_for, in_loop, in_thread, sessions_sent

if TYPE_CHECKING:
    from tests.support.collector import Collector
    from tests.support.recorded import Request

current = sentrial.get_session_context


@pytest.fixture
def client(collector: Collector) -> sentrial.SentrialClient:
    return client_for(collector)


def assert_nothing_is_mixed(sessions: dict[str, list[Request]], count: int) -> None:
    """Each session holds what its own user did: see ``work`` in the tests."""
    assert len(sessions) == count
    for session, requests in sessions.items():
        created, *events, done = [request.json for request in requests]
        user = created["userId"]
        assert session == f"sess_{user}_agent_1"
        assert len(events) == 3
        for number, event in enumerate(events):
            assert event["toolInput"] == {"user": user, "n": number}
            assert event["stateBefore"]["input"] == f"asked by {user}"
            if number:
                assert event["stateBefore"]["who_result"] == {"user": user, "n": number - 1}
        assert done["userInput"] == f"asked by {user}"
        assert done["assistantOutput"] == f"answer for {user}"


@sentrial.tool
def who(user: str, n: int) -> dict[str, object]:
    return {"user": user, "n": n}


@sentrial.tool("who")
async def who_async(user: str, n: int) -> dict[str, object]:
    await asyncio.sleep(0)
    return {"user": user, "n": n}


def test_threads_do_not_share_sessions_or_state(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    barrier = threading.Barrier(8)

    def work(user: str) -> None:
        with client.begin(user, "agent", input=f"asked by {user}") as interaction:
            for number in range(3):
                barrier.wait(10)
                who(user, number)
                assert current() == interaction.session_id
            interaction.set_output(f"answer for {user}")
        assert current() is None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [f"u{number}" for number in range(8)]))
    assert_nothing_is_mixed(sessions_sent(client, collector), 8)


def test_tasks_of_one_thread_do_not_share_sessions_or_state(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    async def work(user: str) -> None:
        with client.begin(user, "agent", input=f"asked by {user}") as interaction:
            for number in range(3):
                await who_async(user, number)
                await asyncio.sleep(0.001)
            interaction.set_output(f"answer for {user}")

    async def main() -> None:
        await asyncio.gather(*(work(f"u{number}") for number in range(20)))
        assert current() is None

    in_loop(main())
    assert_nothing_is_mixed(sessions_sent(client, collector), 20)


def test_worker_threads_of_a_loop_inherit_the_session(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    async def work(user: str) -> None:
        with client.begin(user, "agent", input=f"asked by {user}") as interaction:
            for number in range(3):
                await asyncio.to_thread(who, user, number)
            interaction.set_output(f"answer for {user}")

    async def main() -> None:
        await asyncio.gather(*(work(f"u{number}") for number in range(10)))

    in_loop(main())
    assert_nothing_is_mixed(sessions_sent(client, collector), 10)


def test_a_task_inherits_the_session_and_its_own_does_not_come_out(
    client: sentrial.SentrialClient,
) -> None:
    async def child() -> tuple[str | None, str | None]:
        inherited = current()
        own = client.begin("u", "child")
        try:
            return inherited, current()
        finally:
            own.finish()

    async def main() -> None:
        with client.begin("u", "parent") as parent:
            results = await asyncio.gather(child(), child())
            assert {inherited for inherited, _ in results} == {parent.session_id}
            assert len({own for _, own in results} | {parent.session_id}) == 3
            assert current() == parent.session_id

    in_loop(main())


def test_a_session_left_open_in_a_task_does_not_come_out(client: sentrial.SentrialClient) -> None:
    kept = []

    async def child() -> None:
        kept.append(client.begin("u", "child"))

    async def main() -> str | None:
        await asyncio.create_task(child())
        return current()

    assert in_loop(main()) is None
    kept[0].finish()


def test_a_new_thread_has_no_session_unless_the_context_is_copied(
    client: sentrial.SentrialClient,
) -> None:
    with client.begin("u", "agent") as interaction:
        assert in_thread(current) is None
        copied = contextvars.copy_context()
        assert in_thread(lambda: copied.run(current)) == interaction.session_id


def test_a_callback_that_outlives_the_session_attaches_to_nothing(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "agent"):
        copied = contextvars.copy_context()
    assert copied.run(current) is None
    assert copied.run(who, "u", 1) == {"user": "u", "n": 1}
    requests = sessions_sent(client, collector)["sess_u_agent_1"]
    assert [request.method for request in requests] == ["POST", "PATCH"]


def test_one_interaction_shared_by_threads_loses_no_event(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "agent") as interaction, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: interaction.track_decision(f"{n}"), range(400)))
    requests = sessions_sent(client, collector)["sess_u_agent_1"]
    reasons = {request.json["reasoning"] for request in requests[1:-1]}
    assert reasons == {str(number) for number in range(400)}
    assert requests[-1].method == "PATCH"


def test_concurrent_calls_of_finish_complete_once(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    interaction = client.begin("u", "agent")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: interaction.finish(f"{n}"), range(64)))
    requests = sessions_sent(client, collector)["sess_u_agent_1"]
    assert [request.method for request in requests] == ["POST", "PATCH"]


def test_tasks_of_one_parent_never_see_each_others_state_before_a_session(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    async def task(name: str) -> None:
        client.update_state(name, 1)
        await asyncio.sleep(0)
        client.current_state["also " + name] = 2
        await asyncio.sleep(0)
        client.track_decision(f"sess_{name}", "r")

    async def parent() -> None:
        client.update_state("parent", 0)
        await asyncio.gather(task("a"), task("b"))
        client.track_decision("sess_parent", "r")

    in_loop(parent())
    states = {
        session: requests[0].json["stateBefore"]
        for session, requests in sessions_sent(client, collector).items()
    }
    assert states == {
        "sess_a": {"parent": 0, "a": 1, "also a": 2},
        "sess_b": {"parent": 0, "b": 1, "also b": 2},
        "sess_parent": {"parent": 0},
    }


def test_outputs_of_tools_before_a_session_stay_in_their_task(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    async def task(name: str) -> None:
        for _ in range(2):
            client.track_tool_call(f"sess_{name}", name, {}, {"from": name})
            await asyncio.sleep(0)

    async def parent() -> None:
        client.update_state("parent", 0)
        await asyncio.gather(task("a"), task("b"))

    in_loop(parent())
    sent = sessions_sent(client, collector)
    for name in ("a", "b"):
        first, second = [request.json for request in sent[f"sess_{name}"]]
        assert first["stateBefore"] == {"parent": 0}
        assert second["stateBefore"] == {"parent": 0, f"{name}_result": {"from": name}}


def test_a_copied_context_has_a_state_of_its_own_and_keeps_it(
    client: sentrial.SentrialClient,
) -> None:
    client.update_state("parent", 0)
    mine = client.current_state
    copied = contextvars.copy_context()
    copied.run(client.update_state, "copied", 1)
    in_thread(lambda: copied.run(client.update_state, "in a thread", 2))
    assert copied.run(lambda: client.current_state) == {"parent": 0, "copied": 1, "in a thread": 2}
    assert client.current_state is mine
    assert mine == {"parent": 0}


def test_threads_have_a_state_of_their_own_before_a_session(
    client: sentrial.SentrialClient,
) -> None:
    client.update_state("parent", 0)
    in_thread(lambda: client.update_state("one", 1))
    assert in_thread(lambda: dict(client.current_state)).get("one") is None
    assert client.current_state == {"parent": 0}
