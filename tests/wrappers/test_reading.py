"""Answers of providers are read whatever their shape, and no token is counted twice."""

from __future__ import annotations

import enum
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentrial.wrappers import Usage, _openai_chat
from sentrial.wrappers._record import Answer, Options
from sentrial.wrappers._usage import of_anthropic, of_google, of_openai
from sentrial.wrappers._values import arguments_of, read, scalars

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


def read_alike(response: Any) -> Answer:
    """Give what is read of an answer, which is the same for a dict and for the client's class."""
    answer = _openai_chat.answer(response, Options())
    types = pytest.importorskip("openai.types.chat")
    made = types.ChatCompletion.construct(**response)
    assert _openai_chat.answer(made, Options()) == answer
    return answer


@thorough
@given(shaped(RESPONSE), st.booleans())
def test_chat_answers_of_every_shape(response: Any, thinking: bool) -> None:
    answer = _openai_chat.answer(response, Options(thinking=thinking))
    assert type(answer) is Answer
    assert isinstance(answer.metadata, dict)
    assert isinstance(answer.fields, dict)
    assert None not in answer.fields.values()
    assert thinking or "thinking" not in answer.fields


@thorough
@given(RESPONSE)
def test_chat_answers_as_the_client_makes_them(response: dict[str, Any]) -> None:
    answer = read_alike(response)
    given = response.get("model")
    assert answer.metadata is not None
    assert answer.metadata.get("response_model") == (given if isinstance(given, str) else None)
    types = pytest.importorskip("openai.types.chat")
    made = types.ChatCompletion.construct(id="r")
    # What the client sets on the answer, to None where the server names none.
    object.__setattr__(made, "_request_id", "req_1")
    assert _openai_chat.answer(made, Options()).metadata == {
        "response_id": "r",
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ({"reasoning_content": ["no text"], "reasoning": "hm"}, {"thinking": "hm"}),
        ({"reasoning_content": "", "reasoning": "hm"}, {}),
        ({"reasoning_content": "first", "reasoning": "hm"}, {"thinking": "first"}),
        ({"refusal": ["no text"], "tool_calls": [], "audio": {"id": "1"}}, {}),
        ({"tool_calls": [{}]}, {"tool_calls": [dict.fromkeys(("id", "name", "arguments"))]}),
        ({"function_call": {"arguments": "{}"}}, {}),
        ({"audio": {"id": "1", "transcript": "a"}}, {"audio": {"id": "1", "transcript": "a"}}),
    ],
)
def test_what_stands_beside_the_content(message: dict[str, Any], fields: dict[str, Any]) -> None:
    assert read_alike({"choices": [{"message": message}]}).fields == fields


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
@given(shaped(OPENAI), shaped(ANTHROPIC), shaped(GOOGLE))
def test_no_count_of_any_shape_is_below_zero(openai: Any, anthropic: Any, google: Any) -> None:
    for usage in (of_openai(openai), of_anthropic(anthropic), of_google(google)):
        assert usage is None or (type(usage) is Usage and min(usage[:8]) >= 0)


def whole(usage: dict[str, Any], *names: str) -> int:
    """Give the first count that is there, as a number of tokens."""
    found = next((usage[name] for name in names if usage.get(name) is not None), 0)
    return found if type(found) is int and found > 0 else 0


@thorough
@given(OPENAI)
def test_the_buckets_of_openai_sum_up(usage: dict[str, Any]) -> None:
    seen = of_openai(usage)
    assert seen is not None
    assert seen.total_tokens == whole(usage, "total_tokens")
    completion = whole(usage, "completion_tokens", "output_tokens")
    assert seen.prompt_tokens == whole(usage, "prompt_tokens", "input_tokens")
    assert seen.completion_tokens in (completion, completion + seen.reasoning_tokens)


@thorough
@given(GOOGLE)
def test_the_buckets_of_google_sum_up(usage: dict[str, Any]) -> None:
    seen = of_google(usage)
    if seen is None:
        return
    tools = whole(usage, "tool_use_prompt_token_count")
    assert seen.prompt_tokens == whole(usage, "prompt_token_count") + tools
    candidates = whole(usage, "candidates_token_count", "response_token_count")
    assert seen.completion_tokens == candidates + seen.reasoning_tokens


@pytest.mark.parametrize("read_usage", [of_openai, of_anthropic, of_google])
def test_no_usage(read_usage: Any) -> None:
    assert read_usage(None) is None


def test_a_count_beyond_all_measure_is_as_much_as_can_be_counted() -> None:
    seen = of_anthropic({"input_tokens": 10**30, "output_tokens": -(10**30)})
    assert seen is not None
    assert seen.input_tokens >= 2**64 - 1
    assert seen.output_tokens == 0


#: What hides its members, or has others than it was given.
_ODD = {"subclass of dict", "properties raise", "properties hide", "everything raises"}


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_members_of_every_shape(shape: str) -> None:
    value = SHAPES[shape]({"id": 1, "content": None, "_private": 2})
    for _ in range(2):  # what is absent is remembered
        if shape not in _ODD:
            assert read(value, "id") == 1
            assert read(value, "content", "other") is None
        if "gives" not in shape:
            assert read(value, "missing") is None
            assert read(value, "missing", "other") == "other"


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
    with pytest.raises(Stop):
        read(Stopping(), "x")
    with pytest.raises(Stop):
        of_openai(Stopping())
    with pytest.raises(Stop):
        _openai_chat.answer(Stopping(), Options())


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('{"a": [1]}', {"a": [1]}),
        ("[1, 2", "[1, 2"),
        ("", ""),
        (Text("{}"), {}),
        ("[" * 100_000, "[" * 100_000),
        (None, None),
        ({"a": 1}, {"a": 1}),
        (3, 3),
    ],
)
def test_arguments_of_a_tool_call(text: Any, arguments: Any) -> None:
    assert arguments_of(text) == arguments


@thorough
@given(anything)
def test_arguments_are_what_was_written(value: Any) -> None:
    assert arguments_of(json.dumps(value)) == value


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
