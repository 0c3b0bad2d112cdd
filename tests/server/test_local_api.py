"""The API over HTTP: shapes, refusals, repetition, what survives."""

from __future__ import annotations

import concurrent.futures
import signal
import socket
from typing import TYPE_CHECKING

import pytest
from local_server import WAIT, Api, Cli, Dev, encoded, make_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SESSIONS = "/api/sdk/sessions"
EVENTS = "/api/sdk/events"
SESSION = {"name": "n", "agentName": "a", "userId": "u"}


def test_documented_shapes(api: Api) -> None:
    session = api.session(metadata=None, unknown="kept")
    event = api.event(session, toolName="search", toolInput={"q": 1}, confidence=0.5, extra=[1])
    assert event.keys() == {"id", "sessionId", "eventType", "toolName", "createdAt"}
    assert event["id"].startswith("evt_")
    outcome = {"status": "completed", "success": True, "estimatedCost": 0.5, "durationMs": 12}
    status, completed = api("PATCH", f"{SESSIONS}/{session}", outcome)
    assert status == 200
    assert completed.pop("completedAt")
    assert completed == {"id": session, "name": "Test Session", **outcome}

    _, shown = api("GET", f"{SESSIONS}/{session}")
    assert shown["unknown"] == "kept"
    assert shown["eventCount"] == 1
    _, events = api("GET", f"{SESSIONS}/{session}/events")
    assert events["total"] == 1
    assert events["events"][0]["extra"] == [1]
    _, listed = api("GET", f"{SESSIONS}?agent=test-agent&status=completed")
    assert [found["id"] for found in listed["sessions"]] == [session]
    assert api("GET", "/api/sdk/pii-config") == (200, {"config": None})


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("POST", SESSIONS, {**SESSION, "name": None}, "name"),
        ("POST", SESSIONS, {**SESSION, "agentName": 1}, "agentName"),
        ("POST", SESSIONS, {"name": "n", "agentName": "a"}, "userId"),
        ("POST", SESSIONS, {**SESSION, "metadata": "m"}, "metadata"),
        ("POST", SESSIONS, [], "object"),
        ("POST", SESSIONS, b"{", "JSON"),
        ("POST", SESSIONS, b"\xff", "JSON"),
        ("POST", SESSIONS, b"[" * 100_000, "JSON"),
        ("POST", EVENTS, {"eventType": "error"}, "sessionId"),
        ("POST", EVENTS, {"sessionId": "s"}, "eventType"),
        ("POST", EVENTS, {"sessionId": "s", "eventType": "other"}, "eventType"),
        ("POST", EVENTS, {"sessionId": "s", "eventType": "error", "toolInput": 1}, "toolInput"),
        ("POST", EVENTS, {"sessionId": "s", "eventType": "error", "confidence": 2}, "confidence"),
        ("PATCH", f"{SESSIONS}/s", {"status": "done"}, "status"),
        ("PATCH", f"{SESSIONS}/s", {"customMetrics": {"a": "b"}}, "customMetrics.a"),
        ("PATCH", f"{SESSIONS}/s", {"totalTokens": 1.5}, "totalTokens"),
    ],
)
def test_a_bad_body_is_400_and_names_the_field(
    api: Api, method: str, path: str, body: object, named: str
) -> None:
    status, answer = api(method, path, body)
    assert status == 400
    assert answer.keys() == {"error", "message"}
    assert answer["error"] == "Bad Request"
    assert named in answer["message"]
    api.session()


