"""Putting the recording in and taking it out: once, on instances and classes, on odd objects."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest
import sentrial

from tests.support.llm_upstream import chat, gemini, message
from tests.support.sdk import messages

if TYPE_CHECKING:
    from tests.support.llm_upstream import LLMUpstream

ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


def answer(**_: Any) -> Any:
    """Answer as a client would, without one."""
    message = SimpleNamespace(content="hello")
    usage = SimpleNamespace(prompt_tokens=3, completion_tokens=2, total_tokens=5)
    return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage=usage)


def fake(create: Any = answer) -> Any:
    """Return something that looks like an OpenAI client."""
    return SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))


def test_wrapping_twice_is_wrapping_once(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    """W6."""
    upstream.reply("/chat/completions", chat("hello"))
    client = openai_client()
    assert sentrial.wrap_openai(sentrial.wrap_llm(client)) is client
    client.chat.completions.create(**ASK)
    assert len(events()) == 1


def test_unwrapping(openai_client: Any, upstream: LLMUpstream, session: Any, events: Any) -> None:
    upstream.reply("/chat/completions", chat("hello"))
    client = openai_client()
    before = {name for name in vars(client.chat.completions) if not name.startswith("_")}
    assert sentrial.unwrap(client) is client
    client.chat.completions.create(**ASK)
    client.chat.completions.with_raw_response.create(**ASK)
    client.with_options(timeout=5).chat.completions.create(**ASK)
    assert events() == []
    assert "create" in before
    assert "create" not in vars(client.chat.completions)
    assert sentrial.unwrap(client) is client, "again is nothing more"
    sentrial.wrap_openai(client)
    client.chat.completions.create(**ASK)
    client.chat.completions.with_raw_response.create(**ASK)
    assert len(events()) == 2


def test_the_name_and_signature_stay(openai_client: Any) -> None:
    import inspect

    openai = pytest.importorskip("openai")
    with openai.OpenAI(api_key="k") as plain:
        wrapped = openai_client().chat.completions.create
        assert wrapped.__name__ == "create"
        assert wrapped.__doc__ == plain.chat.completions.create.__doc__
        assert inspect.signature(wrapped) == inspect.signature(plain.chat.completions.create)


def test_instrument_and_its_undo(upstream: LLMUpstream, session: Any, events: Any) -> None:
    openai = pytest.importorskip("openai")
    upstream.reply("/chat/completions", chat("hello"))
    options = {"api_key": "k", "base_url": f"{upstream.url}/v1"}
    undo = sentrial.instrument("openai")
    try:
        with openai.OpenAI(**options) as client:
            client.chat.completions.create(**ASK)
            client.chat.completions.with_raw_response.create(**ASK)
            sentrial.wrap_openai(client).chat.completions.create(**ASK)
            sentrial.instrument("openai")()
            client.chat.completions.create(**ASK)
            assert len(events()) == 4
    finally:
        undo()
    with openai.OpenAI(**options) as client:
        client.chat.completions.create(**ASK)
    assert len(events()) == 4


def test_instrument_of_anthropic(upstream: LLMUpstream, session: Any, events: Any) -> None:
    anthropic = pytest.importorskip("anthropic")
    upstream.reply("/v1/messages", message("hello"))
    ask = {"max_tokens": 9, **ASK}
    undo = sentrial.instrument("anthropic")
    with anthropic.Anthropic(api_key="k", base_url=upstream.url) as client:
        client.messages.create(**ask)
        client.beta.messages.create(**ask)
        undo()
        client.messages.create(**ask)
    assert [event["toolOutput"]["content"] for event in events()] == ["hello"] * 2


def test_instrument_of_google(upstream: LLMUpstream, session: Any, events: Any) -> None:
    genai = pytest.importorskip("google.genai")
    upstream.reply(":generateContent", gemini("hello"))
    ask: dict[str, Any] = {"model": "gemini-2.0-flash", "contents": "hi"}
    undo = sentrial.instrument("google")
    client = genai.Client(api_key="k", http_options={"base_url": upstream.url})
    client.models.generate_content(**ask)
    client.chats.create(model="gemini-2.0-flash").send_message("hi")
    undo()
    client.models.generate_content(**ask)
    if hasattr(client, "close"):
        client.close()
    assert [event["toolOutput"]["content"] for event in events()] == ["hello"] * 2


def test_instrument_takes_every_installed_provider() -> None:
    undo = sentrial.instrument()
    assert undo
    undo()
    assert not undo


def test_instrument_knows_its_providers() -> None:
    with pytest.raises(ValueError, match=r"provider: nobody is not one of openai, anthropic"):
        sentrial.instrument("nobody")


@pytest.mark.parametrize(
    "wrap",
    [sentrial.wrap_openai, sentrial.wrap_anthropic, sentrial.wrap_google, sentrial.wrap_llm],
)
@pytest.mark.parametrize("thing", [object(), None, 3, "client", {}])
def test_what_is_no_client_comes_back_with_one_warning(
    wrap: Any, thing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """W11."""
    with caplog.at_level(logging.WARNING, "sentrial"):
        assert wrap(thing) is thing
    assert len(messages(caplog)) == 1


def test_frozen_clients(session: Any, events: Any) -> None:
    @dataclass(frozen=True)
    class Completions:
        def create(self, **kwargs: Any) -> Any:
            return answer(**kwargs)

    @dataclass(frozen=True)
    class Client:
        chat: Any = field(default_factory=lambda: SimpleNamespace(completions=Completions()))

    client = sentrial.wrap_openai(Client())
    assert client.chat.completions.create(**ASK).choices[0].message.content == "hello"
    assert len(events()) == 1
    sentrial.unwrap(client)
    assert vars(client.chat.completions) == {}


def test_slotted_clients_work_as_without_us(
    session: Any, events: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Completions:
        __slots__ = ()

        def create(self, **kwargs: Any) -> Any:
            return answer(**kwargs)

    class Client:
        __slots__ = ("chat",)

    client = Client()
    client.chat = SimpleNamespace(completions=Completions())
    assert sentrial.wrap_openai(client) is client
    assert client.chat.completions.create(**ASK).choices[0].message.content == "hello"
    client.chat = fake().chat
    assert sentrial.wrap_openai(client) is client
    assert client.chat.completions.create(**ASK).choices[0].message.content == "hello"
    assert events() == []
    assert len(messages(caplog)) == 2


def test_mocks_stay_mocks(session: Any, events: Any) -> None:
    client = MagicMock()
    client.chat.completions.create.return_value.choices = []
    sentrial.wrap_openai(client)
    result = client.chat.completions.create(**ASK)
    client.chat.completions.create.assert_called_once_with(**ASK)
    assert result is client.chat.completions.create.return_value
    client.chat.completions.create.side_effect = KeyError("no")
    with pytest.raises(KeyError):
        client.chat.completions.create(**ASK)
    assert [event["eventType"] for event in events()] == ["tool_call", "error"]


def test_a_mock_of_either_google_package(session: Any, events: Any) -> None:
    model = sentrial.wrap_google(MagicMock(model_name="models/gemini-2.0-flash"))
    model.generate_content("hi")
    model.models.generate_content(model="gemini-2.5-pro", contents="hi")
    names = [event["toolName"] for event in events()]
    assert names == ["llm:google:gemini-2.0-flash", "llm:google:gemini-2.5-pro"]


@pytest.mark.parametrize(
    "result", [None, 3, "text", SimpleNamespace(choices=3, usage="no"), [], {"choices": [None]}]
)
def test_answers_of_any_shape_reach_the_program(session: Any, events: Any, result: Any) -> None:
    client = sentrial.wrap_openai(fake(lambda **_: result))
    assert client.chat.completions.create(**ASK) is result
    assert events()[0]["toolName"] == "llm:openai:gpt-4o"


@pytest.mark.parametrize("arguments", [{}, {"model": None}, {"messages": 3}, {"stream": "yes"}])
def test_arguments_of_any_shape_reach_the_client(session: Any, events: Any, arguments: Any) -> None:
    seen: list[Any] = []
    client = sentrial.wrap_openai(fake(lambda **given: seen.append(given)))
    client.chat.completions.create(**arguments)
    assert seen == [arguments]
    assert len(events()) == 1


def test_streams_whose_class_cannot_be_exchanged(session: Any, events: Any) -> None:
    class Slotted:
        __slots__ = ("closed", "left")

        def __init__(self) -> None:
            self.left = ["Hel", "lo"]
            self.closed = False

        def __iter__(self) -> Slotted:
            return self

        def __next__(self) -> Any:
            if not self.left:
                raise StopIteration
            delta = SimpleNamespace(content=self.left.pop(0))
            return SimpleNamespace(choices=[SimpleNamespace(index=0, delta=delta)])

        def close(self) -> None:
            self.closed = True

    client = sentrial.wrap_openai(fake(lambda **_: Slotted()))
    stream = client.chat.completions.create(stream=True, **ASK)
    assert [piece.choices[0].delta.content for piece in stream] == ["Hel", "lo"]
    stream.close()
    assert stream.closed
    assert events()[0]["toolOutput"]["content"] == "Hello"


def test_generators_of_fakes(session: Any, events: Any) -> None:
    def pieces() -> Any:
        for text in ("Hel", "lo"):
            delta = SimpleNamespace(content=text)
            yield SimpleNamespace(choices=[SimpleNamespace(index=0, delta=delta)])

    client = sentrial.wrap_openai(fake(lambda **_: pieces()))
    assert len(list(client.chat.completions.create(stream=True, **ASK))) == 2
    assert events()[0]["toolOutput"]["content"] == "Hello"


class BoomError(Exception):
    """Raised by attributes."""


class Hostile:
    """Every attribute raises."""

    def __getattr__(self, name: str) -> Any:
        raise BoomError(name)


def test_hostile_answers(session: Any, events: Any) -> None:
    hostile = Hostile()
    client = sentrial.wrap_openai(fake(lambda **_: hostile))
    assert client.chat.completions.create(**ASK) is hostile
    assert len(events()) == 1


def test_detection_by_the_class_it_is_derived_from(openai_client: Any) -> None:
    """W2."""
    openai = pytest.importorskip("openai")

    class Mine(openai.OpenAI):  # type: ignore[misc,name-defined]
        pass

    with Mine(api_key="k") as client:
        before = client.chat.completions.create
        sentrial.wrap_llm(client)
        assert client.chat.completions.create != before


def test_wrap_llm_passes_the_options_on(client: Any, collector: Any, events: Any) -> None:
    """W18."""
    wrapped = sentrial.wrap_llm(fake(), provider="openai", track_without_session=True)
    wrapped.chat.completions.create(**ASK)
    assert len(events()) == 1
