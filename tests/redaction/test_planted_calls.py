"""What passes through wrapped clients, generators and sessions: nothing planted leaves."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.delivery.helpers import client_of, settled
from tests.redaction.planted import PLANTED
from tests.redaction.test_planted_secrets import EVERYWHERE, leaks
from tests.support.llm_upstream import (
    LLMUpstream,
    Reply,
    chat,
    chat_stream,
    gemini,
    message,
    message_stream,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.collector import Collector


@pytest.fixture
def upstream() -> Iterator[LLMUpstream]:
    with LLMUpstream() as running:
        yield running


def halves(text: str) -> tuple[str, str]:
    """Split a text: no chunk of a stream holds all of it."""
    return text[: len(text) // 2], text[len(text) // 2 :]


def test_a_wrapped_openai_client_redacts(collector: Collector, upstream: LLMUpstream) -> None:
    openai = pytest.importorskip("openai")
    client = client_of(collector, pii=EVERYWHERE)
    options = {"api_key": "k", "base_url": f"{upstream.url}/v1", "max_retries": 0}
    with openai.OpenAI(**options) as plain:
        completions = sentrial.wrap_openai(plain).chat.completions
        for text, _ in PLANTED.values():
            call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": text}}
            ask: dict[str, Any] = {
                "model": "gpt-4o",
                "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}],
                "user": text,
            }
            with client.begin("u", "e"):
                upstream.reply("/chat/completions", chat(text, tool_calls=[call], refusal=text))
                completions.create(**ask)
                upstream.reply("/chat/completions", chat_stream(*halves(text)))
                for _ in completions.create(stream=True, **ask):
                    pass
                refused = Reply({"error": {"message": text}}, 400)
                upstream.reply("/chat/completions", refused)
                with contextlib.suppress(openai.BadRequestError):
                    completions.create(**ask)
    settled(client, 30)
    assert len(collector.events()) == 3 * len(PLANTED)
    assert leaks(collector, PLANTED) == {}


def test_a_wrapped_anthropic_client_redacts(collector: Collector, upstream: LLMUpstream) -> None:
    anthropic = pytest.importorskip("anthropic")
    client = client_of(collector, pii=EVERYWHERE)
    options = {"api_key": "k", "base_url": upstream.url, "max_retries": 0}
    with anthropic.Anthropic(**options) as plain:
        messages = sentrial.wrap_anthropic(plain).messages
        for text, _ in PLANTED.values():
            ask: dict[str, Any] = {
                "model": "claude-3-5-sonnet-20241022",
                "max_tokens": 9,
                "system": text,
                "messages": [{"role": "user", "content": text}],
            }
            thought = {"type": "thinking", "thinking": text, "signature": "s"}
            use = {"type": "tool_use", "id": "t", "name": "f", "input": {text: [text]}}
            with client.begin("u", "e"):
                upstream.reply("/v1/messages", message(text, thought, use))
                messages.create(**ask)
                upstream.reply("/v1/messages", message_stream(*halves(text), thinking=text))
                with messages.stream(**ask) as stream:
                    stream.until_done()
    settled(client, 30)
    assert len(collector.events()) == 2 * len(PLANTED)
    assert leaks(collector, PLANTED) == {}


def test_a_wrapped_google_client_redacts(collector: Collector, upstream: LLMUpstream) -> None:
    genai = pytest.importorskip("google.genai")
    client = client_of(collector, pii=EVERYWHERE)
    plain = genai.Client(api_key="k", http_options={"base_url": upstream.url})
    models = sentrial.wrap_google(plain).models
    for text, _ in PLANTED.values():
        with client.begin("u", "e"):
            upstream.reply(":generateContent", gemini(text))
            models.generate_content(
                model="gemini-2.0-flash", contents=text, config={"system_instruction": text}
            )
    if hasattr(plain, "close"):
        plain.close()
    settled(client, 30)
    assert len(collector.events()) == len(PLANTED)
    assert leaks(collector, PLANTED) == {}


def test_sessions_generators_and_calls_by_hand_redact(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(collector, pii=EVERYWHERE)
    monkeypatch.setattr("sentrial.client._default", client)

    @sentrial.tool
    def words(text: str) -> Iterator[str]:
        yield text
        yield text

    @sentrial.session("agent")
    def agent(user_id: str, message: str) -> str:
        assert user_id
        list(words(message))
        with sentrial.llm_call("gpt-4o", [{"role": "user", "content": message}]) as call:
            call.set_output(message)
        with contextlib.suppress(ValueError), sentrial.llm_call("gpt-4o", message):
            raise ValueError(message)
        return message

    for text, _ in PLANTED.values():
        agent(text, text)
    settled(client, 30)
    assert len(collector.events()) == 3 * len(PLANTED)
    assert leaks(collector, PLANTED) == {}


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("Authorization", "planted-token"),
        ("aws_secret_access_key", "planted/key"),
        ("openai_api_key", "planted"),
        ("X-Api-Key", ["planted"]),
        ("Set-Cookie", {"planted": "planted"}),
    ],
)
def test_what_a_key_tells_of_its_value(collector: Collector, name: str, held: Any) -> None:
    """A secret without a form of its own is known by the name in front of it."""
    client = client_of(collector)
    client.track_tool_call("s", "t", {"headers": {name: held}}, [{name: held}])
    client.track_tool_call("s", "t", f'{{"{name}": "planted"}}', {})
    settled(client)
    assert len(collector.events()) == 2
    assert b"planted" not in b"".join(request.body for request in collector.requests())
