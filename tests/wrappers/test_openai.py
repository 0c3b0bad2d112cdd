"""OpenAI's client: whole answers, of every entry point, sync and async."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.llm_upstream import Reply, chat, response_body
from tests.support.sdk import client_for, in_loop

if TYPE_CHECKING:
    from tests.support.collector import Collector
    from tests.support.llm_upstream import LLMUpstream

openai = pytest.importorskip("openai")

ASK: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
}
TOOL_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
}


def test_the_documented_shape(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", chat("hello"))
    answer = openai_client().chat.completions.create(temperature=0.1, **ASK)
    assert answer.choices[0].message.content == "hello"
    (event,) = events()
    assert event["eventType"] == "tool_call"
    assert event["toolName"] == "llm:openai:gpt-4o"
    assert event["toolInput"] == {"provider": "openai", **ASK}
    assert event["toolOutput"]["content"] == "hello"
    assert event["toolOutput"]["tokens"] == {"prompt": 11, "completion": 7, "total": 18}
    assert event["reasoning"] == "LLM call to openai gpt-4o"
    assert event["tokenCount"] == 18
    assert event["estimatedCost"] == pytest.approx(11 * 2.5e-6 + 7 * 10e-6)
    metadata = event["metadata"]
    assert metadata["finish_reason"] == "stop"
    assert metadata["temperature"] == 0.1
    assert metadata["request_id"] == "req_openai"
    assert metadata["response_model"] == "gpt-4o-2024-08-06"
    assert metadata["prompt_tokens"] == 11
    assert metadata["completion_tokens"] == 7
    assert isinstance(metadata["duration_ms"], int)


def test_tool_calls_are_in_the_output(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W14."""
    upstream.reply("/chat/completions", chat(None, tool_calls=[TOOL_CALL]))
    openai_client().chat.completions.create(**ASK)
    output = events()[0]["toolOutput"]
    assert output["content"] == ""
    call = {"id": "call_1", "name": "get_weather", "arguments": {"city": "Oslo"}}
    assert output["tool_calls"] == [call]


