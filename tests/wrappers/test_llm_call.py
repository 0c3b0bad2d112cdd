"""`llm_call`: clients that no wrapper knows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sentrial
from sentrial.wrappers import Usage

from tests.support.sdk import in_loop

PROMPT = [{"role": "user", "content": "hi"}]


def test_what_is_recorded(session: Any, events: Any) -> None:
    metadata = {"temperature": 0.3}
    with sentrial.llm_call("my-model", PROMPT, provider="mine", metadata=metadata) as call:
        call.first_token()
        call.set_output("hello", tool_calls=[{"name": "f"}])
        call.set_usage(prompt_tokens=10, completion_tokens=2)
        call.set_metadata(finish_reason="stop")
    (event,) = events()
    assert event["toolName"] == "llm:mine:my-model"
    assert event["toolInput"] == {"messages": PROMPT, "model": "my-model", "provider": "mine"}
    assert event["toolOutput"]["content"] == "hello"
    assert event["toolOutput"]["tool_calls"] == [{"name": "f"}]
    assert event["toolOutput"]["tokens"] == {"prompt": 10, "completion": 2, "total": 12}
    assert event["estimatedCost"] == 0.0
    assert event["metadata"]["cost_unknown"] is True
    assert event["metadata"]["temperature"] == 0.3
    assert event["metadata"]["finish_reason"] == "stop"
    assert event["metadata"]["time_to_first_token_ms"] >= 0
    assert metadata == {"temperature": 0.3}


def test_the_provider_is_found_by_the_model(session: Any, events: Any) -> None:
    usage = Usage(input_tokens=100, cache_read_tokens=900, output_tokens=10)
    with sentrial.llm_call("gpt-4o") as call:
        call.set_usage(usage)
    with sentrial.llm_call("nobody-knows"):
        pass
    known, unknown = events()
    assert known["toolName"] == "llm:openai:gpt-4o"
    assert known["estimatedCost"] == pytest.approx(100 * 2.5e-6 + 900 * 1.25e-6 + 10 * 10e-6)
    assert unknown["toolName"] == "llm:unknown:nobody-knows"


def test_an_exception_is_recorded_and_goes_on(session: Any, events: Any) -> None:
    problem = ValueError("no")
    with pytest.raises(ValueError, match="no") as caught, sentrial.llm_call("m", PROMPT):
        raise problem
    assert caught.value is problem
    (event,) = events()
    assert event["eventType"] == "error"
    assert event["toolError"] == {"message": "no", "type": "ValueError"}
    assert event["toolInput"]["messages"] == PROMPT


def test_an_exception_after_part_of_the_answer(session: Any, events: Any) -> None:
    def fail() -> None:
        with sentrial.llm_call("m") as call:
            call.set_output("hel")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    (event,) = events()
    assert event["toolOutput"]["content"] == "hel"
    assert event["toolError"]["type"] == "ValueError"
    assert event["metadata"]["partial"] is True


def test_outside_of_a_session_nothing_happens(client: Any, events: Any) -> None:
    with sentrial.llm_call("m") as call:
        call.first_token()
        call.set_output("x")
    assert events() == []


def test_it_belongs_to_the_session_in_which_it_began(client: Any, events: Any) -> None:
    first = client.begin("first", "agent")
    with sentrial.llm_call("m"):
        first.finish()
        client.begin("second", "agent")
    sentrial.clear_session_context()
    assert [event["sessionId"] for event in events()] == [first.session_id]


def test_asynchronous_and_concurrent(session: Any, events: Any) -> None:
    async def one(number: int) -> None:
        async with sentrial.llm_call(f"m{number}") as call:
            await asyncio.sleep(0)
            call.set_output(str(number))
            call.set_usage(prompt_tokens=1)

    async def run() -> None:
        await asyncio.gather(*(one(number) for number in range(10)))

    in_loop(run())
    recorded = events()
    assert sorted(event["toolOutput"]["content"] for event in recorded) == list("0123456789")
    assert all(event["toolName"].endswith(event["toolOutput"]["content"]) for event in recorded)
    assert all(event["tokenCount"] == 1 for event in recorded)


def test_cancelled(session: Any, events: Any) -> None:
    async def run() -> None:
        async with sentrial.llm_call("m"):
            await asyncio.sleep(10)

    async def cancel() -> None:
        task = asyncio.create_task(run())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_loop(cancel())
    assert events()[0]["toolError"]["type"] == "CancelledError"


def test_the_client_takes_usage_and_more_of_the_answer(client: Any, events: Any) -> None:
    client.track_llm_call(
        "s",
        "gpt-4o",
        PROMPT,
        "hello",
        usage={"input_tokens": 4, "cache_read_tokens": 6, "output_tokens": 1, "total_tokens": 99},
        output_fields={"tool_calls": [{"name": "f"}]},
    )
    output = events()[0]["toolOutput"]
    assert output["tool_calls"] == [{"name": "f"}]
    assert output["tokens"] == {"prompt": 10, "completion": 1, "total": 99, "cache_read": 6}
