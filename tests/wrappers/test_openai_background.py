"""Responses that OpenAI works on in the background are recorded once, at their end."""

from __future__ import annotations

from sentrial.wrappers._openai_responses import Background, Events
from sentrial.wrappers._record import Options, Request

ASKED = Request("openai", "gpt-5", "hi", {})


def test_a_response_ends_once() -> None:
    background = Background()
    assert background.begun({"id": "r", "status": "queued"}, ASKED)
    assert background.request("r") is ASKED
    assert not background.ended({"id": "r", "status": "in_progress"})
    assert background.ended({"id": "r", "status": "completed"})
    assert not background.ended({"id": "r", "status": "completed"})


def test_what_is_finished_at_once_or_was_never_asked_for_is_not_waited_for() -> None:
    background = Background()
    assert not background.begun({"id": "r", "status": "completed"}, ASKED)
    assert not background.ended({"id": "other", "status": "completed"})


def test_what_is_never_looked_at_again_does_not_fill_the_memory() -> None:
    background = Background()
    for nth in range(3000):
        background.begun({"id": str(nth), "status": "queued"}, ASKED)
    assert background.request("0") is None
    assert background.request("2999") is ASKED


def test_a_resumed_stream_of_another_response_is_no_call_of_its_own() -> None:
    assert Events(Options(), Background()).answer() is None
