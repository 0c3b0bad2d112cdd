"""Calls of the API outside the ledger."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import SentrialClient

from tests.support.answers import HANG, RESET_MIDDLE, Answer, empty, html, limited, redirect
from tests.support.sdk import KEY, client_for, loud

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector

PATH = "/api/experiments/e/runs"


def test_what_goes_over_the_wire(collector: Collector) -> None:
    collector.always(".*", PATH, Answer(json={"a": [1]}))
    client = loud(collector)
    body = {"text": "é\ud800", "nested": {"n": None}}
    assert client._api_call("POST", PATH, body) == {"a": [1]}
    for method in ("GET", "DELETE"):
        assert client._api_call(method, PATH) == {"a": [1]}
    post, get, delete = collector.requests()
    assert json.loads(post.body) == body
    assert post.headers["content-type"] == "application/json"
    assert (get.method, delete.method) == ("GET", "DELETE")
    for request in (get, delete):
        assert request.body == b""
        assert "content-type" not in request.headers
    assert {request.token for request in collector.requests()} == {KEY}
    assert len(collector.by_idempotency_key()) == 3


def test_a_body_is_sent_whole(collector: Collector) -> None:
    """Recorded values are cut to a budget; a prompt must not be."""
    collector.always("POST", PATH, Answer(json={}))
    prompt = "x" * 3_000_000
    loud(collector, max_event_bytes=1000)._api_call("POST", PATH, {"prompt": prompt})
    assert collector.bodies()[0] == {"prompt": prompt}


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (418, "APIError"),
        (422, "BadRequestError"),
        (429, "RateLimitError"),
        (500, "ServerError"),
        (503, "ServerError"),
    ],
)
def test_a_refusal_raises_the_exception_of_its_status(
    collector: Collector, status: int, name: str
) -> None:
    collector.always("GET", PATH, status)
    with pytest.raises(sentrial.APIError) as raised:
        loud(collector)._api_call("GET", PATH)
    assert (type(raised.value).__name__, raised.value.status_code) == (name, status)
    assert client_for(collector, max_retries=0)._api_call("GET", PATH) is None


@pytest.mark.parametrize("answer", [Answer(body="OK"), Answer(body=b"\xff"), Answer(body="{")])
def test_an_answer_that_is_no_json_is_an_error(collector: Collector, answer: Answer) -> None:
    collector.always("GET", PATH, answer)
    with pytest.raises(sentrial.SentrialError, match="not JSON"):
        loud(collector)._api_call("GET", PATH)
    assert client_for(collector)._api_call("GET", PATH) is None


def test_the_page_of_a_portal_is_no_answer(collector: Collector) -> None:
    collector.always("GET", PATH, html())
    with pytest.raises(sentrial.APIConnectionError, match="page"):
        loud(collector)._api_call("GET", PATH)


def test_an_empty_answer_is_an_empty_dict(collector: Collector) -> None:
    collector.script("DELETE", PATH, empty(204), empty(200))
    client = loud(collector)
    assert [client._api_call("DELETE", PATH) for _ in range(2)] == [{}, {}]


def test_it_is_tried_again_under_the_same_idempotency_key(collector: Collector) -> None:
    collector.script("POST", PATH, 503, RESET_MIDDLE, limited(0))
    collector.always("POST", PATH, Answer(json={"run": 1}))
    client = loud(collector, max_retries=3)
    assert client._api_call("POST", PATH, {}) == {"run": 1}
    assert len(collector.requests()) == 4
    assert len(collector.by_idempotency_key()) == 1


def test_what_will_never_be_accepted_is_not_tried_again(collector: Collector) -> None:
    collector.always("POST", PATH, 404)
    with pytest.raises(sentrial.NotFoundError):
        loud(collector, max_retries=3)._api_call("POST", PATH, {})
    assert len(collector.requests()) == 1


def test_a_hanging_server_ends_in_a_timeout(collector: Collector) -> None:
    collector.always("GET", PATH, HANG)
    started = time.monotonic()
    with pytest.raises(sentrial.APITimeoutError):
        loud(collector, timeout=0.2)._api_call("GET", PATH)
    assert time.monotonic() - started < 10


def test_a_server_that_is_not_there_is_a_connection_error(refusing: str) -> None:
    with pytest.raises(sentrial.APIConnectionError):
        loud(refusing)._api_call("GET", PATH)


def test_neither_key_nor_body_go_to_another_origin(collector: Collector, refusing: str) -> None:
    collector.always("GET", PATH, redirect(f"{refusing}/elsewhere"))
    with pytest.raises(sentrial.APIConnectionError, match="another origin"):
        loud(collector)._api_call("GET", PATH)


def test_it_is_not_counted_and_does_not_wait_for_the_queue(collector: Collector) -> None:
    collector.always("GET", PATH, Answer(json={"a": 1}))
    client = client_for(collector)
    with collector.gate():
        interaction = client.begin(user_id="u", event="e")
        interaction.finish()
        collector.wait_for(1)
        answers: list[Any] = []
        caller = threading.Thread(target=lambda: answers.append(client._api_call("GET", PATH)))
        caller.start()
        # Its request arrives although the lane of the session is blocked.
        collector.wait_for(1, method="GET")
        assert client.stats()["accepted"] == 2
    caller.join(20)
    assert answers == [{"a": 1}]
    client.flush()
    assert client.stats()["delivered"] == 2


def test_a_refused_call_does_not_pause_what_is_recorded(collector: Collector) -> None:
    collector.always("GET", PATH, 401)
    client = client_for(collector)
    assert client._api_call("GET", PATH) is None
    client.begin(user_id="u", event="e").finish()
    client.flush()
    assert client.stats()["delivered"] == 2
    assert client.stats()["state"] == "up"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", PATH, None),
        ("GET", "api", None),
        ("POST", PATH, float("nan")),
        ("POST", PATH, {"a": [float("inf")]}),
    ],
)
def test_a_call_that_makes_no_sense_is_a_value_error(
    collector: Collector, method: str, path: str, body: object
) -> None:
    with pytest.raises(ValueError, match=r"method|slash|JSON"):
        client_for(collector)._api_call(method, path, body)
    assert collector.requests() == []


def test_a_disabled_client_calls_nobody(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTRIAL_DISABLED", "1")
    assert loud(collector)._api_call("GET", PATH) is None
    assert collector.requests() == []


def test_a_client_without_a_key_calls_nobody(caplog: pytest.LogCaptureFixture) -> None:
    client = SentrialClient("https://api.sentrial.com")
    assert client._api_call("GET", PATH) is None
    assert "SENTRIAL_API_KEY" in caplog.text


def test_ctrl_c_ends_the_wait(collector: Collector, run_python: RunPython) -> None:
    collector.always("GET", PATH, HANG)
    done = run_python(
        """
        import os, signal, threading, time
        from sentrial import SentrialClient

        client = SentrialClient(timeout=60)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        started = time.monotonic()
        try:
            client._api_call("GET", "/api/experiments/e/runs")
        except KeyboardInterrupt:
            print("interrupted", time.monotonic() - started < 10)
        """,
        env={"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY},
    )
    assert done.ok().stdout == "interrupted True\n"


def test_a_forked_child_can_call(collector: Collector, run_python: RunPython) -> None:
    collector.always("GET", PATH, Answer(json={"a": 1}))
    done = run_python(
        """
        import os
        from sentrial import SentrialClient

        client = SentrialClient()
        print(client._api_call("GET", "/api/experiments/e/runs"), flush=True)
        if os.fork() == 0:
            print(client._api_call("GET", "/api/experiments/e/runs"), flush=True)
            os._exit(0)
        os.wait()
        print(client._api_call("GET", "/api/experiments/e/runs"), flush=True)
        """,
        env={"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY},
    )
    assert done.ok().stdout == "{'a': 1}\n" * 3
    assert len(collector.by_idempotency_key()) == 3
