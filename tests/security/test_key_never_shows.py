"""DESIGN rule 7: the API key does not show, whatever fails and wherever one looks."""

from __future__ import annotations

import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.answers import HANG, RESET_BEFORE, Answer, html, redirect
from tests.support.sdk import EVENTS, SESSIONS, client_for, loud
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector

SECRET = "abcdefghijklmnopqrstuvwx"  # noqa: S105 - made up
KEY = f"sentrial_live_{SECRET}"
MASKED = "sentrial_live_…uvwx"

ECHO = {"error": "Unauthorized", "message": f"unknown key {KEY}", "header": f"Bearer {KEY}"}

FAILURES: dict[str, Answer] = {
    "401 that repeats the key": Answer(401, json=ECHO, headers={"X-Request-Id": f"req-{KEY}"}),
    "403 that repeats it as a name": Answer(403, json={KEY: KEY, "error": {"code": KEY}}),
    "400 page that repeats it": html(400, f"<title>{KEY}</title><p>{KEY}</p>"),
    "422 text that repeats it": Answer(422, body=f"{KEY} {KEY}"),
    "429 that repeats it": Answer(429, json=ECHO, headers={"Retry-After": "1"}),
    "500 that repeats it": Answer(500, json=ECHO),
    "503 that repeats it": html(503, f"<title>{KEY}</title>"),
    "redirect that repeats it": redirect(f"http://127.0.0.1:1/{KEY}?key={KEY}", 302),
    "redirect to a host named after it": redirect(f"http://{KEY}.invalid/"),
    "time-out": HANG,
    "broken": RESET_BEFORE,
}


def assert_hidden(text: object) -> None:
    """Not even a part of the random string that matters, except the last four characters."""
    shown = text if isinstance(text, str) else repr(text)
    for start in range(len(SECRET) - 7):
        assert SECRET[start : start + 8] not in shown


def everything_about(error: BaseException) -> list[object]:
    """Return all that could end up in somebody's log of an exception."""
    seen: list[object] = [repr(error), str(error), error.args, vars(error)]
    seen += ["".join(traceback.format_exception(error))]
    seen += [pickle.dumps(error).decode("latin-1"), getattr(error, "__notes__", None)]
    for linked in (error.__cause__, error.__context__):
        if linked is not None:
            seen += everything_about(linked)
    return seen


@pytest.fixture
def debug(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    monkeypatch.setenv("SENTRIAL_DEBUG", "1")
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("path", [EVENTS, SESSIONS])
def test_not_in_the_exceptions_of_a_loud_client(
    collector: Collector, debug: pytest.LogCaptureFixture, answer: Answer, path: str
) -> None:
    collector.always(".*", ".*", answer)
    client = loud(collector, api_key=KEY, timeout=0.3)
    call = (
        (lambda: client.track_decision("s", "r"))
        if path == EVENTS
        else (lambda: client.create_session("n"))
    )
    with pytest.raises(sentrial.SentrialError) as caught:
        call()
    client.flush()
    for text in everything_about(caught.value):
        assert_hidden(text)
    assert_hidden(client.stats())
    assert debug.text
    assert_hidden(debug.text)


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES)
def test_not_in_the_log_and_stats_of_a_silent_client(
    collector: Collector, debug: pytest.LogCaptureFixture, answer: Answer
) -> None:
    collector.always(".*", ".*", answer)
    client = client_for(collector, api_key=KEY, timeout=0.3, wait_timeout=0.2)
    receipt = client.track_decision("s", "r")
    with client.begin("u", "agent"):
        pass
    eventually(lambda: client.stats()["last_error"])
    client.flush(0.2)
    for text in (client.stats(), sentrial.stats(), repr(receipt), dict(receipt), debug.text):
        assert_hidden(text)
    client.api_key = KEY


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES)
def test_not_at_the_flush_of_a_batch(
    collector: Collector, debug: pytest.LogCaptureFixture, answer: Answer
) -> None:
    collector.always(".*", ".*", answer)
    client = client_for(
        collector,
        api_key=KEY,
        fail_silently=False,
        batching=True,
        timeout=0.3,
        shutdown_timeout=0.5,
    )
    client.track_decision("s", "r")
    try:
        client.close()
    except sentrial.SentrialError as error:
        for text in everything_about(error):
            assert_hidden(text)
    assert_hidden(debug.text)
    client.api_key = KEY


