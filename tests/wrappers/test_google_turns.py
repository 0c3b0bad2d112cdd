"""Gemini: every request of automatic function calling is billed; the Interactions API."""

from __future__ import annotations

from typing import Any

import pytest
from sentrial.wrappers import Usage
from sentrial.wrappers import _google_turns as turns
from sentrial.wrappers._google_answers import Chunks
from sentrial.wrappers._google_interactions import Interactions
from sentrial.wrappers._record import Options

CALL = {"functionCall": 1, "function_call": {"name": "weather", "args": {}}}


def piece(part: dict[str, Any], prompt: int, reason: str | None = "STOP") -> dict[str, Any]:
    return {
        "candidates": [{"content": {"parts": [part]}, "finish_reason": reason}],
        "usage_metadata": {
            "prompt_token_count": prompt,
            "candidates_token_count": 50,
            "total_token_count": prompt + 50,
        },
    }


def test_a_call_notes_what_the_requests_inside_it_used() -> None:
    request = turns.requesting(lambda answer: answer, is_async=False)
    answers = [piece(CALL, 1000), piece({"text": "sunny"}, 2000)]

    def ask() -> Any:
        return [request(answer) for answer in answers][-1]

    answer = turns.counting(ask, is_async=False)()
    before = turns.usage_before(answer)
    assert before is not None
    assert (before.prompt_tokens, before.completion_tokens, before.total_tokens) == (1000, 50, 1050)
    assert turns.usage_before(answers[0]) is None


def test_a_stream_with_a_function_called_in_between_is_billed_whole() -> None:
    chunks = Chunks(Options())
    for one in (
        piece(CALL, 1000),
        piece({"text": "sun"}, 2000, None),
        piece({"text": "ny"}, 2000),
    ):
        chunks.add(one)
    answer = chunks.answer()
    assert answer.content == "sunny"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 1050 + 2050


@pytest.mark.parametrize("first", [None, Usage(1, 2, 3, 4, 5, 6, 7, 28, tool_requests={"a": 1})])
def test_usages_add_up(first: Usage | None) -> None:
    second = Usage(1, tool_requests={"a": 2})
    both = turns.added(first, second)
    assert both is not None
    assert both.input_tokens == (2 if first else 1)
    assert both.tool_requests == {"a": 3 if first else 2}


def test_an_interaction_is_read() -> None:
    answer = Interactions().answer(
        {
            "id": "i1",
            "status": "completed",
            "model": "gemini-2.5-flash",
            "steps": [
                {"type": "thought", "summary": [{"type": "text", "text": "hm"}]},
                {"type": "function_call", "id": "1", "name": "f", "arguments": {"a": 1}},
                {"type": "model_output", "content": [{"type": "text", "text": "hello"}]},
            ],
            "usage": {
                "total_input_tokens": 1000,
                "total_cached_tokens": 200,
                "total_output_tokens": 100,
                "total_thought_tokens": 10,
                "total_tokens": 1110,
            },
        },
        Options(),
    )
    assert answer is not None
    assert answer.content == "hello"
    assert answer.usage == Usage(800, 200, 0, 100, 10, 0, 0, 1110)
    assert answer.fields == {
        "tool_calls": [{"id": "1", "name": "f", "arguments": {"a": 1}}],
        "thinking": "hm",
    }
    assert answer.metadata == {
        "response_id": "i1",
        "response_model": "gemini-2.5-flash",
        "finish_reason": "completed",
    }
