"""The async client keeps its failures to itself, or raises the typed ones."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import async_client as module

from tests.asynchronous.helpers import IMMEDIATE, async_client, until
from tests.support.answers import RESET_BEFORE, Answer, empty
from tests.support.sdk import EVENTS, KEY, SESSIONS, in_loop, messages

if TYPE_CHECKING:
    from tests.support.collector import Collector

FAILURES = [400, 401, 403, 404, Answer(body="OK"), empty(), Answer(json=[1])]


@pytest.fixture(autouse=True)
def no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_default", None)
    monkeypatch.setattr(module, "_configured", None)
    monkeypatch.setattr("sentrial.client._default", None)
    monkeypatch.setattr("sentrial.client._configured", None)


@pytest.mark.parametrize("failure", FAILURES, ids=str)
@pytest.mark.parametrize("options", [{}, IMMEDIATE], ids=str)
def test_a_silent_client_never_raises(
    collector: Collector, options: dict[str, Any], failure: Any
) -> None:
    """A1, D2: no status and no body reaches the program."""
    collector.always(".*", ".*", failure)

    async def run() -> None:
        client = async_client(collector, max_retries=0, wait_timeout=0.3, **options)
        assert await client.create_session("n") is None
        for answer in (
            await client.track_decision("s", "r"),
            await client.complete_session("s"),
            await client.track_tool_call("s", object(), object(), {1, 2}),
        ):
            assert isinstance(answer, dict)
        async with client.begin("u", "chat") as interaction:
            await interaction.track_error("e")
        collector.clear_scripts()
        client.api_key = KEY

    in_loop(run())


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, sentrial.BadRequestError),
        (401, sentrial.AuthenticationError),
        (403, sentrial.PermissionDeniedError),
        (404, sentrial.NotFoundError),
        (429, sentrial.RateLimitError),
        (503, sentrial.ServerError),
    ],
)
def test_a_loud_client_raises_where_it_is_awaited(
    collector: Collector, status: int, error: type[Exception]
) -> None:
    collector.always(".*", ".*", status)

    async def run() -> None:
        client = async_client(collector, fail_silently=False, max_retries=0)
        calls = [
            client.create_session("n"),
            client.track_decision("s", "r"),
            client.complete_session("s"),
            client.get_session("s"),
            client.begin("u", "chat"),
        ]
        for call in calls:
            with pytest.raises(error):
                await call
        with pytest.raises(error):
            async with client.begin("u", "chat"):
                pytest.fail("the block must not run")

    in_loop(run())


async def fail_inside(client: sentrial.AsyncSentrialClient, collector: Collector) -> None:
    async with client, client.begin("u", "chat"):
        await client.track_decision("s", "r")
        collector.always("PATCH|POST", ".*", 400)
        raise KeyError("mine")


@pytest.mark.parametrize("options", [{"max_retries": 0}, {"batching": True}], ids=str)
def test_the_programs_own_exception_comes_before_ours(
    collector: Collector, options: dict[str, Any]
) -> None:
    client = async_client(collector, fail_silently=False, **options)
    with pytest.raises(KeyError):
        in_loop(fail_inside(client, collector))


def test_a_loud_batching_client_raises_at_flush(collector: Collector) -> None:
    collector.always("POST", EVENTS, 400)

    async def run() -> None:
        client = async_client(collector, fail_silently=False, batching=True)
        assert await client.track_decision("s", "r") == {}
        with pytest.raises(sentrial.BadRequestError):
            await client.flush()
        await client.flush()

    in_loop(run())


def test_a_dropped_connection_is_tried_again(collector: Collector) -> None:
    """A8."""
    collector.script("POST", EVENTS, RESET_BEFORE)

    async def run() -> None:
        client = async_client(collector, **IMMEDIATE)
        assert (await client.track_decision("s", "r"))["id"] == "evt_s_1"

    in_loop(run())
    assert len(collector.requests("POST", EVENTS)) == 2


def test_a_refused_session_in_immediate_delivery_is_a_degraded_interaction(
    collector: Collector,
) -> None:
    collector.always("POST", SESSIONS, 400)

    async def run() -> None:
        client = async_client(collector, **IMMEDIATE)
        async with client.begin("u", "chat") as interaction:
            assert interaction.session_id is None
            assert sentrial.get_session_context() is None
            assert await interaction.track_decision("r") == {}

    in_loop(run())
    assert [request.path for request in collector.requests()] == [SESSIONS]


def test_pii_and_batching_are_taken(collector: Collector) -> None:
    """A2."""

    async def run() -> None:
        client = async_client(collector, pii=True, batching={"flush_threshold": 2})
        await client.track_decision("s", "mail a@b.com")
        assert client.stats()["pending"] == 1
        await client.track_decision("s", "again")
        await until(lambda: client.stats()["pending"] == 0)

    in_loop(run())
    assert "a@b.com" not in str(collector.bodies())


@pytest.mark.parametrize("url", ["ftp://x", "http://[", "nonsense"])
def test_the_default_client_never_raises(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    monkeypatch.setenv("SENTRIAL_API_URL", url)
    monkeypatch.setenv("SENTRIAL_API_KEY", KEY)

    async def run() -> None:
        async with sentrial.begin_async("u", "chat") as interaction:
            assert await interaction.track_decision("r") == {}
            assert interaction.session_id is None

    in_loop(run())
    assert sum("nothing is recorded" in line for line in messages(caplog)) == 1


def test_configure_feeds_the_async_default_client_as_well(
    collector: Collector, refusing: str
) -> None:
    async def begin() -> sentrial.AsyncSentrialClient:
        interaction = await sentrial.begin_async("u", "chat")
        await interaction.finish()
        await interaction.client.flush()
        return interaction.client

    sentrial.configure(api_key=KEY, api_url=collector.url, wait_timeout=1.5)
    first = in_loop(begin())
    assert in_loop(begin()) is first
    assert len(collector.requests("PATCH")) == 2
    in_loop(sentrial.configure_async(api_key=KEY, api_url=refusing, shutdown_timeout=0.1))
    assert in_loop(begin()).api_url == refusing
    sentrial.configure(api_key=KEY, api_url=collector.url, fail_silently=False)
    last = in_loop(begin())
    assert (last.api_url, last.fail_silently) == (collector.url, False)


def test_configure_async_hands_the_queue_of_a_refused_key_over(collector: Collector) -> None:
    collector.always(".*", ".*", 401)

    async def run() -> None:
        await sentrial.configure_async(KEY, collector.url)
        interaction = await sentrial.begin_async("u", "chat")
        await interaction.track_decision("kept")
        await until(lambda: interaction.client.stats()["state"] == "paused")
        collector.clear_scripts()
        await sentrial.configure_async(KEY + "2", collector.url)
        await interaction.finish()
        await interaction.client.flush()

    in_loop(run())
    assert [event["reasoning"] for event in collector.events()] == ["kept"]
    assert {request.token for request in collector.requests() if request.accepted} == {KEY + "2"}


def test_the_key_never_shows_and_a_pickle_has_none(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = async_client(collector, wait_timeout=1.5)
    assert KEY not in repr(client)
    assert repr(client).startswith("AsyncSentrialClient(")
    assert copy.copy(client) is copy.deepcopy(client) is client
    pickled = pickle.dumps(client)
    assert KEY.encode() not in pickled
    monkeypatch.setenv("SENTRIAL_API_KEY", KEY + "3")
    restored = pickle.loads(pickled)  # noqa: S301  our own
    assert (restored.api_url, restored.api_key) == (collector.url, KEY + "3")
