"""The current session goes into threads, requests and child processes, and never stays behind."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial.propagation import HEADER

from tests.support.sdk import client_for, in_loop, in_thread, sessions_sent

if TYPE_CHECKING:
    from tests.support.collector import Collector


@pytest.fixture
def client(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> sentrial.SentrialClient:
    made = client_for(collector)
    monkeypatch.setattr("sentrial.client._default", made)
    return made


@sentrial.tool
def note(text: str) -> str:
    return text


def notes(client: sentrial.SentrialClient, collector: Collector) -> dict[str, list[str]]:
    return {
        session: [r.json["toolInput"]["text"] for r in requests if r.path.endswith("/events")]
        for session, requests in sessions_sent(client, collector).items()
    }


def test_await_tasks_gather_and_to_thread_need_nothing(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    async def step(text: str) -> None:
        await asyncio.sleep(0)
        note(text)

    async def one(n: int) -> None:
        with client.begin(f"u{n}", "a"):
            await step("await")
            await asyncio.create_task(step("task"))
            await asyncio.gather(step("gather"), step("gather"))
            await asyncio.to_thread(note, "thread")

    async def use() -> None:
        await asyncio.gather(*(one(n) for n in range(4)))

    in_loop(use())
    for session in notes(client, collector).values():
        assert session == ["await", "task", "gather", "gather", "thread"]


def test_a_thread_knows_no_session_unless_it_is_propagated(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "a"):
        in_thread(lambda: note("lost"))
        in_thread(sentrial.propagate(lambda: note("kept")))
    assert notes(client, collector) == {"sess_u_a_1": ["kept"]}


def test_a_propagated_function_may_run_many_times_at_once(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    gate = threading.Barrier(4)

    def work(n: int) -> int:
        gate.wait(10)
        note(str(n))
        return n

    with client.begin("u", "a"):
        bound = sentrial.propagate(work)
        assert bound.__name__ == "work"
    with client.begin("u", "b"):
        with client.begin("v", "c"):
            bound = sentrial.propagate(work)
            threads = [threading.Thread(target=bound, args=(n,)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
        note("after")
    found = notes(client, collector)
    assert sorted(found["sess_v_c_1"]) == ["0", "1", "2", "3"]
    assert found["sess_u_b_1"] == ["after"]


def test_a_propagated_coroutine_function(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    async def work(text: str) -> str:
        await asyncio.sleep(0)
        return note(text)

    interaction = client.begin("u", "a")
    bound = sentrial.propagate(work)
    sentrial.clear_session_context()

    async def use() -> None:
        assert asyncio.iscoroutinefunction(bound)
        assert await asyncio.gather(bound("x"), bound("y")) == ["x", "y"]
        assert sentrial.get_session_context() is None

    in_loop(use())
    interaction.finish()
    assert notes(client, collector) == {"sess_u_a_1": ["x", "y"]}


def test_an_executor_whose_calls_see_the_session_of_the_caller(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with sentrial.PropagatingExecutor(ThreadPoolExecutor(3)) as pool:
        for user in ("u", "v"):
            with client.begin(user, "a"):
                assert pool.submit(note, text=user).result(10) == user
                assert list(pool.map(note, [user] * 5)) == [user] * 5
        assert pool.submit(sentrial.get_session_context).result(10) is None
    with pytest.raises(RuntimeError):
        pool.submit(note, "closed")
    assert notes(client, collector) == {"sess_u_a_1": ["u"] * 6, "sess_v_a_1": ["v"] * 6}


@pytest.mark.parametrize("where", ["here", "another thread", "another task"])
def test_a_finished_session_is_never_current(
    client: sentrial.SentrialClient, collector: Collector, where: str
) -> None:
    outer = client.begin("u", "outer")
    inner = client.begin("u", "inner")

    async def finish() -> None:
        await asyncio.create_task(asyncio.to_thread(outer.finish))

    # Out of order.
    if where == "here":
        outer.finish()
    elif where == "another thread":
        in_thread(outer.finish)
    else:
        in_loop(finish())
    assert sentrial.get_current_interaction() is inner
    in_thread(inner.finish)
    assert sentrial.get_session_context() is None
    assert sentrial.get_current_interaction() is None
    note("nobody's")
    assert all(texts == [] for texts in notes(client, collector).values())


def test_blocks_left_in_another_context_raise_nothing(client: sentrial.SentrialClient) -> None:
    async def steps() -> Any:
        with client.begin("u", "a"):
            yield 1
            yield 2

    async def use() -> None:
        generator = steps()
        # Each step, and the end, in a task, so in a context, of its own.
        assert await asyncio.create_task(generator.__anext__()) == 1
        assert await asyncio.create_task(generator.__anext__()) == 2
        await asyncio.create_task(generator.aclose())

    in_loop(use())
    assert sentrial.get_session_context() is None


def test_headers_carry_the_session_to_another_service(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    assert sentrial.inject_headers() == {}
    with client.begin("u", "caller"):
        headers = sentrial.inject_headers({"Accept": "*/*"})
    assert headers == {"Accept": "*/*", HEADER: "sess_u_caller_1"}
    assert sentrial.get_session_context() is None
    other = client_for(collector)
    for form in (
        headers,
        {HEADER.lower(): "sess_u_caller_1"},
        [(HEADER.lower().encode(), b"sess_u_caller_1")],
    ):
        with sentrial.extract_headers(form, other) as remote:  # type: ignore[arg-type]
            assert remote.session_id == sentrial.get_session_context() == "sess_u_caller_1"
            note("there")
            with other.begin("u", "callee"):
                note("child")
            note("there again")
        assert sentrial.get_session_context() is None
    sent = sessions_sent(other, collector)
    assert sent["sess_u_callee_1"][0].json["parentSessionId"] == "sess_u_caller_1"
    assert notes(other, collector)["sess_u_caller_1"] == ["there", "there again"] * 3
    assert notes(other, collector)["sess_u_callee_1"] == ["child"]


def test_odd_ids_survive_a_header(client: sentrial.SentrialClient) -> None:
    odd = "sess ü/%0d?x"
    sentrial.set_session_context(odd, client)
    headers = sentrial.inject_headers({})
    assert headers[HEADER].isascii()
    sentrial.clear_session_context()
    with sentrial.extract_headers(headers, client):
        assert sentrial.get_session_context() == odd


@pytest.mark.parametrize("value", [None, "", "  ", "%0d%0aX: y", "x" * 2000])
def test_a_request_without_a_usable_header_changes_nothing(
    client: sentrial.SentrialClient, value: str | None
) -> None:
    headers = {} if value is None else {HEADER: value}
    with sentrial.extract_headers(headers) as remote:
        assert remote.session_id is None
        assert sentrial.get_session_context() is None
    with client.begin("u", "a") as mine, sentrial.extract_headers(headers):
        assert sentrial.get_current_interaction() is mine


def test_nesting_is_by_blocks(client: sentrial.SentrialClient, collector: Collector) -> None:
    begun = [client.begin(f"u{n}", "batch") for n in range(3)]
    for one in begun:
        one.finish()
    with client.begin("u", "outer"), client.begin("u", "inner"):
        pass
    with client.begin("u", "explicit"):
        client.begin("u", "other", parent_session_id="sess_given").finish()
    other = client_for(collector)
    with client.begin("u", "mine"):
        other.begin("u", "theirs").finish()
    other.flush()
    sent = {
        session: requests[0].json.get("parentSessionId")
        for session, requests in sessions_sent(client, collector).items()
    }
    assert {session: parent for session, parent in sent.items() if parent} == {
        "sess_u_inner_1": "sess_u_outer_1",
        "sess_u_other_1": "sess_given",
    }
    assert len(sent) == 9
