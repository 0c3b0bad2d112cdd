"""The answer to a call is a dict of the server's data, whichever way it is first read."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import threading
from collections import ChainMap, OrderedDict
from typing import TYPE_CHECKING, Any

import pytest

from tests.delivery.helpers import (
    EVENTS,
    ONE_SESSION,
    at_once,
    call,
    client_of,
    in_state,
    settled,
    takes,
)
from tests.support.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    import sentrial

    from tests.support.collector import Collector

DATA = {
    "id": "evt_s_1",
    "sessionId": "s",
    "eventType": "tool_call",
    "toolName": "t",
    "nested": {"list": [1, {"two": 2}]},
}


def matched(receipt: Any) -> dict[str, Any]:
    match receipt:
        case {"id": "evt_s_1", **rest}:
            return {"id": "evt_s_1", **rest}
        case _:
            return {}


def merged_in_place(receipt: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    out |= receipt
    return out


def updated(receipt: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    out.update(receipt)
    return out


def keywords(**given: Any) -> dict[str, Any]:
    return given


#: Ways of reading a receipt, each of which must give all of its data.
WHOLE: dict[str, Callable[[Any], Any]] = {
    "json.dumps": lambda r: json.loads(json.dumps(r)),
    "json.dumps indent": lambda r: json.loads(json.dumps(r, indent=2)),
    "json.dumps sort_keys": lambda r: json.loads(json.dumps(r, sort_keys=True)),
    "json.dumps default": lambda r: json.loads(json.dumps(r, default=str)),
    "json.dumps in a list": lambda r: json.loads(json.dumps([r]))[0],
    "json.dumps in a dict": lambda r: json.loads(json.dumps({"r": r}, indent=1))["r"],
    "json iterencode": lambda r: json.loads("".join(json.JSONEncoder().iterencode(r))),
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "copy.deepcopy in a list": lambda r: copy.deepcopy([r])[0],
    "pickle": lambda r: pickle.loads(pickle.dumps(r)),  # noqa: S301
    "pickle 2": lambda r: pickle.loads(pickle.dumps(r, protocol=2)),  # noqa: S301
    "pickle in a dict": lambda r: pickle.loads(pickle.dumps({"r": r}))["r"],  # noqa: S301
    "dict": dict,
    "OrderedDict": OrderedDict,
    "**": lambda r: {**r},
    "** in a call": lambda r: keywords(**r),
    "| on the left": lambda r: r | {},
    "| on the right": lambda r: {} | r,
    "|=": merged_in_place,
    "update": updated,
    "copy": lambda r: r.copy(),
    "items": lambda r: dict(list(r.items())),
    "iteration": lambda r: {key: r[key] for key in r},
    "keys": lambda r: {key: r.get(key) for key in r.keys()},  # noqa: SIM118
    "unpacking": lambda r: {key: r[key] for key in (*r,)},
    "zip of values": lambda r: dict(zip(list(r), r.values(), strict=True)),
    "reversed": lambda r: {key: r[key] for key in reversed(r)},
    "ChainMap": lambda r: dict(ChainMap({}, r)),
    "match": matched,
    "await": lambda r: asyncio.run(awaited(r)),
}

#: Questions to a receipt, and what they must answer.
QUESTIONS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "==": (lambda r: r == DATA, True),
    "== on the right": (lambda r: DATA == r, True),  # noqa: SIM300
    "!=": (lambda r: r != DATA, False),
    "== {}": (lambda r: r == {}, False),
    "{} ==": (lambda r: {} == r, False),  # noqa: SIM300
    "in": (lambda r: "id" in r, True),
    "not in": (lambda r: "nothing" in r, False),
    "bool": (bool, True),
    "not": (lambda r: not r, False),
    "len": (len, len(DATA)),
    "list": (list, list(DATA)),
    "sorted": (sorted, sorted(DATA)),
    "[]": (lambda r: r["id"], "evt_s_1"),
    "get": (lambda r: r.get("id"), "evt_s_1"),
    "get of nothing": (lambda r: r.get("nothing", 7), 7),
    "setdefault": (lambda r: r.setdefault("id", "other"), "evt_s_1"),
    "pop": (lambda r: r.pop("id"), "evt_s_1"),
    "popitem": (lambda r: r.popitem(), ("nested", DATA["nested"])),
    "min": (min, min(DATA)),
    "isinstance": (lambda r: isinstance(r, dict) and r["id"] == "evt_s_1", True),
    "items <=": (lambda r: {("id", "evt_s_1")} <= set(pairs(r)), True),
}


def pairs(receipt: Any) -> list[tuple[str, str]]:
    return [(key, value) for key, value in receipt.items() if isinstance(value, str)]


async def awaited(receipt: Any) -> dict[str, Any]:
    return dict(await receipt)


@pytest.fixture
def receipt(collector: Collector) -> Any:
    """An unread receipt whose answer takes a moment."""
    collector.always("POST", EVENTS, Answer(json=DATA, delay=0.05))
    return call(client_of(collector), "t", "s")


@pytest.mark.parametrize("read", WHOLE.values(), ids=WHOLE.keys())
def test_the_first_read_gives_all_of_the_servers_data(
    receipt: Any, read: Callable[[Any], Any]
) -> None:
    assert read(receipt) == DATA
    assert read(receipt) == DATA, "and so does the second"


@pytest.mark.parametrize(("ask", "answer"), QUESTIONS.values(), ids=QUESTIONS.keys())
def test_the_first_question_is_answered_from_the_servers_data(
    receipt: Any, ask: Callable[[Any], Any], answer: Any
) -> None:
    assert ask(receipt) == answer


@pytest.mark.parametrize("change", ["set", "delete", "clear", "update"])
def test_a_change_applies_to_the_servers_data(receipt: Any, change: str) -> None:
    expected = copy.deepcopy(DATA)
    for data in (receipt, expected):
        if change == "set":
            data["id"] = "mine"
        elif change == "delete":
            del data["id"]
        elif change == "clear":
            data.clear()
        else:
            data.update(id="mine")
    assert dict(receipt) == expected
    assert json.loads(json.dumps(receipt)) == expected


def test_an_unread_receipt_has_the_type_and_shape_of_a_dict(receipt: Any) -> None:
    assert isinstance(receipt, dict)
    with pytest.raises(TypeError):
        hash(receipt)


def test_repr_never_waits(collector: Collector) -> None:
    client = client_of(collector, wait_timeout=5)
    with collector.gate():
        receipt = call(client, "t", "s")
        collector.wait_for(1)
        with at_once():
            shown = [repr(receipt), str(receipt), f"{receipt}", repr([receipt])]
        assert all("\0" not in text and "sentrial-pending" not in text for text in shown)
    assert receipt["toolName"] == "t"
    assert repr(receipt) == repr(dict(receipt))


def test_completions_and_updates_have_receipts_too(collector: Collector) -> None:
    client = client_of(collector)
    interaction = client.begin("u", "chat")
    assert call(interaction, "t")["id"] == "evt_sess_u_chat_1_1"
    done = interaction.finish("out")
    assert done["id"] == "sess_u_chat_1"
    assert done["status"] == "completed"
    assert client.complete_session("s", success=False)["status"] == "failed"
    assert client.update_session("s", status="completed")["status"] == "completed"


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_dropped_request_reads_as_an_empty_dict(collector: Collector, status: int) -> None:
    collector.always("POST", EVENTS, status)
    client = client_of(collector)
    receipt = call(client, "t", "s")
    assert json.dumps(receipt) == "{}"
    assert receipt == {}
    assert not receipt
    assert list(receipt) == []
    assert settled(client)["dropped"] == {f"rejected_{status}": 1}


@pytest.mark.parametrize("body", ["", "[1, 2]", "<html>", "null", '"text"'])
def test_an_answer_that_is_no_object_reads_as_an_empty_dict(
    collector: Collector, body: str
) -> None:
    collector.always("POST", EVENTS, Answer(body=body))
    client = client_of(collector)
    assert call(client, "t", "s") == {}
    assert settled(client)["delivered"] == 1


def hanging_receipt(collector: Collector, **options: Any) -> tuple[sentrial.SentrialClient, Any]:
    client = client_of(collector, **options)
    collector.hold()
    receipt = call(client, "t", "s")
    collector.wait_for(1, path=EVENTS)
    return client, receipt


@pytest.mark.parametrize(
    "read",
    [dict, lambda r: json.loads(json.dumps(r)), copy.deepcopy, lambda r: {} | r],
    ids=["dict", "json.dumps", "deepcopy", "|"],
)
def test_a_hanging_server_costs_wait_timeout_and_the_data_comes_later(
    collector: Collector, read: Callable[[Any], Any]
) -> None:
    client, receipt = hanging_receipt(collector, wait_timeout=0.3)
    with takes(0.25, 1.5):
        assert read(receipt) == {}
    collector.release()
    settled(client)
    assert read(receipt).get("id") == "evt_s_1"


def test_a_read_of_one_kind_does_not_spoil_the_next_of_another(collector: Collector) -> None:
    client, receipt = hanging_receipt(collector, wait_timeout=0.1)
    assert receipt.get("id") is None
    assert repr(receipt)
    collector.release()
    settled(client)
    assert json.loads(json.dumps(receipt)).get("id") == "evt_s_1"
    assert receipt["id"] == "evt_s_1"


def test_wait_timeout_zero_never_waits(collector: Collector) -> None:
    client, receipt = hanging_receipt(collector, wait_timeout=0)
    with at_once():
        assert dict(receipt) == {}
    collector.release()
    settled(client)
    assert receipt["id"] == "evt_s_1"


def test_threads_that_read_one_receipt_together_all_get_the_data(collector: Collector) -> None:
    client, receipt = hanging_receipt(collector, wait_timeout=5)
    together = threading.Barrier(5)
    seen: list[dict[str, Any]] = []

    def read() -> None:
        together.wait(5)
        seen.append(dict(receipt))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    together.wait(5)
    threads[0].join(0.2)
    collector.release()
    for thread in threads:
        thread.join(10)
    assert [data.get("id") for data in seen] == ["evt_s_1"] * 4
    settled(client)


def test_awaiting_leaves_the_loop_free_and_is_bounded(collector: Collector) -> None:
    _, receipt = hanging_receipt(collector, wait_timeout=0.5)

    async def both() -> tuple[int, dict[str, Any]]:
        ticks = 0
        waiting = asyncio.ensure_future(awaited(receipt))
        while not waiting.done():
            ticks += 1
            await asyncio.sleep(0.01)
        return ticks, await waiting

    with takes(0.4, 3):
        ticks, data = asyncio.run(both())
    assert data == {}
    assert ticks > 10
    collector.release()
    assert asyncio.run(awaited(receipt))["id"] == "evt_s_1"


def test_gathering_many_receipts(collector: Collector) -> None:
    client = client_of(collector)

    async def gather() -> list[Any]:
        receipts = [call(client, f"t{n}", f"s{n % 7}") for n in range(200)]
        return await asyncio.gather(*[awaited(receipt) for receipt in receipts])

    assert [data["toolName"] for data in asyncio.run(gather())] == [f"t{n}" for n in range(200)]


def test_reads_do_not_wait_while_the_server_is_down(refusing: str) -> None:
    client = client_of(refusing, wait_timeout=30)
    receipt = call(client, "t", "s")
    in_state(client, "down")
    with at_once():
        assert dict(receipt) == {}
        assert dict(call(client, "u", "s")) == {}
        assert asyncio.run(awaited(call(client, "v", "s"))) == {}
        assert not client.complete_session("s")


def test_a_reader_stops_waiting_when_the_server_goes_down(refusing: str) -> None:
    client = client_of(refusing, wait_timeout=30)
    with takes(0, 8):
        assert dict(call(client, "t", "s")) == {}
    in_state(client, "down")


def test_batching_gives_plain_empty_dicts_for_events(collector: Collector) -> None:
    client = client_of(collector, batching=True)
    receipt = call(client, "t", "s")
    assert type(receipt) is dict
    assert receipt == {}
    assert client.complete_session("s")["id"] == "s"
    assert collector.requests(path=ONE_SESSION)
