"""Anthropic's client: whole and streamed answers, helpers, raw responses, Bedrock and Vertex."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.llm_upstream import Reply, message, message_body, message_stream, on_bedrock
from tests.support.sdk import in_loop

if TYPE_CHECKING:
    from tests.support.llm_upstream import LLMUpstream

anthropic = pytest.importorskip("anthropic")

MODEL = "claude-3-5-sonnet-20241022"
ASK: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "hi"}],
}
TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}}
THINKING = {"type": "thinking", "thinking": "let me see", "signature": "sig"}


def test_the_documented_shape(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/v1/messages", message("hello"))
    anthropic_client().messages.create(system="be nice", stop_sequences=["x"], **ASK)
    (event,) = events()
    assert event["toolName"] == f"llm:anthropic:{MODEL}"
    assert event["toolInput"] == {
        "messages": [{"role": "system", "content": "be nice"}, *ASK["messages"]],
        "model": MODEL,
        "provider": "anthropic",
    }
    assert event["toolOutput"]["content"] == "hello"
    assert event["toolOutput"]["tokens"] == {"prompt": 13, "completion": 5, "total": 18}
    assert event["estimatedCost"] == pytest.approx(13 * 3e-6 + 5 * 15e-6)
    metadata = event["metadata"]
    assert metadata["finish_reason"] == "end_turn"
    assert metadata["request_id"] == "req_ant"
    assert metadata["max_tokens"] == 64
    assert metadata["stop_sequences"] == ["x"]


def test_tool_use_and_thinking_are_in_the_output(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W14."""
    upstream.reply("/v1/messages", message(THINKING, "Let me check.", TOOL_USE))
    anthropic_client().messages.create(**ASK)
    output = events()[0]["toolOutput"]
    assert output["content"] == "Let me check."
    assert output["thinking"] == "let me see"
    assert output["tool_calls"] == [
        {"id": "toolu_1", "name": "get_weather", "arguments": {"city": "Oslo"}}
    ]


