"""A client as a Python object: subclasses, pickles, copies, weak references, patched methods."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import weakref
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import sentrial

from tests.support.sdk import KEY, client_for, in_thread

if TYPE_CHECKING:
    from tests.support.collector import Collector


class Tagged(sentrial.SentrialClient):
    """A subclass with arguments of its own."""

    def __init__(self, tag: str, server: str) -> None:
        super().__init__(server, KEY)
        self.tag = tag

    def track_decision(self, session_id: Any, reasoning: Any, *args: Any, **more: Any) -> Any:
        """Mark the reasoning."""
        return super().track_decision(session_id, f"{self.tag}: {reasoning}", *args, **more)


class Forgetful(sentrial.SentrialClient):
    """A subclass that never calls the constructor of its base."""

    def __init__(self) -> None:
        self.mine = 1


def test_a_subclass_has_its_own_constructor(collector: Collector) -> None:
    client = Tagged("blue", server=collector.url)
    assert (client.tag, client.api_url) == ("blue", collector.url)
    client.track_decision("s", "r")
    client.flush()
    assert collector.bodies()[0]["reasoning"] == "blue: r"


def test_a_subclass_that_forgot_its_base_does_nothing() -> None:
    client = Forgetful()
    assert client.mine == 1
    assert client.create_session("n") is None
    assert client.track_decision("s", "r") == {}
    with client.begin("u", "agent"):
        pass
    client.close()
    assert "Forgetful" in repr(client) or "SentrialClient" in repr(client)


def test_an_interaction_of_a_subclass_uses_it(collector: Collector) -> None:
    client = Tagged("blue", server=collector.url)
    with client.begin("u", "agent") as interaction:
        assert interaction.client is client


def test_a_pickle_carries_the_options_but_not_the_key(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    options: dict[str, Any] = {
        "timeout": 7.0,
        "max_retries": 1,
        "wait_timeout": 0.25,
        "project_id": "proj_1",
        "session_concurrency": 2,
        "max_state_bytes": 100,
    }
    client = client_for(collector, **options)
    data = pickle.dumps(client)
    assert KEY.encode() not in data
    monkeypatch.setenv("SENTRIAL_API_KEY", "sentrial_live_of_the_other_side")
    restored = pickle.loads(data)  # noqa: S301 - made a moment ago
    assert restored is not client
    assert (restored.api_url, restored.api_key) == (
        collector.url,
        "sentrial_live_of_the_other_side",
    )
    restored.create_session("n")
    assert collector.bodies()[0]["projectId"] == "proj_1"
    assert pickle.loads(pickle.dumps(restored)).api_url == collector.url  # noqa: S301


@pytest.mark.parametrize(
    "options",
    [
        {"fail_silently": False},
        {"batching": True},
        {"batching": {"flush_threshold": 3}},
        {"batching": sentrial.BatcherConfig(flush_threshold=3)},
        {"batching": False},
        {"pii": True},
        {"pii": {"mode": "hash"}},
        {"pii": sentrial.PiiConfig(enabled=True)},
    ],
)
@pytest.mark.parametrize("protocol", [0, pickle.HIGHEST_PROTOCOL])
def test_a_pickle_carries_modes_and_settings(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, options: dict[str, Any], protocol: int
) -> None:
    monkeypatch.setenv("SENTRIAL_API_KEY", KEY)
    client = client_for(collector, **options)
    restored = pickle.loads(pickle.dumps(client, protocol))  # noqa: S301
    assert restored.fail_silently == client.fail_silently
    assert restored.pii == client.pii
    receipts = [type(one.track_decision("s", "r")) for one in (client, restored)]
    assert receipts[0] is receipts[1]


def test_a_pickled_client_redacts_like_the_original(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    monkeypatch.setenv("SENTRIAL_API_KEY", KEY)
    client = client_for(collector, pii=sentrial.PiiConfig(enabled=True))
    restored = pickle.loads(pickle.dumps(client))  # noqa: S301
    restored.track_decision("s", "write to ann@example.com")
    restored.flush()
    assert b"ann@example.com" not in collector.requests()[0].body


def test_a_key_in_the_place_of_the_address_is_not_pickled(collector: Collector) -> None:
    client = sentrial.SentrialClient(KEY)
    assert KEY.encode() not in pickle.dumps(client)


def test_copies_are_the_client_itself(collector: Collector) -> None:
    client = client_for(collector)
    assert copy.copy(client) is client
    assert copy.deepcopy({"client": client})["client"] is client
    with client.begin("u", "agent") as interaction:
        assert copy.copy(interaction) is interaction
        assert copy.deepcopy([interaction])[0] is interaction


def test_an_interaction_cannot_be_pickled_and_says_what_to_do(collector: Collector) -> None:
    with client_for(collector).begin("u", "agent") as interaction:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="session_id"):
                pickle.dumps(interaction, protocol)


def test_weak_references_and_attributes(collector: Collector) -> None:
    client = client_for(collector)
    client.note = "mine"  # type: ignore[attr-defined]
    assert client.__dict__ == {"note": "mine"}
    interaction = client.begin("u", "agent")
    interaction.note = "mine"  # type: ignore[attr-defined]
    references = [weakref.ref(interaction), weakref.ref(client)]
    interaction.finish()
    client.flush()
    del client, interaction
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_a_cycle_through_a_client_is_collected(collector: Collector) -> None:
    client = client_for(collector)
    client.me = client  # type: ignore[attr-defined]
    reference = weakref.ref(client)
    del client
    gc.collect()
    assert reference() is None


def test_a_cycle_through_an_interactions_own_arguments_is_collected(collector: Collector) -> None:
    client = client_for(collector)

    class Output:
        owner: Any = None

        def __str__(self) -> str:
            return "output"

    output = Output()
    output.owner = client.begin("u", "agent")
    output.owner.set_output(output)
    reference = weakref.ref(output)
    output.owner.finish()
    client.flush()
    del output
    gc.collect()
    assert reference() is None


def test_methods_can_be_patched_on_an_instance(collector: Collector) -> None:
    client = client_for(collector)
    with (
        mock.patch.object(client, "track_decision", return_value={"id": "fake"}) as fake,
        client.begin("u", "agent") as interaction,
        mock.patch.object(interaction, "track_error") as also_fake,
    ):
        assert client.track_decision("s", "r") == {"id": "fake"}
        interaction.track_error("m")
    fake.assert_called_once_with("s", "r")
    also_fake.assert_called_once_with("m")
    client.flush()
    assert [request.method for request in collector.requests()] == ["POST", "PATCH"]


def test_a_client_that_was_dropped_loses_nothing(collector: Collector) -> None:
    with collector.gate():
        client = client_for(collector)
        for number in range(5):
            client.track_decision("s", f"{number}")
        del client
        gc.collect()
    sentrial.flush()
    assert len(collector.events()) == 5


def test_a_client_is_used_after_it_was_closed(collector: Collector) -> None:
    with client_for(collector) as client:
        client.track_decision("s", "before")
    client.close()
    client.shutdown()
    client.track_decision("s", "after")
    client.flush()
    assert [body["reasoning"] for body in collector.events()] == ["before", "after"]


def test_a_client_is_shared_by_threads(collector: Collector) -> None:
    client = client_for(collector)
    assert in_thread(lambda: client.create_session("n")) == "sess_anonymous_n_1"
    client.close()


def test_the_documented_signatures_show() -> None:
    init = list(inspect.signature(sentrial.SentrialClient).parameters)
    assert init[:6] == ["api_url", "api_key", "fail_silently", "langfuse", "pii", "batching"]
    begin = inspect.signature(sentrial.SentrialClient.begin)
    assert list(begin.parameters)[1:7] == [
        "user_id",
        "event",
        "input",
        "event_id",
        "convo_id",
        "metadata",
    ]
    assert inspect.signature(sentrial.Interaction.finish).parameters["success"].default is True
    assert sentrial.SentrialClient.__module__ == "sentrial.client"


def test_documented_attributes(collector: Collector) -> None:
    client = client_for(collector, langfuse="integration")
    assert (client.session, client.langfuse, client.pii) == (None, "integration", None)
    assert client_for(collector, pii=False).pii is False
    config = client_for(collector, pii=True).pii
    assert isinstance(config, sentrial.PiiConfig)
    assert config.enabled