def test_a_replaced_key_that_a_late_answer_repeats_is_hidden_too(
    collector: Collector, debug: pytest.LogCaptureFixture
) -> None:
    collector.always("POST", EVENTS, Answer(422, json=ECHO))
    client = client_for(collector, api_key=KEY)
    with collector.gate():
        client.track_decision("s", "r")
        collector.wait_for(1)
        client.api_key = "sentrial_live_0000000000000000000000"
    client.flush()
    assert collector.requests()[0].token == KEY
    assert debug.text
    assert_hidden(client.stats())
    assert_hidden(debug.text)


def test_not_in_what_a_client_shows_of_itself(collector: Collector) -> None:
    client = client_for(collector, api_key=KEY)
    interaction = client.begin("u", "agent")
    shown = [repr(client), str(client), f"{client}", f"{client!r}", repr(interaction)]
    shown += [str(vars(client)), str(client.stats()), pickle.dumps(client).decode("latin-1")]
    shown += [repr(client.__reduce__()), repr(sentrial.stats())]
    for text in shown:
        assert_hidden(text)
    assert MASKED in repr(client)
    interaction.finish()


@pytest.mark.parametrize("key", ["short", "sentrial_live_abc", "sk-proj-abcdefghijklmnop"])
def test_a_key_too_short_or_of_another_shape_shows_nothing_at_all(
    collector: Collector, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    with caplog.at_level(logging.DEBUG, "sentrial"):
        client = client_for(collector, api_key=key)
    assert key not in repr(client) + caplog.text
    assert "'…'" in repr(client)


@pytest.mark.parametrize(
    "arguments",
    [
        {"api_key": f"{KEY} {SECRET}"},
        {"api_key": f"{KEY}\n{SECRET}"},
        {"api_key": f"{KEY}é"},
        {"api_url": KEY, "api_key": "other"},
        {"api_url": f"https://{KEY}@api.sentrial.com"},
        {"api_url": f"https://api.sentrial.com/?key={KEY}"},
        {"api_url": f"ftp://{KEY}"},
        {"proxy": f"ftp://{KEY}@proxy"},
        {"ca_file": 7, "api_key": KEY},
        {"timeout": -1, "api_key": KEY},
        {"spool": KEY, "api_key": KEY},
    ],
)
def test_not_in_configuration_errors(arguments: dict[str, Any]) -> None:
    with pytest.raises(sentrial.ConfigurationError) as caught:
        sentrial.SentrialClient(**arguments)
    for text in everything_about(caught.value):
        if not str(text).startswith("Traceback"):
            assert_hidden(text)
    assert_hidden(str(caught.value))


def test_not_on_the_terminal_with_debugging_on(collector: Collector, run_python: RunPython) -> None:
    code = """
        import sentrial
        client = sentrial.SentrialClient(shutdown_timeout=0.3)
        print(client)
        session = client.create_session("n")
        client.track_tool_call("s", "t", {"q": "words of the user"}, {})
        client.close()
        client.api_key = client.api_key[::-1].replace("_", "-")
        client.track_decision("s", "r")
    """
    collector.script("POST", EVENTS, Answer(401, json=ECHO))
    env = {"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY, "SENTRIAL_DEBUG": "1"}
    done = run_python(code, env=env)
    assert done.exit == 0
    assert "POST /api/sdk/sessions" in done.stderr, "debugging shows each request"
    assert "words of the user" not in done.stderr
    assert_hidden(done.stdout)
    assert_hidden(done.stderr)
    assert SECRET[::-1][:8] not in done.stderr


def test_not_in_the_body_or_the_path_of_a_request(collector: Collector) -> None:
    client = client_for(collector, api_key=KEY)
    with client.begin("u", "agent", input="q") as interaction:
        interaction.track_tool_call("t", {}, {})
    client.flush()
    for request in collector.requests():
        assert KEY.encode() not in request.body
        assert KEY not in request.target
        others = {name: value for name, value in request.headers.items() if name != "authorization"}
        assert_hidden(others)
