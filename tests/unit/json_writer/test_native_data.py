"""What JSON itself has: written like the `json` module writes it, valid after every cut."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentrial import _core

from tests.unit.json_writer.values import SLACK, written

settings.register_profile("json", deadline=None, max_examples=200)

SETTINGS = settings.get_profile("json")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.text(st.characters(categories=["Cs", "L", "Cc"]))
)

keys = st.text() | st.integers() | st.booleans() | st.none() | st.floats()

documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.tuples(inner, inner),
    max_leaves=30,
)


@given(documents)
@SETTINGS
def test_native_data_reads_like_the_json_module_writes_it(value: object) -> None:
    assert written(value) == json.loads(json.dumps(value))


@given(st.floats(allow_nan=False, allow_infinity=False))
@SETTINGS
def test_floats_round_trip(value: float) -> None:
    text = _core.to_json(value)
    assert float(text) == value
    assert math.copysign(1, float(text)) == math.copysign(1, value)
    assert isinstance(json.loads(text), float)


@given(st.text(), st.integers(min_value=0, max_value=200))
@SETTINGS
def test_cut_text_is_valid_and_bounded(text: str, max_bytes: int) -> None:
    out = _core.to_json([text * 20, text, {"k": text}], max_bytes=max_bytes)
    json.loads(out)
    assert len(out) <= max_bytes + SLACK


def test_is_compact_utf8() -> None:
    assert _core.to_json({"é": [1, 1.0, "\U0001f600"], "b": None}) == (
        '{"é":[1,1.0,"\U0001f600"],"b":null}'.encode()
    )


def test_not_a_number_becomes_text() -> None:
    assert written([math.nan, math.inf, -math.inf]) == ["NaN", "Infinity", "-Infinity"]
    assert written({math.nan: 1, -math.inf: 2}) == {"NaN": 1, "-Infinity": 2}


@pytest.mark.parametrize(
    "value", [2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, -(2**64), 10**4000, -(10**4000)]
)
def test_large_integers_are_written_in_full(value: int) -> None:
    assert written(value) == value
    assert written({value: 1}) == {str(value): 1}


def test_integers_beyond_the_limit_of_str_are_cut() -> None:
    text = written(-(16**30_000))
    assert text == f"-0x1{'0' * 63}…[cut 29937 digits]"
    assert written({16**30_000: 1}) == {text.removeprefix("-"): 1}


def test_an_integer_larger_than_the_budget_is_cut() -> None:
    assert written(10**4000, max_bytes=100).startswith("0x")


def test_lone_surrogates_are_escaped() -> None:
    assert _core.to_json("a\ud800") == b'"a\\ud800"'
    assert written({"\udfff\u00e9": "\udc80"}) == {"\udfff\u00e9": "\udc80"}
