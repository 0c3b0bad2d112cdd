"""Google's older package: `google.generativeai.GenerativeModel`."""

from __future__ import annotations

import gc
import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.llm_upstream import Reply, gemini, gemini_body, gemini_stream
from tests.support.sdk import in_loop

if TYPE_CHECKING:
    from tests.support.llm_upstream import LLMUpstream

with warnings.catch_warnings():
    # It says that it is no longer developed.
    warnings.simplefilter("ignore")
    genai = pytest.importorskip("google.generativeai")

MODEL = "gemini-2.0-flash"


@pytest.fixture
def model(upstream: LLMUpstream) -> Any:
    """Give a wrapped model."""
    endpoint = {"api_endpoint": upstream.url}
    genai.configure(api_key="k", transport="rest", client_options=endpoint)
    return sentrial.wrap_google(genai.GenerativeModel(f"models/{MODEL}"))


def test_the_documented_shape(model: Any, upstream: LLMUpstream, session: Any, events: Any) -> None:
    upstream.reply(":generateContent", gemini("hello"))
    config = {"temperature": 0.5}
    assert model.generate_content("hi", generation_config=config).text == "hello"
    (event,) = events()
    assert event["toolName"] == f"llm:google:{MODEL}"
    assert event["toolInput"]["messages"] == [{"role": "user", "content": "hi"}]
    assert event["toolOutput"]["content"] == "hello"
    assert event["toolOutput"]["tokens"] == {"prompt": 17, "completion": 6, "total": 23}
    assert event["metadata"]["finish_reason"] == "STOP"
    assert event["metadata"]["temperature"] == 0.5


def test_a_stream_is_handed_out_and_recorded(
    model: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W10."""
    upstream.reply(":streamGenerateContent", gemini_stream("Hel", "lo", as_list=True))
    answer = model.generate_content("hi", stream=True)
    assert isinstance(answer, genai.types.GenerateContentResponse)
    assert "".join(piece.text for piece in answer) == "Hello"
    assert answer.text == "Hello"
    other = model.generate_content("hi", stream=True)
    other.resolve()
    assert other.text == "Hello"
    (first, second) = events()
    assert first["toolOutput"]["content"] == second["toolOutput"]["content"] == "Hello"
    assert first["toolOutput"]["tokens"] == {"prompt": 17, "completion": 4, "total": 21}
    assert "time_to_first_token_ms" in first["metadata"]
    assert "partial" not in first["metadata"]


# The package leaves the response of a stream open that is not read to its end.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_that_is_left(
    model: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply(":streamGenerateContent", gemini_stream("a", "b", "c", as_list=True))
    for _ in model.generate_content("hi", stream=True):
        break
    gc.collect()
    (event,) = events()
    assert event["toolOutput"]["content"] == "a"
    assert event["metadata"]["partial"] is True


def test_chats(model: Any, upstream: LLMUpstream, session: Any, events: Any) -> None:
    upstream.reply(":generateContent", gemini("hello"))
    chat = model.start_chat()
    assert [chat.send_message(text).text for text in ("one", "two")] == ["hello", "hello"]
    messages = events()[1]["toolInput"]["messages"]
    assert [(m["role"], m["content"]) for m in messages] == [
        ("user", "one"),
        ("model", "hello"),
        ("user", "two"),
    ]


def test_images_and_function_calls(
    model: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W11, W14."""
    call = {"functionCall": {"name": "f", "args": {"a": [1.5, {"b": "c"}]}}}
    upstream.reply(":generateContent", gemini(call))
    model.generate_content(["look", {"mime_type": "image/png", "data": b"\x89PNG"}])
    (event,) = events()
    assert event["toolInput"]["messages"][1]["data"]["bytes"] == 4
    arguments = {"a": [1.5, {"b": "c"}]}
    assert event["toolOutput"]["tool_calls"] == [{"id": None, "name": "f", "arguments": arguments}]
    assert event["toolOutput"]["content"] == ""


def test_errors(model: Any, upstream: LLMUpstream, session: Any, events: Any) -> None:
    from google.api_core import exceptions

    upstream.reply(":generateContent", Reply({"error": {"code": 403, "message": "no"}}, 403))
    with pytest.raises(exceptions.Forbidden):
        model.generate_content("hi", request_options={"retry": None})
    assert events()[0]["toolError"]["type"] == "Forbidden"


class OverGrpc:
    """Stands for the connection of the package's asynchronous half, which speaks gRPC only."""

    async def generate_content(self, _: Any, **__: Any) -> Any:
        """Answer at once."""
        return self._answer("hello")

    async def stream_generate_content(self, _: Any, **__: Any) -> Any:
        """Answer in pieces."""

        async def pieces() -> Any:
            for text in ("Hel", "lo"):
                yield self._answer(text)

        return pieces()

    def _answer(self, text: str) -> Any:
        body = json.dumps(gemini_body(text))
        return genai.protos.GenerateContentResponse.from_json(body, ignore_unknown_fields=True)


def test_asynchronous_calls(model: Any, session: Any, events: Any) -> None:
    """W2, W10."""
    model._async_client = OverGrpc()

    async def run() -> None:
        assert (await model.generate_content_async("hi")).text == "hello"
        answer = await model.generate_content_async("hi", stream=True)
        assert isinstance(answer, genai.types.AsyncGenerateContentResponse)
        assert "".join([piece.text async for piece in answer]) == "Hello"
        async for _ in await model.generate_content_async("hi", stream=True):
            break
        gc.collect()

    in_loop(run())
    recorded = events()
    assert [event["toolOutput"]["content"] for event in recorded] == ["hello", "Hello", "Hel"]
    assert [event["metadata"].get("partial", False) for event in recorded] == [False, False, True]
