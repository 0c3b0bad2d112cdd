"""Google's current package: `google.genai.Client`, sync and async, streams, chats, embeddings."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.llm_upstream import Reply, gemini, gemini_body, gemini_stream
from tests.support.sdk import in_loop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.llm_upstream import LLMUpstream

genai = pytest.importorskip("google.genai")

MODEL = "gemini-2.0-flash"
CALL = {"functionCall": {"name": "get_weather", "args": {"city": "Oslo"}}}


@pytest.fixture
def google(upstream: LLMUpstream) -> Iterator[Any]:
    """Give a wrapped client."""
    from google.genai import types

    options = types.HttpOptions(base_url=upstream.url)
    client = genai.Client(api_key="k", http_options=options)
    yield sentrial.wrap_google(client)
    if hasattr(client, "close"):
        client.close()


def test_the_documented_shape(
    google: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W5, W11."""
    upstream.reply(":generateContent", gemini("hello"))
    config = {"temperature": 0.2, "system_instruction": "be brief"}
    answer = google.models.generate_content(model=f"models/{MODEL}", contents="hi", config=config)
    assert answer.text == "hello"
    (event,) = events()
    assert event["toolName"] == f"llm:google:{MODEL}"
    assert event["toolInput"] == {
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hi"},
        ],
        "model": MODEL,
        "provider": "google",
    }
    assert event["toolOutput"]["content"] == "hello"
    assert event["toolOutput"]["tokens"] == {"prompt": 17, "completion": 6, "total": 23}
    assert event["estimatedCost"] == pytest.approx(17 * 0.1e-6 + 6 * 0.4e-6)
    metadata = event["metadata"]
    assert metadata["finish_reason"] == "STOP"
    assert metadata.get("response_id") == getattr(answer, "response_id", None)
    assert metadata["response_model"] == "gemini-2.0-flash-001"
    assert metadata["temperature"] == 0.2


