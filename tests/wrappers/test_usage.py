"""Each provider's figures become buckets that do not overlap; their sum is the provider's total."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentrial.wrappers import Usage
from sentrial.wrappers._usage import of_anthropic, of_google, of_openai

OPENAI = {
    "prompt_tokens": 1000,
    "completion_tokens": 500,
    "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 800, "audio_tokens": 50, "cache_write_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 300, "audio_tokens": 20},
}


def summed(usage: Usage) -> int:
    return sum(usage[:7]) + sum(usage[8:12])


def as_object(value: Any) -> Any:
    """Attributes in the place of keys."""
    if not isinstance(value, dict):
        return value
    return SimpleNamespace(**{key: as_object(item) for key, item in value.items()})


@pytest.mark.parametrize("shape", [dict, as_object])
def test_openai_counts_details_as_parts(shape: Any) -> None:
    """W17, complaint 9: cached tokens are counted once."""
    usage = of_openai(shape(OPENAI))
    assert usage == Usage(
        input_tokens=140,
        cache_read_tokens=800,
        cache_write_tokens=10,
        output_tokens=180,
        reasoning_tokens=300,
        input_audio_tokens=50,
        output_audio_tokens=20,
        total_tokens=1500,
    )
    assert summed(usage) == 1500
    assert (usage.prompt_tokens, usage.completion_tokens) == (1000, 500)


def test_the_responses_api_has_other_names() -> None:
    usage = of_openai(
        {
            "input_tokens": 20,
            "output_tokens": 9,
            "total_tokens": 29,
            "input_tokens_details": {"cached_tokens": 8},
            "output_tokens_details": {"reasoning_tokens": 4},
        }
    )
    assert usage is not None
    assert usage[:5] == (12, 8, 0, 5, 4)
    assert summed(usage) == 29


def test_a_compatible_server_that_counts_reasoning_beside_the_completion() -> None:
    usage = of_openai(
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 40,
            "completion_tokens_details": {"reasoning_tokens": 25},
        }
    )
    assert usage is not None
    assert (usage.output_tokens, usage.reasoning_tokens) == (5, 25)
    assert summed(usage) == 40


def test_a_compatible_server_with_its_own_names() -> None:
    usage = of_openai({"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 6})
    assert usage is not None
    assert usage[:2] == (4, 6)


def test_anthropic_counts_the_cache_on_top() -> None:
    """W17, complaint 9."""
    usage = of_anthropic(
        {
            "input_tokens": 100,
            "output_tokens": 50,
            "cache_read_input_tokens": 9000,
            "cache_creation_input_tokens": 2000,
            "output_tokens_details": {"thinking_tokens": 30},
        }
    )
    assert usage == Usage(100, 9000, 2000, 20, 30)
    assert (usage.prompt_tokens, usage.completion_tokens) == (11100, 50)


def test_google_counts_thoughts_and_tools_beside_the_rest() -> None:
    audio = SimpleNamespace(modality=SimpleNamespace(value="AUDIO"), token_count=5)
    usage = of_google(
        {
            "prompt_token_count": 17,
            "cached_content_token_count": 10,
            "prompt_tokens_details": [audio, {"modality": "TEXT", "token_count": 12}],
            "tool_use_prompt_token_count": 3,
            "candidates_token_count": 6,
            "thoughts_token_count": 40,
            "total_token_count": 66,
        }
    )
    assert usage is not None
    assert usage[:7] == (5, 10, 0, 6, 40, 5, 0)
    assert summed(usage) == 66


def test_thoughts_that_only_the_total_tells_of() -> None:
    usage = of_google(
        {"prompt_token_count": 17, "candidates_token_count": 6, "total_token_count": 63}
    )
    assert usage is not None
    assert usage.reasoning_tokens == 40


@pytest.mark.parametrize("normalise", [of_openai, of_anthropic, of_google])
def test_no_usage_is_unknown(normalise: Any) -> None:
    assert normalise(None) is None


counts = st.one_of(
    st.integers(0, 10**9), st.none(), st.just("many"), st.just(-5), st.just(True), st.just(1.5)
)
openai_usage = st.fixed_dictionaries(
    {
        "prompt_tokens": st.integers(0, 10**9),
        "completion_tokens": st.integers(0, 10**9),
        "prompt_tokens_details": st.fixed_dictionaries(
            {"cached_tokens": counts, "audio_tokens": counts, "cache_write_tokens": counts}
        ),
        "completion_tokens_details": st.fixed_dictionaries(
            {"reasoning_tokens": counts, "audio_tokens": counts}
        ),
    }
)


@given(openai_usage)
def test_no_token_is_counted_twice_or_lost(given: Any) -> None:
    usage = of_openai(given)
    assert usage is not None
    assert all(count >= 0 for count in usage[:12])
    assert usage.prompt_tokens == given["prompt_tokens"]
    assert usage.completion_tokens == given["completion_tokens"]
