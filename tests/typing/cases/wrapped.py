"""A wrapped client has the type it had."""

from __future__ import annotations

import sentrial
from sentrial.wrappers import LLMCall
from typing_extensions import assert_type


class Client:
    """A client of a program's own."""


def used(client: Client) -> None:
    assert_type(sentrial.wrap_openai(client), Client)
    assert_type(sentrial.wrap_anthropic(client, True), Client)
    assert_type(sentrial.wrap_google(client, record_thinking=False), Client)
    assert_type(sentrial.wrap_llm(client, "openai", track_without_session=True), Client)
    assert_type(sentrial.unwrap(client), Client)
    undo = sentrial.instrument("openai", "anthropic")
    undo()
    with sentrial.llm_call("gpt-4o", [], provider="openai") as call:
        assert_type(call, LLMCall)


def refused(client: Client) -> None:
    sentrial.wrap_openai()  # type: ignore[call-arg]
    sentrial.wrap_llm(client, provider=3)  # type: ignore[arg-type]
    sentrial.instrument(3)  # type: ignore[arg-type]
