"""To which session a call belongs, and calls outside of any."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.llm_upstream import Reply, chat, chat_stream
from tests.support.sdk import client_for

if TYPE_CHECKING:
    from tests.support.llm_upstream import LLMUpstream

openai = pytest.importorskip("openai")

ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def alone(openai_client: Any) -> Any:
    """Give a client that records outside of sessions too."""
    client = sentrial.unwrap(openai_client())
    return sentrial.wrap_openai(client, track_without_session=True)


def test_a_call_outside_of_a_session_gets_its_own(
    alone: Any, upstream: LLMUpstream, client: Any, collector: Any, events: Any
) -> None:
    """W16."""
    upstream.reply("/chat/completions", chat("hello"))
    alone.chat.completions.create(**ASK)
    assert sentrial.get_session_context() is None
    (event,) = events()
    made, done = collector.bodies("POST", "/api/sdk/sessions")[0], collector.bodies("PATCH")[0]
    assert made["agentName"] == "llm:openai:gpt-4o"
    assert made["userId"] == "anonymous"
    assert event["sessionId"] == "sess_anonymous_llm-openai-gpt-4o_1"
    assert done["status"] == "completed"
    assert done["assistantOutput"] == "hello"
    assert done["totalTokens"] == 18


def test_a_failed_call_outside_of_a_session(
    alone: Any, upstream: LLMUpstream, client: Any, collector: Any, events: Any
) -> None:
    """W16."""
    upstream.reply("/chat/completions", Reply({"error": {"message": "no"}}, 400))
    with pytest.raises(openai.BadRequestError):
        alone.chat.completions.create(**ASK)
    assert [event["eventType"] for event in events()] == ["error"]
    assert collector.bodies("PATCH")[0]["failureReason"].startswith("BadRequestError: ")


def test_a_stream_outside_of_a_session(
    alone: Any, upstream: LLMUpstream, client: Any, collector: Any, events: Any
) -> None:
    """W16."""
    upstream.reply("/chat/completions", chat_stream("Hel", "lo"))
    stream = alone.chat.completions.create(stream=True, **ASK)
    assert sentrial.get_session_context() is None
    list(stream)
    assert events()[0]["toolOutput"]["content"] == "Hello"
    assert collector.bodies("PATCH")[0]["assistantOutput"] == "Hello"


def test_inside_a_session_the_option_changes_nothing(
    alone: Any, upstream: LLMUpstream, session: Any, collector: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", chat("hello"))
    alone.chat.completions.create(**ASK)
    assert events()[0]["sessionId"] == session.session_id


def test_a_session_set_by_its_id(
    openai_client: Any, upstream: LLMUpstream, client: Any, events: Any
) -> None:
    upstream.reply("/chat/completions", chat("hello"))
    sentrial.set_session_context("sess_1", client)
    openai_client().chat.completions.create(**ASK)
    sentrial.clear_session_context()
    assert events()[0]["sessionId"] == "sess_1"


def test_one_model_shared_by_threads(
    openai_client: Any, upstream: LLMUpstream, client: Any, collector: Any, events: Any
) -> None:
    """W18: wrapped from several threads at once, each call is recorded once, where it belongs."""
    upstream.reply("/chat/completions", chat("hello"))
    shared = sentrial.unwrap(openai_client())

    def work(number: int) -> None:
        with client.begin(f"user{number}", "agent"):
            sentrial.wrap_openai(shared).chat.completions.create(**ASK)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(event["sessionId"] for event in events()) == [
        f"sess_user{number}_agent_1" for number in range(8)
    ]


def test_failures_of_tracking_never_reach_the_caller(
    openai_client: Any, upstream: LLMUpstream, collector: Any
) -> None:
    upstream.reply("/chat/completions", chat("hello"))
    loud = client_for(collector, fail_silently=False, max_retries=0)
    with loud.begin("user", "agent"):
        collector.script("POST", "/api/sdk/events", 400)
        answer = openai_client().chat.completions.create(**ASK)
    assert answer.choices[0].message.content == "hello"


def test_what_cannot_be_read_is_one_warning(
    openai_client: Any,
    upstream: LLMUpstream,
    session: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    upstream.reply("/chat/completions", chat("hello"))
    monkeypatch.setattr("sentrial.wrappers._openai.Chat.answer", broken)
    answer = openai_client().chat.completions.create(**ASK)
    assert answer.choices[0].message.content == "hello"
    assert "an LLM call was not recorded: ZeroDivisionError" in caplog.text
