"""``sentrial dev``: alone, and around a command."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest
from local_server import WAIT, Api, Cli, Dev, environment, eventually, make_key, read_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AGENT = """
import json, os, sys, urllib.request

def call(method, path, body):
    headers = {
        "Content-Type": "application/json",
        "Authorization": "Bearer " + os.environ["SENTRIAL_API_KEY"],
    }
    url = os.environ["SENTRIAL_API_URL"] + path
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as response:
        return json.load(response)

def session(name, **more):
    body = {"name": name, "agentName": "support-agent", "userId": "user_1", **more}
    return call("POST", "/api/sdk/sessions", body)["id"]

def event(session, kind, **more):
    call("POST", "/api/sdk/events", {"sessionId": session, "eventType": kind, **more})

outer = session("Support request")
event(outer, "tool_call", toolName="search_kb", metadata={"duration_ms": 42}, estimatedCost=0.002)
inner = session("Refund", parentSessionId=outer)
event(inner, "error", toolError={"type": "TimeoutError", "message": "no \\x1b[31m answer"})
call("PATCH", f"/api/sdk/sessions/{inner}", {"status": "failed", "success": False})
event(outer, "llm_decision", reasoning="escalate", confidence=0.9, tokenCount=1200)
call("PATCH", f"/api/sdk/sessions/{outer}", {"status": "completed", "durationMs": 1500})
print(os.environ["SENTRIAL_API_KEY"])
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    script = tmp_path / "agent.py"
    script.write_text(AGENT)
    return script


def test_alone_it_tells_how_to_make_a_key_and_ends_well(
    cli: Cli, start_dev: Callable[..., Dev]
) -> None:
    server = start_dev("--port", "0")
    assert re.fullmatch(r"Sentrial local server: http://127\.0\.0\.1:\d+\n", server.first_line)
    assert Api(server.url, None, cli.home)("GET", "/api/health")[0] == 200
    assert server.finish(signal.SIGINT) == 0
    assert "sentrial keys create --name" in server.output
    assert server.errors == ""
    database = cli.home / "state" / "sentrial" / "local.db"
    assert database.stat().st_mode & 0o777 == 0o600
    assert database.parent.stat().st_mode & 0o777 == 0o700


def test_once_there_is_a_key_the_hint_is_gone(
    cli: Cli, db: Path, start_dev: Callable[..., Dev]
) -> None:
    make_key(cli, db)
    server = start_dev("--port", "0", "--db", db)
    assert server.finish(signal.SIGTERM) == 0
    assert "keys create" not in server.output


def test_a_taken_port_is_one_clear_line(cli: Cli, db: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for command in ([], ["--", sys.executable, "-c", "pass"]):
            done = cli("dev", "--port", port, "--db", db, *command)
            assert done.returncode == 1
            assert done.stderr.startswith(f"error: port {port} is already in use")
            assert done.stderr.count("\n") == 1


def test_a_command_sees_the_server_and_its_tree_is_shown(cli: Cli, db: Path, agent: Path) -> None:
    done = cli("dev", "--port", "0", "--db", db, "--", sys.executable, agent, "7")
    assert done.returncode == 7, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Sentrial local server: http://127.0.0.1:")
    key = lines[1]
    tree = lines[3:]
    assert "Support request" in tree[0]
    assert "completed" in tree[0]
    assert "1.5 s" in tree[0]
    for line, parts in zip(
        tree[1:5],
        (
            ("├─ ", "search_kb", "42 ms", "$0.0020"),
            ("├─ ", "Refund", "failed"),
            ("│  └─ ", "error", "TimeoutError: no \\x1b[31m answer"),
            ("└─ ", "llm_decision", "1,200 tokens", "escalate (90%)"),
        ),
        strict=True,
    ):
        assert all(part in line for part in parts), line
    assert "\x1b" not in done.stdout
    listed = cli.ok("keys", "list", "--all", "--db", db)
    assert f"sentrial_live_…{key[-4:]}" in listed
    assert f"…{key[-4:]}" not in cli.ok("keys", "list", "--db", db)


def test_without_a_port_a_command_gets_a_free_one(cli: Cli, db: Path) -> None:
    show = "import os; print(os.environ['SENTRIAL_API_URL'])"
    with socket.socket() as taken:
        # If the default port is taken already, by whomever, that is as good.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 3001))
            taken.listen()
        except OSError:
            pass
        done = cli("dev", "--db", db, "--", sys.executable, "-c", show)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()[:2]
    assert first == f"Sentrial local server: {second}"
    assert not second.endswith(":3001")
    assert "No sessions were recorded." in done.stdout


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("raise SystemExit(5)", 5),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 128 + signal.SIGTERM),
        ("import os; os._exit(0)", 0),
    ],
)
def test_the_exit_status_is_passed_on(cli: Cli, db: Path, code: str, status: int) -> None:
    assert cli("dev", "--port", "0", "--db", db, "--", sys.executable, "-c", code).returncode == (
        status
    )


def test_a_command_that_cannot_run(cli: Cli, db: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_text("")
    for command, status in (("no-such-command-anywhere", 127), (plain, 126)):
        done = cli("dev", "--port", "0", "--db", db, "--", command)
        assert done.returncode == status
        assert done.stderr.startswith(f"error: cannot run {command}: ")
    assert cli("dev", "--db", db, "--").returncode == 2
    assert "sentrial dev" not in cli.ok("keys", "list", "--db", db)


COUNTING = """
import signal, sys, time
seen = []
signal.signal({name}, lambda *_: seen.append(1))
print("ready", flush=True)
deadline = time.monotonic() + 20
while not seen and time.monotonic() < deadline:
    time.sleep(0.01)
time.sleep(0.6)
print("received", len(seen), flush=True)
sys.exit(40 + len(seen))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_is_forwarded_once(db: Path, start_dev: Callable[..., Dev], name: str) -> None:
    code = COUNTING.format(name=f"signal.{name}")
    server = start_dev("--port", "0", "--db", db, "--", sys.executable, "-c", code)
    assert read_line(server.process) == "ready\n"
    assert server.finish(signal.Signals[name]) == 41
    assert server.errors == ""


def test_an_interrupted_command_is_130_without_a_traceback_of_ours(
    db: Path, start_dev: Callable[..., Dev]
) -> None:
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print(flush=True); "
    code += "signal.pause()"
    server = start_dev("--port", "0", "--db", db, "--", sys.executable, "-c", code)
    read_line(server.process)
    assert server.finish(signal.SIGINT) == 130
    assert server.errors == ""
    assert "No sessions were recorded." in server.output


def test_ctrl_c_on_a_terminal_reaches_the_command_once(cli: Cli, db: Path) -> None:
    code = COUNTING.format(name="signal.SIGINT")
    command = [sys.executable, "-m", "sentrial", "dev", "--port", "0", "--db", str(db), "--"]
    command += [sys.executable, "-c", code]
    child, terminal = pty.fork()
    if child == 0:
        os.execve(command[0], command, environment(cli.home))  # noqa: S606  no shell between
    shown = b""

    def read_until(text: bytes) -> bool:
        nonlocal shown
        # It may have come with the text before it, and behind it the terminal closes.
        if text not in shown:
            shown += os.read(terminal, 4096)
        return text in shown

    try:
        eventually(lambda: read_until(b"ready"))
        os.write(terminal, b"\x03")
        eventually(lambda: read_until(b"received"))
        eventually(lambda: read_until(b"No sessions"))
        _, status = os.waitpid(child, 0)
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 41
    assert WAIT
