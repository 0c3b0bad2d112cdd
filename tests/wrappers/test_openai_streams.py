"""OpenAI's client: streamed answers, and everything a program may do with a stream."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.llm_upstream import Reply, chat_stream, chunk, response_events
from tests.support.sdk import in_loop

if TYPE_CHECKING:
    from tests.support.llm_upstream import LLMUpstream

openai = pytest.importorskip("openai")

ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
STREAM: dict[str, Any] = {"stream": True, **ASK}


def text(chunks: Any) -> str:
    """Join a stream as programs do: every chunk is taken to have a choice."""
    return "".join(piece.choices[0].delta.content or "" for piece in chunks)


def test_a_stream_is_recorded_once_when_it_has_ended(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", chat_stream("Hel", "lo"))
    stream = openai_client().chat.completions.create(**STREAM)
    assert text(stream) == "Hello"
    stream.close()
    del stream
    gc.collect()
    (event,) = events()
    assert event["toolOutput"]["content"] == "Hello"
    assert event["toolOutput"]["tokens"] == {"prompt": 11, "completion": 7, "total": 18}
    assert event["metadata"]["finish_reason"] == "stop"
    assert event["metadata"]["time_to_first_token_ms"] >= 0
    assert "partial" not in event["metadata"]


def test_the_stream_stays_what_it_is(
    openai_client: Any, upstream: LLMUpstream, session: Any
) -> None:
    upstream.reply("/chat/completions", chat_stream("a"))
    stream = openai_client().chat.completions.create(**STREAM)
    assert isinstance(stream, openai.Stream)
    assert type(stream).__name__ == "Stream"
    assert stream.response.status_code == 200
    with stream as entered:
        assert entered is stream
        assert next(stream).choices[0].delta.content == "a"


def test_usage_is_asked_for_without_the_program_seeing_a_chunk_more(
    openai_client: Any, upstream: LLMUpstream, session: Any
) -> None:
    """W12."""
    upstream.reply("/chat/completions", chat_stream("a", "b"))
    pieces = list(openai_client().chat.completions.create(**STREAM))
    assert all(piece.choices for piece in pieces)
    assert upstream.asked[0].json["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("wanted", [True, False])
def test_an_explicit_choice_is_not_overridden(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any, wanted: bool
) -> None:
    """W12."""
    upstream.reply("/chat/completions", chat_stream("a", usage=(11, 7) if wanted else None))
    options = {"include_usage": wanted}
    pieces = list(openai_client().chat.completions.create(stream_options=options, **STREAM))
    assert upstream.asked[0].json["stream_options"] == options
    assert any(not piece.choices for piece in pieces) is wanted
    assert events()[0]["tokenCount"] == (18 if wanted else 0)


def test_nothing_is_asked_for_outside_of_a_session(
    openai_client: Any, upstream: LLMUpstream, client: Any
) -> None:
    """W12."""
    upstream.reply("/chat/completions", chat_stream("a", usage=None))
    assert text(openai_client().chat.completions.create(**STREAM)) == "a"
    assert "stream_options" not in upstream.asked[0].json


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_rejects_the_option_is_asked_without_it(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any, status: int
) -> None:
    """W12; the second call does not try again."""
    rejected = Reply({"error": {"message": "unknown field"}}, status)
    upstream.reply("/chat/completions", rejected, chat_stream("a", usage=None))
    client = openai_client()
    for _ in range(2):
        assert text(client.chat.completions.create(**STREAM)) == "a"
    assert ["stream_options" in asked.json for asked in upstream.asked] == [True, False, False]
    assert [event["toolOutput"]["content"] for event in events()] == ["a", "a"]


def test_an_iterator_of_messages_survives_the_second_attempt(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    rejected = Reply({"error": {"message": "unknown field"}}, 400)
    upstream.reply("/chat/completions", rejected, chat_stream("a", usage=None))
    messages = (message for message in ASK["messages"])
    stream = openai_client().chat.completions.create(model="m", messages=messages, stream=True)
    assert text(stream) == "a"
    assert upstream.asked[1].json["messages"] == ASK["messages"]
    assert events()[0]["toolInput"]["messages"] == ASK["messages"]


def test_what_the_server_says_without_the_option_is_what_the_program_gets(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    first = Reply({"error": {"message": "stream_options?"}}, 400)
    upstream.reply("/chat/completions", first, Reply({"error": {"message": "no model"}}, 400))
    with pytest.raises(openai.BadRequestError, match="no model"):
        openai_client().chat.completions.create(**STREAM)
    assert [event["eventType"] for event in events()] == ["error"]


def test_tool_calls_refusals_and_choices_are_put_together(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W14."""
    call = {"index": 0, "id": "call_1", "type": "function"}
    pieces = [
        chunk({"tool_calls": [{**call, "function": {"name": "f", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]}),
        chunk("second", index=1, finish_reason="stop"),
        chunk({"refusal": "no"}, finish_reason="tool_calls"),
        chunk({"reasoning_content": "hm"}),
    ]
    upstream.reply("/chat/completions", Reply(events=pieces))
    for _ in openai_client().chat.completions.create(**STREAM):
        pass
    output = events()[0]["toolOutput"]
    assert output["tool_calls"] == [{"id": "call_1", "name": "f", "arguments": {"a": 1}}]
    assert output["refusal"] == "no"
    assert output["thinking"] == "hm"
    assert [choice["content"] for choice in output["choices"]] == ["", "second"]


def _break(stream: Any) -> None:
    for _ in stream:
        break


def _close(stream: Any) -> None:
    next(stream)
    stream.close()


def _leave(stream: Any) -> None:
    with stream:
        next(stream)


def _drop(stream: Any) -> None:
    next(stream)


def _raise(stream: Any) -> None:
    with pytest.raises(KeyError):
        _raise_at_the_first(stream)


def _raise_at_the_first(stream: Any) -> None:
    for _ in stream:
        raise KeyError


@pytest.mark.parametrize("go", [_break, _close, _leave, _drop, _raise])
def test_a_stream_that_is_left_is_recorded_as_partial(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any, go: Any
) -> None:
    """W3."""
    upstream.reply("/chat/completions", chat_stream("Hel", "lo"))
    go(openai_client().chat.completions.create(**STREAM))
    gc.collect()
    (event,) = events()
    assert event["toolOutput"]["content"] == "Hel"
    assert event["metadata"]["partial"] is True


def test_a_break_inside_a_with_block_may_be_followed_by_more(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", chat_stream("Hel", "lo"))
    with openai_client().chat.completions.create(**STREAM) as stream:
        for _ in stream:
            break
        assert text(stream) == "lo"
    assert events()[0]["toolOutput"]["content"] == "Hello"


def test_going_on_after_a_break_shows_no_chunk_more(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W12."""
    upstream.reply("/chat/completions", chat_stream("Hel", "lo"))
    stream = openai_client().chat.completions.create(**STREAM)
    for _ in stream:
        break
    assert text(stream) == "lo"
    assert [event["toolOutput"]["content"] for event in events()] == ["Hel"]


def test_a_stream_open_at_exit_is_recorded(
    upstream: LLMUpstream, collector: Any, run_python: Any
) -> None:
    upstream.reply("/chat/completions", chat_stream("Hel", "lo"))
    client = f'openai.OpenAI(api_key="k", base_url="{upstream.url}/v1")'
    call = """
stream = client.chat.completions.create(model="gpt-4o", messages=[], stream=True)
next(stream)
"""
    ours = f"""
import openai, sentrial
client = sentrial.wrap_openai({client})
interaction = sentrial.begin("user", "agent")
{call}"""
    env = {"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": "sentrial_test_x"}
    without_us = run_python(f"import openai\nclient = {client}\n{call}")
    done = run_python(ours, env=env)
    # Python 3.13.0 itself crashes when it collects an open stream of newer versions of openai.
    assert (done.exit, done.stderr) == (without_us.exit, "")
    if sys.version_info[:2] != (3, 13):
        assert done.exit == 0
    (event,) = collector.events()
    assert event["toolOutput"]["content"] == "Hel"
    assert event["metadata"]["partial"] is True


def test_a_stream_that_breaks_off_is_recorded_with_its_error(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W3."""
    upstream.reply("/chat/completions", chat_stream("Hel", "lo", cut_after=1))
    with pytest.raises(Exception) as caught:  # noqa: PT011  which one depends on the version
        text(openai_client().chat.completions.create(**STREAM))
    (event,) = events()
    assert event["toolOutput"]["content"] == "Hel"
    assert event["toolError"]["type"] == type(caught.value).__name__
    assert event["metadata"]["partial"] is True


def test_malformed_events_reach_the_program_as_without_us(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", Reply(events=[chunk("a"), "{not json"]))
    client = openai_client()
    with pytest.raises(ValueError, match="Expecting property name"):
        text(client.chat.completions.create(**STREAM))
    sentrial.unwrap(client)
    with pytest.raises(ValueError, match="Expecting property name"):
        text(client.chat.completions.create(**STREAM))
    assert len(events()) == 1


def test_the_event_belongs_to_the_session_in_which_the_call_started(
    openai_client: Any, upstream: LLMUpstream, client: Any, collector: Any, events: Any
) -> None:
    """W4."""
    upstream.reply("/chat/completions", chat_stream("a"))
    wrapped = openai_client()
    with client.begin("first", "agent") as first:
        late = wrapped.chat.completions.create(**STREAM)
        other = wrapped.chat.completions.create(**STREAM)
    assert text(late) == "a"
    with client.begin("second", "agent"):
        assert text(other) == "a"
    assert {event["sessionId"] for event in events()} == {first.session_id}
    assert len(events()) == 2


def test_messages_appended_while_the_stream_runs_are_not_recorded(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", chat_stream("a"))
    messages = list(ASK["messages"])
    stream = openai_client().chat.completions.create(model="gpt-4o", messages=messages, stream=True)
    messages.append({"role": "assistant", "content": "later"})
    text(stream)
    assert events()[0]["toolInput"]["messages"] == ASK["messages"]


def test_the_stream_helper(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W5."""
    upstream.reply("/chat/completions", chat_stream("Hel", "lo"))
    client = openai_client()
    place = client.chat if hasattr(client.chat.completions, "stream") else client.beta.chat
    with place.completions.stream(**ASK) as stream:
        assert stream.get_final_completion().choices[0].message.content == "Hello"
    with place.completions.stream(**ASK) as stream:
        for piece in stream:
            if piece.type == "content.delta":
                break
    whole, part = events()
    assert whole["toolOutput"]["content"] == "Hello"
    assert whole["tokenCount"] == 18
    assert "partial" not in whole["metadata"]
    # Recorded when the block is left, although `stream` is still there.
    assert part["toolOutput"]["content"] == "Hel"
    assert part["metadata"]["partial"] is True


def test_a_raw_response_of_a_stream(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W1."""
    upstream.reply("/chat/completions", chat_stream("Hel", "lo"))
    raw = openai_client().chat.completions.with_raw_response.create(**STREAM)
    assert text(raw.parse()) == "Hello"
    assert [event["toolOutput"]["content"] for event in events()] == ["Hello"]


def test_the_responses_api(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    client = openai_client()
    if not hasattr(client, "responses"):
        pytest.skip("this version has no responses API")
    whole = Reply(events=response_events("Hel", "lo"), named=True, done=False)
    cut = Reply(events=response_events("Hel", "lo", complete=False), named=True, done=False)
    upstream.reply("/responses", whole, cut, whole)
    for _ in client.responses.create(model="gpt-4o", input="hi", stream=True):
        pass
    for event in client.responses.create(model="gpt-4o", input="hi", stream=True):
        if event.type == "response.output_text.delta":
            break
    first, second = events()
    assert first["toolOutput"]["content"] == "Hello"
    assert first["toolOutput"]["tokens"]["reasoning"] == 4
    assert "time_to_first_token_ms" in first["metadata"]
    assert second["toolOutput"]["content"] == "Hel"
    assert second["metadata"]["partial"] is True
    if hasattr(client.responses, "stream"):
        with client.responses.stream(model="gpt-4o", input="hi") as stream:
            assert stream.get_final_response().output_text == "Hello"
        assert events()[2]["toolOutput"]["content"] == "Hello"


async def _all(stream: Any) -> str:
    return "".join([piece.choices[0].delta.content or "" async for piece in stream])


def test_asynchronous_streams(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", chat_stream("Hel", "lo"))

    async def run() -> None:
        async with openai_client(openai.AsyncOpenAI) as client:
            completions = client.chat.completions
            stream = await completions.create(**STREAM)
            assert isinstance(stream, openai.AsyncStream)
            assert await _all(stream) == "Hello"
            async with await completions.create(**STREAM) as stream:
                assert (await stream.__anext__()).choices[0].delta.content == "Hel"
            stream = await completions.create(**STREAM)
            await stream.__anext__()
            await stream.close()
            stream = await completions.create(**STREAM)
            async for _ in stream:
                break
            assert len(events()) == 4
            await stream.close()

    in_loop(run())
    assert [event["metadata"].get("partial", False) for event in events()] == [
        False,
        True,
        True,
        True,
    ]


def test_a_cancelled_stream_is_recorded_with_what_was_seen(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", chat_stream("Hel", *["lo"] * 50, delay=0.1))

    async def run() -> None:
        async with openai_client(openai.AsyncOpenAI) as client:
            stream = await client.chat.completions.create(**STREAM)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(_all(stream), 0.5)
            await stream.close()

    in_loop(run())
    (event,) = events()
    assert event["toolOutput"]["content"].startswith("Hel")
    assert event["toolError"]["type"] == "CancelledError"


def test_the_asynchronous_stream_helper(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", chat_stream("Hel", "lo"))

    async def run() -> None:
        async with openai_client(openai.AsyncOpenAI) as client:
            chat = client.chat if hasattr(client.chat.completions, "stream") else client.beta.chat
            async with chat.completions.stream(**ASK) as stream:
                final = await stream.get_final_completion()
                assert final.choices[0].message.content == "Hello"

    in_loop(run())
    assert events()[0]["toolOutput"]["content"] == "Hello"
