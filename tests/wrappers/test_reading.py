"""Answers are read by compiled code: it agrees with the plain reading, whatever it is given."""

from __future__ import annotations

import enum
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentrial.wrappers import _openai_chat
from sentrial.wrappers._record import Answer, Options
from sentrial.wrappers._usage import of_anthropic, of_google, of_openai
from sentrial.wrappers._values import arguments_of, read, scalars

from tests.support import reading
from tests.support.foreign import SHAPES, shaped

thorough = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Text(str):
    """A text, but not exactly one."""

    __slots__ = ()


class Modality(enum.Enum):
    """As Google's packages tell them apart."""

    AUDIO = "AUDIO"
    TEXT = "TEXT"


texts = st.sampled_from(["", "a", "gpt-4o", "\ud800", '{"a": 1}', "[1, 2", "NaN", Text("{}")])
anything = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 9), texts, st.just(1.5), st.just([]), st.just({})
)


def some(names: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Give dicts with some of the members, now and then of the wrong type."""
    optional = {name: st.one_of(value, value, anything) for name, value in names.items()}

    @st.composite
    def members(draw: st.DrawFn) -> dict[str, Any]:
        return draw(st.fixed_dictionaries({}, optional=optional))

    return members()


counts = st.one_of(st.integers(0, 50), st.integers(-2, 2**63), st.none(), st.booleans())


def of_counts(*names: str) -> dict[str, st.SearchStrategy[Any]]:
    return dict.fromkeys(names, counts)


INTO = some(of_counts("cached_tokens", "cache_write_tokens", "audio_tokens"))
OUT_OF = some(of_counts("reasoning_tokens", "audio_tokens"))
OPENAI = some(
    {
        **of_counts("prompt_tokens", "input_tokens", "completion_tokens", "output_tokens"),
        **of_counts("total_tokens", "prompt_cache_hit_tokens", "cached_tokens"),
        "prompt_tokens_details": INTO,
        "input_tokens_details": INTO,
        "completion_tokens_details": OUT_OF,
        "output_tokens_details": OUT_OF,
    }
)
ANTHROPIC = some(
    {
        **of_counts("input_tokens", "output_tokens"),
        **of_counts("cache_read_input_tokens", "cache_creation_input_tokens"),
        "output_tokens_details": some(of_counts("thinking_tokens")),
    }
)
MODALITIES = st.sampled_from(["AUDIO", "TEXT", Modality.AUDIO, Modality.TEXT])
BY_MODALITY = st.lists(some({"modality": MODALITIES, "token_count": counts}), max_size=3)
GOOGLE = some(
    {
        **of_counts("prompt_token_count", "candidates_token_count", "response_token_count"),
        **of_counts("total_token_count", "thoughts_token_count", "tool_use_prompt_token_count"),
        **of_counts("cached_content_token_count"),
        "prompt_tokens_details": BY_MODALITY,
        "cache_tokens_details": st.one_of(BY_MODALITY, BY_MODALITY.map(tuple)),
        "candidates_tokens_details": BY_MODALITY,
    }
)
FUNCTION = some({"name": texts, "arguments": texts})
CALL = some(
    {"id": texts, "function": FUNCTION, "custom": some({"name": texts, "input": texts})},
)
CALLS = st.lists(CALL, max_size=3)
MESSAGE = some(
    {
        "content": texts,
        "tool_calls": st.one_of(CALLS, CALLS.map(tuple)),
        "function_call": FUNCTION,
        "refusal": texts,
        "reasoning_content": texts,
        "reasoning": texts,
        "parsed": anything,
        "audio": some({"id": texts, "transcript": texts}),
    }
)
CHOICES = st.lists(some({"message": MESSAGE, "finish_reason": texts, "index": counts}), max_size=3)
RESPONSE = some(
    {
        "id": texts,
        "model": texts,
        "_request_id": texts,
        "choices": st.one_of(CHOICES, CHOICES.map(tuple)),
        "usage": OPENAI,
    }
)


def is_read_alike(response: Any, *, thinking: bool = True) -> None:
    content, usage, fields, metadata = reading.chat_answer(response, thinking=thinking)
    answer = _openai_chat.answer(response, Options(thinking=thinking))
    assert type(answer) is Answer
    assert answer.content == content
    assert answer.usage == usage
    # In this order they are written down, too.
    assert list(answer.fields.items()) == list(fields.items())
    assert list(answer.metadata.items()) == list(metadata.items())


@thorough
@given(shaped(RESPONSE), st.booleans())
def test_chat_answers_of_every_shape(response: Any, thinking: bool) -> None:
    is_read_alike(response, thinking=thinking)


@thorough
@given(RESPONSE)
def test_chat_answers_as_the_client_makes_them(response: dict[str, Any]) -> None:
    types = pytest.importorskip("openai.types.chat")
    made = types.ChatCompletion.construct(**response)
    is_read_alike(made)
    # What the client sets on the answer, to None where the server names none.
    object.__setattr__(made, "_request_id", response.get("_request_id"))
    is_read_alike(made)


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ({"reasoning_content": ["no text"], "reasoning": "hm"}, {"thinking": "hm"}),
        ({"reasoning_content": "", "reasoning": "hm"}, {}),
        ({"reasoning_content": "first", "reasoning": "hm"}, {"thinking": "first"}),
        ({"refusal": ["no text"], "tool_calls": [], "audio": {"id": "1"}}, {}),
        ({"tool_calls": [{}]}, {"tool_calls": [dict.fromkeys(("id", "name", "arguments"))]}),
        ({"function_call": {"arguments": "{}"}}, {}),
    ],
)
def test_what_stands_beside_the_content(message: dict[str, Any], fields: dict[str, Any]) -> None:
    response = {"choices": [{"message": message}]}
    is_read_alike(response)
    assert _openai_chat.answer(response, Options()).fields == fields


def test_an_answer_that_the_client_has_checked() -> None:
    types = pytest.importorskip("openai.types.chat")
    called = [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": [1]}'}},
        {"id": "2", "type": "custom", "custom": {"name": "g", "input": "text"}},
    ]
    if not hasattr(types, "ChatCompletionMessageCustomToolCall"):
        # An older client knows functions only.
        called.pop()
    message = {
        "role": "assistant",
        "content": "yes",
        "refusal": None,
        "reasoning_content": "hm",
        "function_call": {"name": "old", "arguments": "{}"},
        "tool_calls": called,
        "audio": {"id": "s", "data": "", "expires_at": 1, "transcript": "said"},
    }
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}
    usage = {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 8},
    }
    response = types.ChatCompletion.model_validate(
        {
            "id": "r",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o",
            "choices": [choice, {**choice, "index": 1}],
            "usage": usage,
        }
    )
    is_read_alike(response)
    answer = _openai_chat.answer(response, Options())
    assert answer.content == "yes"
    names = ["f", "g"][: len(called)]
    assert [call["name"] for call in answer.fields["tool_calls"]] == [*names, "old"]
    assert answer.fields["tool_calls"][0]["arguments"] == {"a": [1]}
    assert answer.fields["thinking"] == "hm"
    assert answer.fields["audio"] == {"id": "s", "transcript": "said"}
    assert [one["index"] for one in answer.fields["choices"]] == [0, 1]
    assert answer.usage is not None
    assert answer.usage[:2] == (12, 8)


@thorough
@given(shaped(OPENAI))
def test_usage_of_openai(usage: Any) -> None:
    assert of_openai(usage) == reading.usage_of_openai(usage)


@thorough
@given(shaped(ANTHROPIC))
def test_usage_of_anthropic(usage: Any) -> None:
    assert of_anthropic(usage) == reading.usage_of_anthropic(usage)


@thorough
@given(shaped(GOOGLE))
def test_usage_of_google(usage: Any) -> None:
    assert of_google(usage) == reading.usage_of_google(usage)


@thorough
@given(OPENAI)
def test_the_buckets_of_openai_sum_up(usage: dict[str, Any]) -> None:
    seen = of_openai(usage)
    assert seen is not None
    assert (type(seen).__name__, seen.total_tokens) == (
        "Usage",
        reading.count(usage, "total_tokens"),
    )
    prompt = reading.count(usage, "prompt_tokens", "input_tokens")
    completion = reading.count(usage, "completion_tokens", "output_tokens")
    assert seen.prompt_tokens == prompt
    assert seen.completion_tokens in (completion, completion + seen.reasoning_tokens)


@pytest.mark.parametrize("read_usage", [of_openai, of_anthropic, of_google])
def test_no_usage(read_usage: Any) -> None:
    assert read_usage(None) is None


def test_a_count_beyond_all_measure_is_as_much_as_can_be_counted() -> None:
    seen = of_anthropic({"input_tokens": 10**30, "output_tokens": -(10**30)})
    assert seen is not None
    assert seen.input_tokens >= 2**64 - 1
    assert seen.output_tokens == 0


@pytest.mark.parametrize("shape", sorted(SHAPES))
@pytest.mark.parametrize("name", ["id", "content", "refusal", "missing", "__class__", "_private"])
def test_members_of_every_shape(shape: str, name: str) -> None:
    value = SHAPES[shape]({"id": 1, "content": None, "_private": 2, "beside": 3})
    for _ in range(2):  # what is absent is remembered
        assert read(value, name) == reading.read(value, name)
    if reading.read(value, name) is None and name == "missing":
        assert read(value, name, "other") in ("other", None)


def test_an_object_without_a_dict() -> None:
    assert read(None, "x") is None
    assert read(3, "x", 4) == 4
    assert read(3, "real") == 3


class Stop(BaseException):
    """What is no `Exception` must end the program."""


class Stopping:
    """Ends the program when it is looked at."""

    def __getattr__(self, name: str) -> Any:
        raise Stop


def test_what_is_no_exception_passes() -> None:
    for call in (lambda: read(Stopping(), "x"), lambda: is_read_alike(Stopping())):
        with pytest.raises(Stop):
            call()
    with pytest.raises(Stop):
        of_openai(Stopping())
    with pytest.raises(Stop):
        _openai_chat.answer(Stopping(), Options())


@thorough
@given(st.one_of(texts, st.text(max_size=8), anything, st.recursive(anything, st.lists)))
def test_arguments_of_a_tool_call(text: Any) -> None:
    assert repr(arguments_of(text)) == repr(reading.arguments(text))
    assert repr(arguments_of(json.dumps(text, default=str))) == repr(
        reading.arguments(json.dumps(text, default=str))
    )


PARAMETERS = frozenset(("temperature", "stop", "n"))


@thorough
@given(
    st.dictionaries(
        st.sampled_from([*PARAMETERS, "messages"]),
        st.one_of(anything, st.lists(texts), st.lists(anything).map(tuple)),
    )
)
def test_parameters(given: dict[str, Any]) -> None:
    plain = (str, int, float)
    expected = {
        name: value
        for name, value in given.items()
        if name in PARAMETERS
        and (
            isinstance(value, plain)
            or (isinstance(value, (list, tuple)) and all(isinstance(i, str) for i in value))
        )
    }
    assert list(scalars(given, PARAMETERS).items()) == list(expected.items())
