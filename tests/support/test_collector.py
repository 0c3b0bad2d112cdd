"""The collector itself, over real sockets."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trustme

from tests.support import answers
from tests.support.answers import Answer
from tests.support.collector import Collector, refused_url

SESSIONS, EVENTS = "/api/sdk/sessions", "/api/sdk/events"


def send(
    collector: Collector,
    method: str = "POST",
    path: str = EVENTS,
    body: object = None,
    *,
    connection: http.client.HTTPConnection | None = None,
    timeout: float = 5.0,
) -> tuple[int, Any, dict[str, str]]:
    own = connection or http.client.HTTPConnection("127.0.0.1", collector.port, timeout=timeout)
    try:
        payload = json.dumps(body if body is not None else {"sessionId": "s", "eventType": "error"})
        own.request(method, path, payload, {"Authorization": "Bearer k", "X-A": "1"})
        answer = own.getresponse()
        data = answer.read()
        try:
            value = json.loads(data)
        except ValueError:
            value = data
        return answer.status, value, {k.lower(): v for k, v in answer.getheaders()}
    finally:
        if connection is None:
            own.close()


def test_it_answers_as_documented_with_deterministic_ids(collector: Collector) -> None:
    made = {"name": "n", "agentName": "My Agent", "userId": "user_1"}
    status, session, headers = send(collector, "POST", SESSIONS, made)
    assert (status, session["id"], session["status"]) == (200, "sess_user-1_my-agent_1", "active")
    assert headers["content-type"] == "application/json"
    _, second, _ = send(collector, "POST", SESSIONS, made)
    assert second["id"] == "sess_user-1_my-agent_2"
    _, event, _ = send(
        collector, "POST", EVENTS, {"sessionId": session["id"], "eventType": "tool_call"}
    )
    assert event["id"] == f"evt_{session['id']}_1"
    _, done, _ = send(
        collector, "PATCH", f"{SESSIONS}/{session['id']}", {"status": "completed", "success": True}
    )
    assert (done["name"], done["status"], done["success"]) == ("n", "completed", True)
    assert send(collector, "GET", "/api/sdk/pii-config")[1] == {"config": None}
    assert send(collector, "GET", "/nowhere")[0] == 404

    by_session = collector.by_session()
    assert [r.method for r in by_session[session["id"]]] == ["POST", "POST", "PATCH"]
    first = collector.requests()[0]
    assert (first.token, first.headers["x-a"], first.json) == ("k", "1", made)
    assert first.answered is not None
    assert first.answered >= first.arrived
    assert [body["eventType"] for body in collector.events()] == ["tool_call"]


def test_a_script_is_used_up_and_then_answers_are_documented(collector: Collector) -> None:
    collector.script("POST", EVENTS, 503, answers.limited(7), Answer(400, json={"x": 1}))
    collector.script("PATCH", r"/api/sdk/sessions/.+", answers.html(502))
    seen = [send(collector) for _ in range(4)]
    assert [status for status, _, _ in seen] == [503, 429, 400, 200]
    assert seen[1][2]["retry-after"] == "7"
    assert seen[2][1] == {"x": 1}
    status, body, headers = send(collector, "PATCH", f"{SESSIONS}/a%2Fb", {"status": "failed"})
    assert (status, headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert body.startswith(b"<html>")
    assert collector.requests("PATCH")[0].session_id == "a/b"
    assert len(collector.events()) == 1
    assert len(collector.by_session(accepted=False)["s"]) == 4

    collector.always("POST", EVENTS, 401)
    assert [send(collector)[:2] for _ in range(2)] == [(401, answers.ERROR_BODIES[401])] * 2
    collector.clear_scripts()
    assert send(collector)[0] == 200


def test_broken_answers(collector: Collector) -> None:
    collector.script(
        "POST",
        EVENTS,
        answers.RESET_BEFORE,
        answers.RESET_MIDDLE,
        answers.truncated(),
        Answer(raw=b"nonsense\r\n\r\n"),
        answers.empty(),
        Answer(204),
        answers.redirect("/elsewhere"),
    )
    with pytest.raises(ConnectionResetError):
        send(collector)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        send(collector)
    with pytest.raises(http.client.IncompleteRead):
        send(collector)
    with pytest.raises(http.client.BadStatusLine):
        send(collector)
    assert send(collector)[:2] == (200, b"")
    assert send(collector)[:2] == (204, b"")
    status, _, headers = send(collector)
    assert (status, headers["location"]) == (307, "/elsewhere")
    assert [r.accepted for r in collector.requests()] == [False] * 2 + [True] + [False] + [
        True,
        True,
        False,
    ]


def test_a_hanging_a_slow_and_a_trickling_answer(collector: Collector) -> None:
    collector.script(
        "POST", EVENTS, answers.HANG, Answer(delay=0.15), Answer(body="[]", trickle=0.001)
    )
    with pytest.raises(TimeoutError):
        send(collector, timeout=0.1)
    started = time.monotonic()
    assert send(collector)[0] == 200
    assert time.monotonic() - started >= 0.15
    started = time.monotonic()
    assert send(collector)[1] == []
    assert time.monotonic() - started >= 0.1
    assert collector.requests()[0].status is None


def test_connections_are_kept_alive_and_counted(collector: Collector) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=5)
    for _ in range(3):
        send(collector, connection=connection)
    connection.close()
    send(collector)
    assert [r.connection for r in collector.requests()] == [1, 1, 1, 2]
    assert collector.connections == 2


def test_the_gate_holds_answers_until_it_is_opened(collector: Collector) -> None:
    with ThreadPoolExecutor(3) as pool:
        with collector.gate():
            waiting = [pool.submit(send, collector) for _ in range(3)]
            collector.wait_for(3, path=EVENTS)
            assert collector.in_flight == 3
            assert not any(future.done() for future in waiting)
        assert [future.result(5)[0] for future in waiting] == [200] * 3
    assert (collector.in_flight, collector.peak_in_flight) == (0, 3)


def test_refusing_and_accepting_again_on_the_same_port(collector: Collector) -> None:
    kept = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=5)
    send(collector, connection=kept)
    collector.refuse()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        send(collector, connection=kept)
    kept.close()
    with pytest.raises(ConnectionRefusedError):
        send(collector)
    collector.accept()
    assert send(collector)[0] == 200
    assert len(collector.requests()) == 2
    collector.forget()
    assert collector.requests() == []


def test_a_refused_url() -> None:
    with refused_url() as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def test_waiting_ends_with_a_message_that_says_what_came(collector: Collector) -> None:
    send(collector)
    threading.Timer(0.1, send, [collector]).start()
    assert len(collector.wait_for(2)) == 2
    with pytest.raises(AssertionError, match=r"2 of 3 requests .*2 x POST /api/sdk/events -> 200"):
        collector.wait_for(3, timeout=0.05)
    assert len(collector.wait_until_quiet(0.05)) == 2


def test_a_chunked_body_and_a_split_request(collector: Collector) -> None:
    with socket.create_connection(("127.0.0.1", collector.port), timeout=5) as sock:
        sock.sendall(b"POST /api/sdk/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n")
        time.sleep(0.02)
        sock.sendall(b'{"a":\r\n2\r\n1}\r\n0\r\n\r\nPOST /x?q=1 HTTP/1.1\r\nContent-Le')
        time.sleep(0.02)
        sock.sendall(b"ngth: 2\r\n\r\n[]")
        first, second = collector.wait_for(2)
    assert first.json == {"a": 1}
    assert (second.path, second.query, second.json) == ("/x", "q=1", [])


def test_nonsense_is_answered_with_400(collector: Collector) -> None:
    with socket.create_connection(("127.0.0.1", collector.port), timeout=5) as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 400 ")


def test_https() -> None:
    authority = trustme.CA()
    server, client = (
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
        ssl.create_default_context(),
    )
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    with Collector(ssl_context=server) as collector:
        assert collector.url.startswith("https://")
        connection = http.client.HTTPSConnection(
            "127.0.0.1", collector.port, timeout=5, context=client
        )
        assert send(collector, connection=connection)[0] == 200
        connection.close()


def test_it_is_fast_enough_for_twenty_thousand_requests(collector: Collector) -> None:
    body = json.dumps({"sessionId": "s", "eventType": "tool_call", "toolInput": {"q": "x" * 1000}})
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    request = (head + body).encode()

    def hammer(count: int) -> None:
        with socket.create_connection(("127.0.0.1", collector.port), timeout=30) as sock:
            for _ in range(count // 20):
                sock.sendall(request * 20)
                seen = 0
                while seen < 20:
                    seen += len(re.findall(rb"HTTP/1\.1 200", sock.recv(1 << 16)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(hammer, [5000] * 4))
    assert len(collector.wait_for(20_000, path=EVENTS)) == 20_000
