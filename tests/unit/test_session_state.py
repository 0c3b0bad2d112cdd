"""State belongs to a session: what events show before and after, and how much of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.sdk import bodies_sent, client_for, last_body, sessions_sent

if TYPE_CHECKING:
    import sentrial

    from tests.support.collector import Collector


@pytest.fixture
def client(collector: Collector) -> sentrial.SentrialClient:
    return client_for(collector)


def size(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":")))


def test_a_tool_call_stores_its_output_under_the_tools_name(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    session = client.create_session("n")
    client.track_tool_call(session, "search", {}, {"hits": 3})
    client.track_tool_call(session, "count", {}, 7)
    client.track_tool_call(session, "search", {}, None)
    first, second, third = bodies_sent(client, collector)[1:]
    assert (first["stateBefore"], first["stateAfter"]) == ({}, {"search_result": {"hits": 3}})
    assert second["stateBefore"] == first["stateAfter"]
    assert second["stateAfter"] == {"search_result": {"hits": 3}, "count_result": 7}
    assert third["stateAfter"] == {"search_result": None, "count_result": 7}


def test_an_update_shows_in_what_follows(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    session = client.create_session("n")
    client.track_decision(session, "before")
    client.update_state("mood", "good")
    client.track_decision(session, "after")
    before, after = bodies_sent(client, collector)[1:]
    assert before["stateBefore"] == before["stateAfter"] == {}
    assert after["stateBefore"] == after["stateAfter"] == {"mood": "good"}


def test_the_state_is_a_live_dict_and_can_be_replaced(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    session = client.create_session("n")
    client.current_state["a"] = 1
    assert client.current_state == {"a": 1}
    mine = {"b": 2}
    client.current_state = mine
    assert client.current_state is mine
    client.update_state("c", 3)
    assert mine == {"b": 2, "c": 3}
    client.track_decision(session, "r")
    assert last_body(client, collector)["stateBefore"] == {"b": 2, "c": 3}


def test_the_state_is_that_of_the_current_session(client: sentrial.SentrialClient) -> None:
    with client.begin("u", "outer", input="o"):
        client.update_state("k", 1)
        with client.begin("u", "inner", input="i"):
            assert client.current_state == {"input": "i"}
            client.update_state("k", 2)
        assert client.current_state == {"input": "o", "k": 1}


def test_calls_by_id_use_the_state_of_their_session(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    first = client.create_session("first")
    client.update_state("of", "first")
    second = client.create_session("second")
    client.update_state("of", "second")
    client.track_decision(first, "r")
    client.track_decision(second, "r")
    states = [body["stateBefore"] for body in bodies_sent(client, collector)[2:]]
    assert states == [{"of": "first"}, {"of": "second"}]


def test_an_unknown_id_uses_the_current_state(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.create_session("n")
    client.update_state("k", 1)
    client.track_decision("sess_of_another_process", "r")
    assert last_body(client, collector)["stateBefore"] == {"k": 1}


def test_what_was_set_before_a_session_goes_into_events_and_is_discarded_by_the_next_create(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    client.update_state("early", True)
    client.track_decision("sess_unknown", "r")
    assert client.current_state == {"early": True}
    session = client.create_session("n")
    assert client.current_state == {}
    client.track_decision(session, "r")
    states = [body["stateBefore"] for body in bodies_sent(client, collector) if "reasoning" in body]
    assert states == [{"early": True}, {}]


def test_what_was_set_before_an_interaction_is_not_in_it(
    client: sentrial.SentrialClient,
) -> None:
    client.update_state("early", True)
    with client.begin("u", "agent", input="q"):
        assert client.current_state == {"input": "q"}


def test_the_users_own_objects_are_neither_changed_nor_kept(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    session = client.create_session("n")
    output = {"rows": [1]}
    client.track_tool_call(session, "t", {}, output)
    output["rows"].append(2)
    assert last_body(client, collector)["stateAfter"] == {"t_result": {"rows": [1]}}
    assert output == {"rows": [1, 2]}


def test_changing_the_input_in_the_state_does_not_change_the_users_input(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "agent", input="asked"):
        client.update_state("input", "changed")
    assert last_body(client, collector)["userInput"] == "asked"


def test_the_input_is_sent_also_if_state_changed_elsewhere(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    with client.begin("u", "agent", input="asked"):
        client.current_state = {}
    assert last_body(client, collector)["userInput"] == "asked"


def test_a_state_within_the_bound_is_sent_in_full(collector: Collector) -> None:
    client = client_for(collector, max_state_bytes=4096)
    session = client.create_session("n")
    client.current_state = {"a": "x" * 1000, "b": "y" * 2000}
    client.track_decision(session, "r")
    assert last_body(client, collector)["stateBefore"] == {"a": "x" * 1000, "b": "y" * 2000}


def test_above_the_bound_the_oldest_values_become_their_size_and_the_keys_stay(
    collector: Collector,
) -> None:
    client = client_for(collector, max_state_bytes=3000)
    session = client.create_session("n")
    state = {name: name * 1000 for name in "abcde"}
    client.current_state = dict(state)
    client.track_decision(session, "r")
    sent = last_body(client, collector)["stateBefore"]
    assert list(sent) == list("abcde")
    kept = [name for name in sent if sent[name] == state[name]]
    assert kept == ["d", "e"], "the newest are sent in full"
    for name in "abc":
        assert sent[name] == {"truncated": True, "bytes": size(state[name])}
    assert size(sent) <= 3000
    assert client.current_state == state, "the user's own dict is not touched"


def test_zero_replaces_every_large_value(collector: Collector) -> None:
    client = client_for(collector, max_state_bytes=0)
    session = client.create_session("n")
    client.current_state = {"text": "x" * 100, "rows": list(range(100))}
    client.track_decision(session, "r")
    sent = last_body(client, collector)["stateBefore"]
    assert sent == {
        "text": {"truncated": True, "bytes": 102},
        "rows": {"truncated": True, "bytes": size(list(range(100)))},
    }


def test_the_output_that_was_just_stored_is_the_last_to_go(collector: Collector) -> None:
    client = client_for(collector, max_state_bytes=2000)
    session = client.create_session("n")
    for number in range(4):
        client.track_tool_call(session, f"t{number}", {}, {"text": "z" * 900})
    after = last_body(client, collector)["stateAfter"]
    assert after["t3_result"] == {"text": "z" * 900}
    assert after["t0_result"] == {"truncated": True, "bytes": size({"text": "z" * 900})}


def test_a_state_of_many_small_values_is_bounded_too(collector: Collector) -> None:
    client = client_for(collector, max_state_bytes=2000)
    session = client.create_session("n")
    client.current_state = {f"k{number}": number for number in range(20_000)}
    client.track_decision(session, "r")
    assert size(last_body(client, collector)["stateBefore"]) < 1_000_000


def test_a_hostile_state_does_not_stop_the_event(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    session = client.create_session("n")
    state: dict[Any, Any] = {"fine": 1, "bad": Hostile(), 7: "number", ("a", 1): "tuple"}
    state["cycle"] = state
    client.current_state = state
    client.track_decision(session, "still sent")
    sent = last_body(client, collector)
    assert sent["reasoning"] == "still sent"
    assert (sent["stateBefore"]["fine"], sent["stateBefore"]["7"]) == (1, "number")


def test_state_of_an_interaction_survives_its_end_for_late_events(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    interaction = client.begin("u", "agent", input="q")
    interaction.finish()
    interaction.track_decision("late")
    late = sessions_sent(client, collector)["sess_u_agent_1"][-1].json
    assert late["stateBefore"] == {"input": "q"}


class Told:
    """Counts how often its text is asked for."""

    def __init__(self) -> None:
        self.times = 0

    def __str__(self) -> str:
        self.times += 1
        return f"told {self.times} times"


@pytest.mark.parametrize("where", ["output", "update", "dict", "input"])
def test_a_value_is_walked_once_however_many_calls_follow(
    client: sentrial.SentrialClient, where: str
) -> None:
    told = Told()
    with client.begin("u", "agent", input=told if where == "input" else "q") as interaction:
        if where == "output":
            interaction.track_tool_call("first", {}, {"object": told})
        elif where == "update":
            client.update_state("object", told)
        elif where == "dict":
            client.current_state["object"] = told
        interaction.track_decision("first")
        before = told.times
        for number in range(5):
            interaction.track_tool_call("later", {"n": number}, {"ok": 1})
            interaction.track_decision("r")
        assert told.times == before
    client.flush()


def test_what_a_call_stored_stays_as_it_was_recorded(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    session = client.create_session("n")
    output: dict[str, Any] = {"rows": [1]}
    client.track_tool_call(session, "t", {}, output)
    output["rows"].append(2)
    client.track_decision(session, "r")
    assert last_body(client, collector)["stateBefore"] == {"t_result": {"rows": [1]}}
    client.track_tool_call(session, "t", {}, output)
    assert last_body(client, collector)["stateAfter"] == {"t_result": {"rows": [1, 2]}}


def test_small_data_of_the_program_shows_as_it_is_and_what_is_stored_again_is_written_again(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    session = client.create_session("n")
    small: list[Any] = [1]
    large: list[Any] = ["x" * 5000]
    client.update_state("small", small)
    client.update_state("large", large)
    client.track_decision(session, "r")
    small.append({"deep": 2})
    large.append("new")
    client.track_decision(session, "r")
    assert last_body(client, collector)["stateBefore"] == {
        "small": [1, {"deep": 2}],
        "large": ["x" * 5000],
    }
    client.update_state("large", large)
    client.track_decision(session, "r")
    assert last_body(client, collector)["stateBefore"]["large"] == large


def test_of_very_many_entries_the_newest_are_sent(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    session = client.create_session("n")
    client.current_state.update({f"k{number}": number for number in range(10_000)})
    client.track_tool_call(session, "t", {}, {"ok": 1})
    sent = last_body(client, collector)["stateAfter"]
    assert sent["<truncated>"] is True
    assert list(sent)[-2:] == ["k9999", "t_result"]
    assert len(sent) == 1 + 1024


def test_a_deleted_entry_is_gone_and_a_new_one_is_not_taken_for_it(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    session = client.create_session("n")
    for number in range(20):
        client.current_state["k"] = [number] * 3
        client.track_decision(session, "r")
        assert last_body(client, collector)["stateBefore"] == {"k": [number] * 3}
        del client.current_state["k"]
        client.track_decision(session, "r")
        assert last_body(client, collector)["stateBefore"] == {}
