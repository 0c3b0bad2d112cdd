"""D3, C3, C4: a silent client raises nothing, whatever the server answers or the program passes."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import pathlib
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.answers import RESET_MIDDLE, Answer, empty, html, truncated
from tests.support.sdk import client_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.collector import Collector

MODES = pytest.mark.parametrize("batching", [None, False, True])

ANSWERS = {
    "text": Answer(body="OK"),
    "page": html(200),
    "empty": empty(200),
    "no content": empty(204),
    "list": Answer(json=["a"]),
    "null": Answer(json=None),
    "number": Answer(json=7),
    "broken json": Answer(body='{"id": "sess_1"'),
    "no utf-8": Answer(body=b'{"id": "\xff\xfe"}'),
    "truncated": truncated(),
    "reset": RESET_MIDDLE,
    "page 400": html(400),
    "empty 404": empty(404),
    "list 422": Answer(422, json=[1]),
    "teapot": Answer(418, body=b"\xff"),
    "unknown status": Answer(299, body="?"),
}


def everything(client: sentrial.SentrialClient) -> list[Any]:
    """Make every documented call; a session id that could not be had is None."""
    session = client.create_session("n", "a", "u", metadata={"k": 1})
    results = [
        client.track_tool_call("s", "t", {"a": 1}, {"b": 2}),
        client.track_decision("s", "r"),
        client.track_error("s", "m"),
        client.complete_session("s"),
        client.close_session("s"),
    ]
    with client.begin("u", "agent", input="q") as interaction:
        results.append(interaction.track_decision("r"))
    results.append(interaction.finish())
    client.flush(0.2)
    return [session, *(dict(result) for result in results)]


@MODES
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_d3_c3_an_answer_that_is_no_json_object_raises_nothing(
    collector: Collector, answer: Answer, batching: Any
) -> None:
    collector.always(".*", ".*", answer)
    client = client_for(collector, batching=batching, wait_timeout=0.2, max_retries=0)
    session, *results = everything(client)
    assert session is None
    assert results == [{}] * len(results)


@MODES
def test_c3_the_users_result_is_not_replaced(collector: Collector, batching: Any) -> None:
    collector.always("PATCH", ".*", html(200))
    client = client_for(collector, batching=batching)

    def agent() -> str:
        with client.begin("u", "agent") as interaction:
            interaction.set_output("answer")
            return "answer"

    assert agent() == "answer"


class Plan(enum.Enum):
    """A value of the program's own."""

    FREE = "free"


class Silent:
    """An object that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


VALUES: dict[str, Callable[[], Any]] = {
    "datetime": lambda: dt.datetime(2024, 1, 2, tzinfo=dt.timezone.utc),
    "date": lambda: dt.date(2024, 1, 2),
    "uuid": uuid.uuid4,
    "decimal": lambda: decimal.Decimal("1.5"),
    "set": lambda: {1, 2},
    "frozenset": lambda: frozenset({1}),
    "bytes": lambda: b"\x00\xff",
    "path": lambda: pathlib.Path("a/b"),
    "enum": lambda: Plan.FREE,
    "object": object,
    "silent object": Silent,
    "class": lambda: Silent,
    "function": lambda: everything,
    "generator": lambda: (n for n in range(3)),
    "exception": lambda: ValueError("m"),
    "complex": lambda: 1j,
    "nan": lambda: float("nan"),
    "infinity": lambda: float("-inf"),
    "huge": lambda: 10**5000,
    "surrogate": lambda: "\udc80",
    "tuple keys": lambda: {("a", 1): 2},
    "bytes keys": lambda: {b"k": 1},
    "mixed keys": lambda: {1: "a", None: "b", "c": "d"},
    "range": lambda: range(3),
    "memoryview": lambda: memoryview(b"ab"),
}


@MODES
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_d3_c4_any_value_can_be_tracked(
    collector: Collector, value: Callable[[], Any], batching: Any
) -> None:
    client = client_for(collector, batching=batching)
    session = client.create_session("n", metadata={"v": value()})
    assert session == "sess_anonymous_n_1"
    client.track_tool_call(session, "t", {"v": value()}, {"v": value()}, metadata={"v": value()})
    client.track_decision(session, value(), [value()], metadata={"v": value()})
    client.track_error(session, value(), metadata={"v": value()})
    client.update_state("v", value())
    client.track_decision(session, "last")
    with client.begin("u", "agent", metadata={"v": value()}) as interaction:
        interaction.set_output(value())
    client.flush()
    assert len(collector.requests()) == 7
    for request in collector.requests():
        assert isinstance(request.json, dict), request.body
    stats = client.stats()
    assert (stats["delivered"], stats["dropped"]) == (7, {})


@MODES
def test_c4_values_that_are_no_numbers_are_sent_not_dropped(
    collector: Collector, batching: Any
) -> None:
    client = client_for(collector, batching=batching)
    client.track_tool_call("s", "t", {"x": float("nan")}, {"y": float("inf")})
    client.flush()
    assert len(collector.events()) == 1
    body = collector.requests()[0].body
    assert b"NaN" not in body.replace(b'"NaN"', b"")
    assert b"Infinity" not in body.replace(b'"Infinity"', b"").replace(b'"-Infinity"', b"")


@pytest.mark.parametrize(
    "pii",
    [
        {},
        {"mode": "hash"},
        {"enabled": True, "fields": ["metadata"]},
        {"customPatterns": [{"pattern": "x+", "label": "X"}], "enhancedDetection": True},
        {"builtinPatterns": {"creditCards": False}},
    ],
)
def test_d3_pii_as_a_dict(collector: Collector, pii: dict[str, Any]) -> None:
    client = client_for(collector, pii=pii)
    assert client.create_session("n") == "sess_anonymous_n_1"
    client.track_decision("s", "write to ann@example.com")
    client.flush()
    assert len(collector.requests()) == 2
    assert isinstance(client.pii, sentrial.PiiConfig)