def test_thinking_can_be_left_out(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/v1/messages", message(THINKING, "4"), message_stream("4", thinking="hm"))
    client = sentrial.unwrap(anthropic_client())
    sentrial.wrap_anthropic(client, record_thinking=False)
    client.messages.create(**ASK)
    list(client.messages.create(stream=True, **ASK))
    assert all("thinking" not in event["toolOutput"] for event in events())


def test_cache_tokens_count(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W17: they come on top of the input."""
    usage = {
        "input_tokens": 100,
        "output_tokens": 50,
        "cache_read_input_tokens": 9000,
        "cache_creation_input_tokens": 2000,
    }
    upstream.reply("/v1/messages", message("x", usage=usage))
    anthropic_client().messages.create(**ASK)
    (event,) = events()
    assert event["toolOutput"]["tokens"] == {
        "prompt": 11100,
        "completion": 50,
        "total": 11150,
        "cache_read": 9000,
        "cache_write": 2000,
    }
    expected = 100 * 3e-6 + 9000 * 0.3e-6 + 2000 * 3.75e-6 + 50 * 15e-6
    assert event["estimatedCost"] == pytest.approx(expected)


def test_the_error_event_has_the_system_prompt(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W18."""
    upstream.reply("/v1/messages", Reply({"type": "error", "error": {"message": "busy"}}, 529))
    with pytest.raises(anthropic.APIStatusError):
        anthropic_client().messages.create(system="be nice", **ASK)
    (event,) = events()
    assert event["eventType"] == "error"
    assert event["toolInput"]["messages"][0] == {"role": "system", "content": "be nice"}


def test_content_blocks_go_back_into_the_messages(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W7."""
    upstream.reply("/v1/messages", message("checking", TOOL_USE))
    client = anthropic_client()
    blocks = client.messages.create(**ASK).content
    messages = [*ASK["messages"], {"role": "assistant", "content": blocks}]
    client.messages.create(model=MODEL, max_tokens=64, messages=messages)
    recorded = events()[1]["toolInput"]["messages"][1]["content"]
    assert recorded[1]["name"] == "get_weather"


def test_the_beta_resource_and_raw_responses(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W1, W5."""
    upstream.reply("/v1/messages", message("hello"))
    client = anthropic_client()
    client.beta.messages.create(**ASK)
    raw = client.messages.with_raw_response.create(**ASK)
    assert raw.parse().content[0].text == "hello"
    with client.messages.with_streaming_response.create(**ASK) as response:
        assert response.parse().content[0].text == "hello"
    client.with_options(timeout=5).messages.create(**ASK)
    assert [event["toolOutput"]["content"] for event in events()] == ["hello"] * 4


def test_counting_tokens_is_no_call(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/count_tokens", Reply({"input_tokens": 3}))
    counted = anthropic_client().messages.count_tokens(model=MODEL, messages=ASK["messages"])
    assert counted.input_tokens == 3
    assert events() == []


def test_structured_results(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    client = anthropic_client()
    if not hasattr(client.messages, "parse"):
        pytest.skip("this version has no parse")
    from pydantic import BaseModel

    class City(BaseModel):
        name: str

    upstream.reply("/v1/messages", message('{"name": "Oslo"}'))
    assert client.messages.parse(output_format=City, **ASK).parsed_output == City(name="Oslo")
    assert events()[0]["toolOutput"]["parsed"] == {"name": "Oslo"}


def test_a_created_stream_stays_what_it_is(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W9."""
    upstream.reply("/v1/messages", message_stream("Hel", "lo", thinking="hm", tool=("f", "{}")))
    with anthropic_client().messages.create(stream=True, **ASK) as stream:
        assert isinstance(stream, anthropic.Stream)
        assert stream.response.status_code == 200
        assert [event.type for event in stream][-1] == "message_stop"
    (event,) = events()
    output = event["toolOutput"]
    assert output["content"] == "Hello"
    assert output["thinking"] == "hm"
    assert output["tool_calls"] == [{"id": "toolu_1", "name": "f", "arguments": {}}]
    assert output["tokens"] == {
        "prompt": 133,
        "completion": 9,
        "total": 142,
        "cache_read": 100,
        "cache_write": 20,
    }
    assert event["metadata"]["finish_reason"] == "tool_use"
    assert "partial" not in event["metadata"]


def _text_stream(stream: Any) -> None:
    assert "".join(stream.text_stream) == "Hello"


def _final_message(stream: Any) -> None:
    assert stream.get_final_message().usage.output_tokens == 9


def _final_text(stream: Any) -> None:
    assert stream.get_final_text() == "Hello"


def _until_done(stream: Any) -> None:
    stream.until_done()


def _break_and_go_on(stream: Any) -> None:
    for _ in stream.text_stream:
        break
    assert stream.get_final_text() == "Hello"


def _events(stream: Any) -> None:
    assert "text" in {event.type for event in stream}


@pytest.mark.parametrize(
    "use", [_text_stream, _final_message, _final_text, _until_done, _break_and_go_on, _events]
)
def test_the_stream_helper_is_recorded_however_it_is_read(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any, use: Any
) -> None:
    """W8."""
    upstream.reply("/v1/messages", message_stream("Hel", "lo"))
    with anthropic_client().messages.stream(system="be nice", **ASK) as stream:
        assert isinstance(stream, anthropic.MessageStream)
        use(stream)
    (event,) = events()
    assert event["toolOutput"]["content"] == "Hello"
    assert event["toolOutput"]["tokens"]["completion"] == 9
    assert event["toolInput"]["messages"][0]["role"] == "system"
    assert "partial" not in event["metadata"]


def test_the_stream_helper_takes_iterators(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W7."""
    upstream.reply("/v1/messages", message_stream("Hel", "lo"))
    ask = {**ASK, "messages": (message for message in ASK["messages"])}
    with anthropic_client().messages.stream(**ask) as stream:
        stream.until_done()
    assert upstream.asked[0].json["messages"] == ASK["messages"]
    assert events()[0]["toolInput"]["messages"] == ASK["messages"]


def test_streams_that_are_left(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W8, W9."""
    upstream.reply("/v1/messages", message_stream("Hel", "lo"))
    client = anthropic_client()
    with client.messages.stream(**ASK) as kept:
        for event in kept:
            if event.type == "content_block_delta":
                break
    for number, _ in enumerate(client.messages.create(stream=True, **ASK)):
        if number == 2:
            break
    gc.collect()
    assert [event["toolOutput"]["content"] for event in events()] == ["Hel", "Hel"]
    assert all(event["metadata"]["partial"] for event in events())


def test_a_stream_that_fails(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/v1/messages", message_stream("Hel", "lo", cut_after=3))
    client = anthropic_client()
    with pytest.raises(Exception) as caught, client.messages.stream(**ASK) as stream:  # noqa: PT011
        stream.until_done()
    upstream.reply("/v1/messages", Reply({"type": "error", "error": {"message": "no"}}, 400))
    with pytest.raises(anthropic.BadRequestError), client.messages.stream(**ASK):
        pass
    broken, refused = events()
    assert broken["toolOutput"]["content"] == "Hel"
    assert broken["toolError"]["type"] == type(caught.value).__name__
    assert refused["eventType"] == "error"


def test_asynchronous_clients(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W2."""
    upstream.reply("/v1/messages", message("hello"), message("raw"), message_stream("Hel", "lo"))

    class Mine(anthropic.AsyncAnthropic):  # type: ignore[misc,name-defined]
        pass

    async def run() -> None:
        async with anthropic_client(Mine) as client:
            answer = await client.messages.create(**ASK)
            assert answer.content[0].text == "hello"
            raw = await client.messages.with_raw_response.create(**ASK)
            parsed = raw.parse()
            parsed = await parsed if hasattr(parsed, "__await__") else parsed
            assert parsed.content[0].text == "raw"
            stream = await client.messages.create(stream=True, **ASK)
            assert [event.type async for event in stream][-1] == "message_stop"
            async with client.messages.stream(**ASK) as helper:
                assert await helper.get_final_text() == "Hello"
            async with client.messages.stream(**ASK) as helper:
                async for text in helper.text_stream:
                    assert text == "Hel"
                    break

    in_loop(run())
    contents = [event["toolOutput"]["content"] for event in events()]
    assert contents == ["hello", "raw", "Hello", "Hello", "Hel"]


def on_cloud(cloud: str, upstream: LLMUpstream, prefix: str = "") -> Any:
    """Return a wrapped client of Anthropic's models at a cloud; ``prefix`` may be Async."""
    if cloud == "Bedrock":
        pytest.importorskip("boto3", reason="signs the requests")
        options = {"aws_region": "us-east-1", "aws_access_key": "k", "aws_secret_key": "s"}
        whole, stream = "/invoke", "/invoke-with-response-stream"
        streamed = on_bedrock(message_stream("Hel", "lo"))
    else:
        pytest.importorskip("google.auth", reason="the client looks for it")
        options = {"region": "us-east5", "project_id": "p", "access_token": "t"}
        whole, stream = ":rawPredict", ":streamRawPredict"
        streamed = message_stream("Hel", "lo")
    upstream.reply(whole, message("hello"))
    upstream.reply(stream, streamed)
    made = getattr(anthropic, f"{prefix}Anthropic{cloud}")
    return sentrial.wrap_anthropic(made(base_url=upstream.url, max_retries=0, **options))


@pytest.mark.parametrize("cloud", ["Bedrock", "Vertex"])
def test_clients_of_the_clouds(
    upstream: LLMUpstream, session: Any, events: Any, cloud: str
) -> None:
    """W2: they are wrapped like the others."""
    with on_cloud(cloud, upstream) as client:
        assert client.messages.create(**ASK).content[0].text == "hello"
        assert client.beta.messages.create(**ASK).content[0].text == "hello"
        with client.messages.create(stream=True, **ASK) as stream:
            assert isinstance(stream, anthropic.Stream)
            assert [event.type for event in stream][-1] == "message_stop"
        raw = client.messages.with_raw_response.create(**ASK)
        assert raw.parse().content[0].text == "hello"
        sentrial.unwrap(client)
        client.messages.create(**ASK)
    recorded = events()
    assert [event["toolOutput"]["content"] for event in recorded] == [
        *("hello", "hello", "Hello", "hello"),
    ]
    assert {event["toolName"] for event in recorded} == {f"llm:anthropic:{MODEL}"}


@pytest.mark.parametrize("cloud", ["Bedrock", "Vertex"])
def test_asynchronous_clients_of_the_clouds(
    upstream: LLMUpstream, session: Any, events: Any, cloud: str
) -> None:
    """W2: 0.6.0 takes them for synchronous ones."""

    async def run() -> None:
        async with on_cloud(cloud, upstream, "Async") as client:
            answer = await client.messages.create(**ASK)
            assert answer.content[0].text == "hello"
            stream = await client.messages.create(stream=True, **ASK)
            assert [event.type async for event in stream][-1] == "message_stop"

    in_loop(run())
    assert [event["toolOutput"]["content"] for event in events()] == ["hello", "Hello"]


@pytest.mark.parametrize("text", ["{not json", '{"type": "content_block_delta"}', "[]", "null"])
def test_malformed_events_reach_the_program_as_without_us(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any, text: str
) -> None:
    def outcome(client: Any) -> tuple[list[str], str]:
        seen: list[str] = []
        try:
            seen.extend(str(type(event)) for event in client.messages.create(stream=True, **ASK))
        except Exception as error:  # noqa: BLE001  which one is the client's affair
            return seen, f"{type(error).__name__}: {error}"
        return seen, ""

    start, *_ = message_stream("a").events or ()
    broken = f"event: message_start\ndata: {json.dumps(start)}\n\n"
    broken += f"event: content_block_delta\ndata: {text}\n\n"
    upstream.reply("/v1/messages", Reply(text=broken))
    client = anthropic_client()
    with_us = outcome(client)
    sentrial.unwrap(client)
    assert with_us == outcome(client)
    assert len(events()) == 1


def test_bodies_read_by_the_program_itself(
    anthropic_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/v1/messages", message("hello"))
    with anthropic_client().messages.with_streaming_response.create(**ASK) as response:
        assert response.json() == message_body("hello")
    assert events()[0]["toolOutput"]["content"] == "hello"