def test_thoughts_and_function_calls(
    google: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W14, W17."""
    usage = {
        "promptTokenCount": 17,
        "candidatesTokenCount": 6,
        "thoughtsTokenCount": 40,
        "cachedContentTokenCount": 10,
        "totalTokenCount": 63,
    }
    thought = {"text": "let me see", "thought": True}
    upstream.reply(":generateContent", gemini(thought, "checking", CALL, usage=usage))
    google.models.generate_content(model=MODEL, contents="hi")
    output = events()[0]["toolOutput"]
    assert output["content"] == "checking"
    assert output["thinking"] == "let me see"
    call = {"id": None, "name": "get_weather", "arguments": {"city": "Oslo"}}
    assert output["tool_calls"] == [call]
    assert output["tokens"] == {
        "prompt": 17,
        "completion": 46,
        "total": 63,
        "cache_read": 10,
        "reasoning": 40,
    }


def test_thoughts_can_be_left_out(
    google: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    thought = {"text": "let me see", "thought": True}
    upstream.reply(":generateContent", gemini(thought, "checking"))
    sentrial.unwrap(google)
    sentrial.wrap_google(google, record_thinking=False)
    google.models.generate_content(model=MODEL, contents="hi")
    assert events()[0]["toolOutput"]["content"] == "checking"
    assert "thinking" not in events()[0]["toolOutput"]


def test_a_blocked_prompt(google: Any, upstream: LLMUpstream, session: Any, events: Any) -> None:
    body = gemini_body(promptFeedback={"blockReason": "SAFETY"})
    del body["candidates"]
    upstream.reply(":generateContent", Reply(body))
    google.models.generate_content(model=MODEL, contents="hi")
    (event,) = events()
    assert event["toolOutput"]["content"] == ""
    assert event["metadata"]["finish_reason"] == "SAFETY"


def test_contents_of_every_kind(
    google: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    from google.genai import types

    picture = types.Part.from_bytes(data=b"\x89PNG....", mime_type="image/png")
    content = types.Content(role="model", parts=[types.Part(text="a"), types.Part(text="b")])
    mixed = types.Content(role="user", parts=[types.Part(text="look"), picture])
    upstream.reply(":generateContent", gemini("hello"))
    google.models.generate_content(model=MODEL, contents=["text", picture, content, mixed])
    text, image, joined, both = events()[0]["toolInput"]["messages"]
    assert text == {"role": "user", "content": "text"}
    assert image["content"]["mime_type"] == "image/png"
    assert image["content"]["data"]["bytes"] == 8
    assert joined == {"role": "model", "content": "ab"}
    assert both["content"][0] == "look"
    assert both["content"][1]["data"]["type"] == "image/png"


def test_errors(google: Any, upstream: LLMUpstream, session: Any, events: Any) -> None:
    from google.genai import errors

    upstream.reply(":generateContent", Reply({"error": {"code": 400, "message": "no"}}, 400))
    with pytest.raises(errors.ClientError) as caught:
        google.models.generate_content(model=MODEL, contents="hi")
    (event,) = events()
    assert event["eventType"] == "error"
    assert event["toolError"]["message"] == str(caught.value)


def test_streams(google: Any, upstream: LLMUpstream, session: Any, events: Any) -> None:
    upstream.reply(":streamGenerateContent", gemini_stream("Hel", "lo"))
    stream = google.models.generate_content_stream(model=MODEL, contents="hi")
    assert "".join(piece.text for piece in stream) == "Hello"
    for _ in google.models.generate_content_stream(model=MODEL, contents="hi"):
        break
    gc.collect()
    whole, part = events()
    assert whole["toolOutput"]["content"] == "Hello"
    assert whole["toolOutput"]["tokens"] == {"prompt": 17, "completion": 4, "total": 21}
    assert whole["metadata"]["finish_reason"] == "STOP"
    assert "time_to_first_token_ms" in whole["metadata"]
    assert "partial" not in whole["metadata"]
    assert part["toolOutput"]["content"] == "Hel"
    assert part["metadata"]["partial"] is True


def test_a_stream_belongs_to_the_session_in_which_it_was_asked_for(
    google: Any, upstream: LLMUpstream, client: Any, events: Any
) -> None:
    """W4."""
    upstream.reply(":streamGenerateContent", gemini_stream("Hel", "lo"))
    with client.begin("first", "agent") as first:
        stream = google.models.generate_content_stream(model=MODEL, contents="hi")
    list(stream)
    assert [event["sessionId"] for event in events()] == [first.session_id]


def test_chats(google: Any, upstream: LLMUpstream, session: Any, events: Any) -> None:
    upstream.reply(":generateContent", gemini("hello"))
    upstream.reply(":streamGenerateContent", gemini_stream("Hel", "lo"))
    chat = google.chats.create(model=MODEL)
    chat.send_message("one")
    assert "".join(piece.text for piece in chat.send_message_stream("two")) == "Hello"
    first, second = events()
    assert first["toolInput"]["messages"] == [{"role": "user", "content": "one"}]
    assert [m["content"] for m in second["toolInput"]["messages"]] == ["one", "hello", "two"]
    assert second["toolOutput"]["content"] == "Hello"


def test_embeddings(google: Any, upstream: LLMUpstream, session: Any, events: Any) -> None:
    body = {"embeddings": [{"values": [0.1, 0.2, 0.3]}, {"values": [0.1, 0.2, 0.3]}]}
    upstream.reply("mbedContent", Reply(body))
    google.models.embed_content(model="gemini-embedding-001", contents=["a", "b"])
    (event,) = events()
    assert event["toolOutput"]["embeddings"] == 2
    assert event["toolOutput"]["dimensions"] == 3


def test_asynchronous_calls(google: Any, upstream: LLMUpstream, session: Any, events: Any) -> None:
    upstream.reply(":generateContent", gemini("hello"))
    upstream.reply(":streamGenerateContent", gemini_stream("Hel", "lo"))

    async def run() -> None:
        models = google.aio.models
        assert (await models.generate_content(model=MODEL, contents="hi")).text == "hello"
        stream = await models.generate_content_stream(model=MODEL, contents="hi")
        assert "".join([piece.text async for piece in stream]) == "Hello"
        stream = await models.generate_content_stream(model=MODEL, contents="hi")
        async for _ in stream:
            break
        await stream.aclose()
        if hasattr(google.aio, "aclose"):
            await google.aio.aclose()

    in_loop(run())
    contents = [event["toolOutput"]["content"] for event in events()]
    assert contents == ["hello", "Hello", "Hel"]


def test_asynchronous_chats_and_embeddings(
    google: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply(":generateContent", gemini("hello"))
    upstream.reply("mbedContent", Reply({"embeddings": [{"values": [0.1, 0.2]}]}))

    async def run() -> None:
        chat = google.aio.chats.create(model=MODEL)
        assert (await chat.send_message("one")).text == "hello"
        await google.aio.models.embed_content(model="gemini-embedding-001", contents="a")
        if hasattr(google.aio, "aclose"):
            await google.aio.aclose()

    in_loop(run())
    first, second = events()
    assert first["toolOutput"]["content"] == "hello"
    assert second["toolOutput"]["dimensions"] == 2


def test_counting_tokens_is_no_call(
    google: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply(":countTokens", Reply({"totalTokens": 3}))
    assert google.models.count_tokens(model=MODEL, contents="hi").total_tokens == 3
    assert events() == []


@pytest.mark.parametrize("text", ["{not json", "[]", '{"candidates": 3}'])
def test_malformed_events_reach_the_program_as_without_us(
    google: Any, upstream: LLMUpstream, session: Any, events: Any, text: str
) -> None:
    def outcome() -> tuple[list[Any], str]:
        seen: list[Any] = []
        try:
            stream = google.models.generate_content_stream(model=MODEL, contents="hi")
            seen.extend(piece.candidates and piece.text for piece in stream)
        except Exception as error:  # noqa: BLE001  which one is the client's affair
            return seen, f"{type(error).__name__}: {error}"
        return seen, ""

    first = json.dumps(gemini_body("Hel"))
    upstream.reply(":streamGenerateContent", Reply(text=f"data: {first}\n\ndata: {text}\n\n"))
    with_us = outcome()
    assert with_us[0][0] == "Hel"
    sentrial.unwrap(google)
    assert with_us == outcome()
    assert len(events()) == 1