def test_other_refusals_are_flat_json(api: Api) -> None:
    session = api.session()
    too_large = b'{"name": "' + b"x" * (8 * 1024 * 1024) + b'"}'
    for expected, (status, answer) in (
        (404, api("GET", "/api/sdk/nothing")),
        (404, api("PATCH", f"{SESSIONS}/sess_unknown", {})),
        (404, api("PATCH", f"{SESSIONS}/%ff", {})),
        (404, api("POST", EVENTS, {"sessionId": "sess_unknown", "eventType": "error"})),
        (404, api("GET", f"{SESSIONS}/sess_unknown/events")),
        (405, api("DELETE", f"{SESSIONS}/{session}")),
        (405, api("GET", EVENTS)),
        (413, api("POST", SESSIONS, too_large)),
        (415, api("POST", SESSIONS, SESSION, Content_Type="text/plain")),
        (415, api("POST", SESSIONS, SESSION, Content_Encoding="gzip")),
        (400, api("POST", SESSIONS, SESSION, X_Sentrial_Timestamp="noon")),
        (400, api("POST", SESSIONS, SESSION, Idempotency_Key="x" * 256)),
    ):
        assert status == expected, answer
        assert answer.keys() == {"error", "message"}


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"\0" * 100])
def test_what_is_not_http_is_refused(api: Api, raw: bytes) -> None:
    port = int(api.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as connection:
        connection.sendall(raw)
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400 ")
    api.session()


def test_a_repeated_request_gets_the_first_answer(api: Api) -> None:
    first = api("POST", SESSIONS, SESSION, Idempotency_Key="one")
    again = api("POST", SESSIONS, {**SESSION, "name": "other"}, Idempotency_Key="one")
    assert first == again
    assert first[0] == 200
    _, listed = api("GET", SESSIONS)
    assert len(listed["sessions"]) == 1
    event = {"sessionId": first[1]["id"], "eventType": "error"}
    status, refused = api("POST", EVENTS, event, Idempotency_Key="one")
    assert status == 422
    assert "Idempotency-Key" in refused["message"]


def test_a_refusal_is_not_remembered(api: Api) -> None:
    assert api("POST", SESSIONS, {}, Idempotency_Key="one")[0] == 400
    assert api("POST", SESSIONS, SESSION, Idempotency_Key="one")[0] == 200


def test_identical_requests_at_the_same_moment_store_one(api: Api) -> None:
    def send(_: int) -> tuple[int, object]:
        return api("POST", SESSIONS, SESSION, Idempotency_Key="same")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(48)))
    assert all(answer == answers[0] for answer in answers)
    _, listed = api("GET", SESSIONS)
    assert len(listed["sessions"]) == 1


def test_a_remembered_answer_survives_restart_and_rotation(
    cli: Cli, db: Path, start_dev: Callable[..., Dev]
) -> None:
    server = start_dev("--port", "0", "--db", db)
    api = Api(server.url, make_key(cli, db), db)
    first = api("POST", SESSIONS, SESSION, Idempotency_Key="one")
    api.event(first[1]["id"], toolName="kept")
    assert server.finish(signal.SIGTERM) == 0
    server = start_dev("--port", "0", "--db", db)
    api = Api(server.url, make_key(cli, db, "new"), db)
    assert api("POST", SESSIONS, SESSION, Idempotency_Key="one") == first
    _, events = api("GET", f"{SESSIONS}/{first[1]['id']}/events")
    assert [event["toolName"] for event in events["events"]] == ["kept"]


def test_data_survives_a_killed_server(cli: Cli, db: Path, start_dev: Callable[..., Dev]) -> None:
    server = start_dev("--port", "0", "--db", db)
    api = Api(server.url, make_key(cli, db), db)
    session = api.session()
    assert server.finish(signal.SIGKILL) == -signal.SIGKILL
    assert session in cli.ok("sessions", "list", "--db", db)


def test_events_are_ordered_by_the_callers_time(api: Api) -> None:
    session = api.session()
    for name, at in (("b", "2026-01-01T00:00:01Z"), ("a", "2026-01-01T01:00:00+01:00")):
        body = {"sessionId": session, "eventType": "tool_call", "toolName": name}
        _, answer = api("POST", EVENTS, body, X_Sentrial_Timestamp=at)
        assert answer["createdAt"].startswith("2026-01-01T00:00:0")
    _, events = api("GET", f"{SESSIONS}/{session}/events")
    assert [event["toolName"] for event in events["events"]] == ["a", "b"]


def test_health_needs_no_key(api: Api) -> None:
    api.key = None
    status, answer = api("GET", "/api/health")
    assert (status, answer["status"]) == (200, "ok")
    assert encoded(answer)
