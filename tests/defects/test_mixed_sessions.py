"""D8, C5-C8: state and context of one session never show in another."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import TYPE_CHECKING

import pytest
import sentrial

from tests.support.sdk import client_for, in_loop, in_thread, sessions_sent

if TYPE_CHECKING:
    from tests.support.collector import Collector

current = sentrial.get_session_context


@pytest.fixture
def client(collector: Collector) -> sentrial.SentrialClient:
    return client_for(collector)


def test_d8_interleaved_interactions_keep_their_inputs(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    first = client.begin("u1", "agent", input="question of u1")
    second = client.begin("u2", "agent", input="question of u2")
    first.track_decision("r")
    second.finish()
    first.finish()
    sessions = sessions_sent(client, collector)
    inputs = {session: requests[-1].json["userInput"] for session, requests in sessions.items()}
    assert inputs == {
        "sess_u1_agent_1": "question of u1",
        "sess_u2_agent_1": "question of u2",
    }


def test_c5_events_do_not_grow_with_every_tool(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "agent") as interaction:
        for number in range(200):
            interaction.track_tool_call(f"tool_{number}", {}, {"text": "x" * 1000})
    client.flush()
    sizes = [len(request.body) for request in collector.requests("POST", ".*/events")]
    assert len(sizes) == 200
    assert max(sizes) < 2 * 16384 + 4096
    assert max(sizes[100:]) < 1.5 * max(sizes[20:100])


def test_c5_snapshots_are_deep(client: sentrial.SentrialClient, collector: Collector) -> None:
    rows = [1]
    with collector.gate(), client.begin("u", "agent") as interaction:
        interaction.track_tool_call("t", {"rows": rows}, {"rows": rows})
        rows.append(2)
        interaction.track_tool_call("t", {"rows": rows}, {"rows": rows})
    first, second = (r.json for r in sessions_sent(client, collector)["sess_u_agent_1"][1:3])
    assert first["toolInput"] == {"rows": [1]}
    assert first["stateAfter"] == {"t_result": {"rows": [1]}}
    assert second["stateAfter"] == {"t_result": {"rows": [1, 2]}}


def test_c5_a_later_session_does_not_show_the_outputs_of_the_last(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    first = client.create_session("first")
    client.track_tool_call(first, "t", {}, {"secret": "of first"})
    client.complete_session(first)
    second = client.create_session("second")
    client.track_decision(second, "r")
    with client.begin("u", "third") as interaction:
        interaction.track_decision("r")
    client.flush()
    later = [request.body for request in collector.requests() if b"toolName" not in request.body]
    assert len(later) > 4
    assert not [body for body in later if b"of first" in body]


def test_c6_finishing_in_begin_order_leaves_no_finished_session_current(
    client: sentrial.SentrialClient,
) -> None:
    first, second = client.begin("u", "a"), client.begin("u", "b")
    first.finish()
    assert current() == second.session_id
    second.finish()
    assert current() is None


def test_c6_an_interaction_that_is_never_finished_does_not_stay_current(
    client: sentrial.SentrialClient,
) -> None:
    def handler() -> None:
        client.begin("u", "forgotten")

    handler()
    gc.collect()
    assert current() is None


def test_c7_an_inner_interaction_leaves_the_outer_ones_state_alone(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "outer", input="outer question") as outer:
        outer.track_tool_call("search", {}, {"of": "outer"})
        with client.begin("u", "inner", input="inner question") as inner:
            inner.track_tool_call("search", {}, {"of": "inner"})
        outer.track_decision("r")
    sessions = sessions_sent(client, collector)
    *_, decision, done = (request.json for request in sessions["sess_u_outer_1"])
    assert decision["stateBefore"] == {
        "input": "outer question",
        "search_result": {"of": "outer"},
    }
    assert done["userInput"] == "outer question"
    assert b"outer" not in b"".join(r.body for r in sessions["sess_u_inner_1"][1:])


def test_c8_tasks_do_not_store_each_others_data(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    async def handle(user: str) -> None:
        interaction = client.begin(user, "agent", input=f"secret of {user}")
        await asyncio.sleep(0)
        client.update_state("user", user)
        await asyncio.sleep(0)
        interaction.track_decision("r")
        await asyncio.sleep(0)
        interaction.finish()

    async def main() -> None:
        await asyncio.gather(*(handle(f"user{number}") for number in range(10)))

    in_loop(main())
    sessions = sessions_sent(client, collector)
    assert len(sessions) == 10
    for requests in sessions.values():
        user = requests[0].json["userId"]
        decision, done = requests[1].json, requests[2].json
        assert decision["stateBefore"] == {"input": f"secret of {user}", "user": user}
        assert done["userInput"] == f"secret of {user}"
        others = {f"user{number}" for number in range(10)} - {user}
        text = json.dumps([request.json for request in requests])
        assert not [other for other in others if f"secret of {other}" in text]


def test_c8_finishing_in_another_thread_keeps_the_input_and_the_context(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    interaction = client.begin("u", "agent", input="question")
    in_thread(lambda: interaction.finish("answer"))
    assert current() is None
    done = sessions_sent(client, collector)["sess_u_agent_1"][-1].json
    assert done["userInput"] == "question"
