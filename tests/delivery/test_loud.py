"""A loud client raises: a typed exception that names the argument or says what the server said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.delivery.helpers import EVENTS, KEY, SESSIONS, balanced, call, client_of, settled
from tests.delivery.hostile import Angry, AngryDict
from tests.support.answers import RESET_BEFORE, Answer

if TYPE_CHECKING:
    from tests.support.collector import Collector

STATUSES: dict[int, type[sentrial.APIError]] = {
    400: sentrial.BadRequestError,
    401: sentrial.AuthenticationError,
    403: sentrial.PermissionDeniedError,
    404: sentrial.NotFoundError,
    413: sentrial.BadRequestError,
    422: sentrial.BadRequestError,
    429: sentrial.RateLimitError,
    500: sentrial.ServerError,
    503: sentrial.ServerError,
}


@pytest.fixture
def loud(collector: Collector) -> sentrial.SentrialClient:
    return client_of(collector, fail_silently=False, max_retries=0)


@pytest.mark.parametrize(("status", "error"), STATUSES.items())
def test_refusals_are_typed(
    collector: Collector,
    loud: sentrial.SentrialClient,
    status: int,
    error: type[sentrial.APIError],
) -> None:
    answer = Answer(status, json={"error": "E", "message": "why not"})
    collector.always(".*", ".*", answer)
    calls = (
        lambda: call(loud, "t", "s"),
        lambda: loud.create_session("n"),
        lambda: loud.begin("u", "chat"),
        lambda: loud.complete_session("s"),
    )
    for refused in calls:
        with pytest.raises(error, match="why not") as caught:
            refused()
        assert caught.value.status_code == status
        assert KEY not in str(caught.value) + repr(caught.value)
    assert balanced(loud.stats())["pending"] == 0


def test_connection_errors_are_typed(
    refusing: str, collector: Collector, loud: sentrial.SentrialClient
) -> None:
    client = client_of(refusing, fail_silently=False, max_retries=0)
    with pytest.raises(sentrial.APIConnectionError) as caught:
        call(client, "t", "s")
    assert isinstance(caught.value, ConnectionError)
    collector.script("POST", EVENTS, RESET_BEFORE)
    with pytest.raises(sentrial.APIConnectionError):
        call(loud, "t", "s")
    slow = client_of(collector, fail_silently=False, max_retries=0, timeout=0.2)
    with collector.gate(), pytest.raises(sentrial.APITimeoutError) as timed_out:
        call(slow, "t", "s")
    assert isinstance(timed_out.value, TimeoutError)


def test_max_retries_are_made_and_no_more(collector: Collector) -> None:
    client = client_of(collector, fail_silently=False, max_retries=2)
    collector.script("POST", EVENTS, 503, 500)
    assert call(client, "t", "s")["id"]
    collector.forget()
    collector.always("POST", EVENTS, 503)
    with pytest.raises(sentrial.ServerError):
        call(client, "t", "s")
    assert len(collector.requests()) == 3
    assert len({request.idempotency_key for request in collector.requests()}) == 1
    assert balanced(client.stats())["dropped"] == {"gave_up": 1}


@pytest.mark.parametrize(
    "odd",
    [None, "", "\ud800", {"id": 1}, Angry()],
    ids=["None", "empty", "surrogate", "dict", "angry"],
)
def test_a_bad_session_id_is_named(
    collector: Collector, loud: sentrial.SentrialClient, odd: Any
) -> None:
    calls = (
        lambda: call(loud, "t", odd),
        lambda: loud.track_decision(odd, "r"),
        lambda: loud.track_error(odd, "m"),
        lambda: loud.track_llm_call(odd, "gpt-4o"),
        lambda: loud.track_event(odd, "error"),
        lambda: loud.complete_session(odd),
        lambda: loud.update_session(odd, status="failed"),
        lambda: loud.close_session(odd),
    )
    for bad in calls:
        with pytest.raises(sentrial.SentrialError, match="session_id"):
            bad()
    assert collector.requests() == []
    assert balanced(loud.stats())["dropped"] == {"invalid": len(calls)}


@pytest.mark.parametrize("argument", ["tool_name", "tool_input", "tool_output", "metadata"])
def test_an_argument_that_cannot_be_written_is_named_or_sent_without_it(
    collector: Collector, loud: sentrial.SentrialClient, argument: str
) -> None:
    right: dict[str, Any] = {"tool_name": "t", "tool_input": {}, "tool_output": {}}
    for bad in (Angry(), AngryDict(a=1), 10**5000):
        try:
            loud.track_tool_call("s", **(right | {argument: bad}))
        except sentrial.SentrialError as error:
            assert argument in str(error)  # noqa: PT017  both outcomes are right
    stats = balanced(loud.stats())
    assert stats["accepted"] == 3
    assert stats["delivered"] == len(collector.requests())


def test_immediate_silent_calls_give_the_answer_or_an_empty_dict(collector: Collector) -> None:
    client = client_of(collector, batching=False, max_retries=0)
    receipt = call(client, "t", "s")
    assert type(receipt) is dict
    assert receipt["id"] == "evt_s_1"
    collector.always(".*", ".*", 500)
    assert call(client, "t", "s") == {}
    assert client.create_session("n") is None
    assert client.begin("u", "chat").session_id is None
    assert client.complete_session("s") == {}


def test_loud_batching_raises_the_first_failure_at_the_next_flush(collector: Collector) -> None:
    client = client_of(collector, fail_silently=False, batching=True)
    collector.always("POST", EVENTS, Answer(404, json={"error": "E", "message": "first"}))
    for n in range(3):
        assert call(client, f"t{n}", "s") == {}
    with pytest.raises(sentrial.NotFoundError, match="first") as caught:
        client.flush()
    notes = getattr(caught.value, "__notes__", ["3"])
    assert any("3" in note for note in notes)
    client.flush()
    assert call(client, "t", "s") == {}
    with pytest.raises(sentrial.NotFoundError):
        client.close()
    client.close()


def test_loud_batching_that_works_raises_nothing(collector: Collector) -> None:
    client = client_of(collector, fail_silently=False, batching=True)
    with client, client.begin("u", "chat") as interaction:
        call(interaction, "t")
    assert settled(client)["delivered"] == 3
    assert collector.requests(path=SESSIONS)


def test_an_error_of_ours_never_hides_the_programs_own(
    collector: Collector, loud: sentrial.SentrialClient
) -> None:
    interaction = loud.begin("u", "chat")
    collector.always(".*", ".*", 500)
    with pytest.raises(ZeroDivisionError), interaction:
        _ = 1 / 0