def test_refusals_and_further_choices_are_in_the_output(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W14."""
    reply = chat(None, refusal="I cannot help")
    second = {"index": 1, "message": {"role": "assistant", "content": "b"}, "finish_reason": "stop"}
    reply.body["choices"].append(second)
    upstream.reply("/chat/completions", reply)
    openai_client().chat.completions.create(n=2, **ASK)
    (event,) = events()
    assert event["toolOutput"]["refusal"] == "I cannot help"
    assert [choice["content"] for choice in event["toolOutput"]["choices"]] == ["", "b"]
    assert event["metadata"]["n"] == 2


def test_thinking_of_compatible_servers_is_recorded_unless_switched_off(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", chat("4", reasoning_content="two and two"))
    client = openai_client()
    client.chat.completions.create(**ASK)
    sentrial.unwrap(client)
    sentrial.wrap_openai(client, record_thinking=False)
    client.chat.completions.create(**ASK)
    first, second = events()
    assert first["toolOutput"]["thinking"] == "two and two"
    assert "thinking" not in second["toolOutput"]


@pytest.mark.parametrize("usage", [None, {}])
def test_an_answer_without_usage(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any, usage: Any
) -> None:
    reply = chat("hello", usage=None)
    if usage is not None:
        reply.body["usage"] = usage
    upstream.reply("/chat/completions", reply)
    openai_client().chat.completions.create(**ASK)
    event = events()[0]
    assert event["toolOutput"]["content"] == "hello"
    assert event["toolOutput"]["tokens"]["total"] == 0
    assert event["estimatedCost"] == 0.0
    assert event["metadata"].get("usage_unknown", False) is (usage is None)


def test_no_choices(openai_client: Any, upstream: LLMUpstream, session: Any, events: Any) -> None:
    reply = chat("x")
    reply.body["choices"] = []
    upstream.reply("/chat/completions", reply)
    assert openai_client().chat.completions.create(**ASK).choices == []
    assert events()[0]["toolOutput"]["content"] == ""


def test_an_error_of_the_provider_is_recorded_and_raised_as_it_is(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply(
        "/chat/completions",
        Reply({"error": {"message": "slow down"}}, 429, {"x-request-id": "req_bad"}),
    )
    with pytest.raises(openai.RateLimitError) as caught:
        openai_client().chat.completions.create(**ASK)
    assert "sentrial" not in "".join(str(n) for n in getattr(caught.value, "__notes__", []))
    assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, Exception)
    (event,) = events()
    assert event["eventType"] == "error"
    assert event["toolName"] == "llm:openai:gpt-4o"
    assert event["toolError"]["type"] == "RateLimitError"
    assert event["toolError"]["message"] == str(caught.value)
    assert event["toolInput"]["messages"] == ASK["messages"]
    assert event["metadata"]["request_id"] == "req_bad"
    assert event["metadata"]["retries"] == 0


def test_retries_are_told_of_a_call_that_failed_for_good(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", Reply({}, 500, {"retry-after-ms": "1"}))
    client = openai_client(max_retries=1)
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(**ASK)
    assert len(upstream.asked) == 2
    assert events()[0]["metadata"]["retries"] == 1


def test_nothing_is_recorded_or_changed_outside_of_a_session(
    openai_client: Any, upstream: LLMUpstream, client: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", chat("hello"))
    openai_client().chat.completions.create(**ASK)
    assert events() == []


def test_messages_that_are_no_plain_json(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W7: an answer's message goes back in, and iterators are read by the client only."""
    upstream.reply("/chat/completions", chat("ok", tool_calls=[TOOL_CALL]))
    client = openai_client()
    first = client.chat.completions.create(**ASK).choices[0].message
    given = [*ASK["messages"], first, {"role": "tool", "tool_call_id": "call_1", "content": "3"}]
    client.chat.completions.create(model="gpt-4o", messages=given)
    client.chat.completions.create(model="gpt-4o", messages=(m for m in ASK["messages"]))
    client.chat.completions.create(model="gpt-4o", messages=tuple(ASK["messages"]))
    recorded = [event["toolInput"]["messages"] for event in events()]
    assert [len(messages) for messages in recorded] == [2, 4, 2, 2]
    assert recorded[1][2]["tool_calls"][0]["function"]["name"] == "get_weather"
    assert recorded[2] == recorded[3] == ASK["messages"]
    assert upstream.asked[2].json["messages"] == ASK["messages"]


def test_with_raw_response(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W1."""
    upstream.reply("/chat/completions", chat("hello"))
    raw = openai_client().chat.completions.with_raw_response.create(**ASK)
    assert raw.headers["x-request-id"] == "req_openai"
    assert raw.parse().choices[0].message.content == "hello"
    (event,) = events()
    assert event["toolOutput"]["content"] == "hello"
    assert event["toolOutput"]["tokens"]["total"] == 18
    assert event["metadata"]["request_id"] == "req_openai"
    assert event["metadata"]["retries"] == 0


@pytest.mark.parametrize("read", ["parse", "json", "nothing"])
def test_with_streaming_response(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any, read: str
) -> None:
    """W1."""
    upstream.reply("/chat/completions", chat("hello"))
    with openai_client().chat.completions.with_streaming_response.create(**ASK) as response:
        if read != "nothing":
            assert getattr(response, read)()
    (event,) = events()
    expected = "" if read == "nothing" else "hello"
    assert event["toolOutput"]["content"] == expected
    assert event["metadata"].get("partial", False) is (read == "nothing")


def test_copies_of_the_client_are_wrapped(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W5."""
    upstream.reply("/chat/completions", chat("hello"))
    client = openai_client()
    client.with_options(timeout=5).chat.completions.create(**ASK)
    client.copy().with_options(timeout=5).chat.completions.create(**ASK)
    assert len(events()) == 2


def test_structured_results(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W5."""
    from pydantic import BaseModel

    class City(BaseModel):
        name: str

    upstream.reply("/chat/completions", chat('{"name": "Oslo"}'))
    client = openai_client()
    place = client.chat if hasattr(client.chat.completions, "parse") else client.beta.chat
    parsed = place.completions.parse(response_format=City, **ASK)
    assert parsed.choices[0].message.parsed == City(name="Oslo")
    (event,) = events()
    assert event["toolOutput"]["parsed"] == {"name": "Oslo"}


def test_the_beta_resources_are_wrapped(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", chat('{"name": "Oslo"}'))
    from pydantic import BaseModel

    class City(BaseModel):
        name: str

    openai_client().beta.chat.completions.parse(response_format=City, **ASK)
    assert events()[0]["toolOutput"]["parsed"] == {"name": "Oslo"}


def test_embeddings(openai_client: Any, upstream: LLMUpstream, session: Any, events: Any) -> None:
    """W5."""
    data = [{"object": "embedding", "index": n, "embedding": [0.1, 0.2]} for n in range(3)]
    body = {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": data,
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    upstream.reply("/embeddings", Reply(body))
    openai_client().embeddings.create(
        model="text-embedding-3-small", input=["a", "b", "c"], encoding_format="float"
    )
    (event,) = events()
    assert event["toolName"] == "llm:openai:text-embedding-3-small"
    assert event["toolInput"]["messages"] == ["a", "b", "c"]
    assert event["toolOutput"]["embeddings"] == 3
    assert event["toolOutput"]["dimensions"] == 2
    assert event["tokenCount"] == 4


def test_the_older_completions(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W5."""
    body = {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": "gpt-3.5-turbo-instruct",
        "choices": [{"index": 0, "text": " there", "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3},
    }
    upstream.reply("/completions", Reply(body))
    openai_client().completions.create(model="gpt-3.5-turbo-instruct", prompt="hi")
    (event,) = events()
    assert event["toolOutput"]["content"] == " there"
    assert event["toolInput"]["messages"] == [{"role": "user", "content": "hi"}]


def test_the_responses_api(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W5."""
    client = openai_client()
    if not hasattr(client, "responses"):
        pytest.skip("this version has no responses API")
    output = [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "think"}],
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": "f",
            "arguments": '{"a": 1}',
            "status": "completed",
        },
        *response_body("done")["output"],
    ]
    upstream.reply("/responses", Reply(response_body("x", output=output)))
    answer = client.responses.create(model="gpt-4o", input="hi", instructions="be brief")
    assert answer.output_text == "done"
    (event,) = events()
    said = event["toolOutput"]
    assert said["content"] == "done"
    assert said["thinking"] == "think"
    assert said["tool_calls"] == [{"id": "call_1", "name": "f", "arguments": {"a": 1}}]
    assert said["tokens"] == {
        "prompt": 20,
        "completion": 9,
        "total": 29,
        "cache_read": 8,
        "reasoning": 4,
    }
    assert event["toolInput"]["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
    ]
    assert event["metadata"]["finish_reason"] == "completed"


def _async(openai_client: Any, upstream: LLMUpstream, cls: Any, **options: Any) -> str:
    async def run() -> str:
        async with openai_client(cls, **options) as client:
            answer = await client.chat.completions.create(**ASK)
            content: str = answer.choices[0].message.content
            return content

    return asyncio.run(run())


class Mine(openai.AsyncOpenAI):  # type: ignore[misc,name-defined]
    """A subclass, as programs have them."""


@pytest.mark.parametrize("cls", [openai.AsyncOpenAI, Mine])
def test_asynchronous_clients(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any, cls: Any
) -> None:
    """W2."""
    upstream.reply("/chat/completions", chat("hello"))
    assert _async(openai_client, upstream, cls) == "hello"
    assert events()[0]["toolOutput"]["content"] == "hello"


def test_azure(openai_client: Any, upstream: LLMUpstream, session: Any, events: Any) -> None:
    """W2."""
    upstream.reply("/chat/completions", chat("hello"))
    options = {"base_url": None, "azure_endpoint": upstream.url, "api_version": "2024-06-01"}
    assert _async(openai_client, upstream, openai.AsyncAzureOpenAI, **options) == "hello"
    assert events()[0]["toolOutput"]["content"] == "hello"


def test_azure_without_asyncio(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """The deployment is in the path, the model in the event."""
    upstream.reply("/openai/deployments/gpt-4o/chat/completions", chat("hello"))
    options = {"base_url": None, "azure_endpoint": upstream.url, "api_version": "2024-06-01"}
    client = openai_client(openai.AzureOpenAI, **options)
    assert client.chat.completions.create(**ASK).choices[0].message.content == "hello"
    raw = client.chat.completions.with_raw_response.create(**ASK)
    assert raw.parse().choices[0].message.content == "hello"
    assert [event["toolName"] for event in events()] == ["llm:openai:gpt-4o"] * 2


def test_asynchronous_raw_responses_and_errors(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", chat("hello"), chat("again"), Reply({}, 400))

    async def run() -> None:
        async with openai_client(openai.AsyncOpenAI) as client:
            completions = client.chat.completions
            raw = await completions.with_raw_response.create(**ASK)
            assert raw.parse().choices[0].message.content == "hello"
            async with completions.with_streaming_response.create(**ASK) as response:
                parsed = await response.parse()
                assert parsed.choices[0].message.content == "again"
            with pytest.raises(openai.BadRequestError):
                await completions.create(**ASK)

    asyncio.run(run())
    first, second, third = events()
    assert first["toolOutput"]["content"] == "hello"
    assert second["toolOutput"]["content"] == "again"
    assert third["eventType"] == "error"


def test_a_cancelled_call_is_recorded_as_failed(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    reply = chat("late")
    reply.delay = 2
    upstream.reply("/chat/completions", reply)

    async def run() -> None:
        async with openai_client(openai.AsyncOpenAI) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.chat.completions.create(**ASK), 0.2)

    asyncio.run(run())
    (event,) = events()
    assert event["eventType"] == "error"
    assert event["toolError"]["type"] == "CancelledError"


@pytest.mark.parametrize("host", ["api.groq.com", "api.deepseek.com"])
def test_a_compatible_server_is_named_by_its_host(host: str) -> None:
    from sentrial.wrappers import _openai

    client = openai.OpenAI(api_key="k", base_url=f"https://{host}/v1")
    for _ in range(2):
        assert _openai._provider(client.chat.completions) == host.split(".")[1]
    client.base_url = "https://api.mistral.ai/v1"
    assert _openai._provider(client.chat.completions) == "mistral"
    client.close()


def test_the_loop_is_not_held_up_where_recording_waits(
    openai_client: Any, upstream: LLMUpstream, collector: Collector
) -> None:
    """W13."""
    upstream.reply("/chat/completions", chat("hello"))
    client = client_for(collector, batching=False, timeout=10)

    async def run() -> None:
        async with openai_client(openai.AsyncOpenAI) as wrapped:
            interaction = client.begin("u", "a")
            collector.hold()
            call = asyncio.create_task(wrapped.chat.completions.create(**ASK))
            await asyncio.to_thread(collector.wait_for, 1, path="/api/sdk/events")
            # The event waits for its answer; if the loop did too, this would not run.
            assert not call.done()
            collector.release()
            await call
            interaction.finish()

    in_loop(run())
    assert len(collector.events()) == 1
