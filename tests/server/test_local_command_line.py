"""``sentrial keys``, ``sentrial sessions``, and how the command line speaks."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from local_server import WAIT, Api, Cli, environment, make_key

if TYPE_CHECKING:
    from pathlib import Path


def test_without_a_command_there_is_help(cli: Cli) -> None:
    for arguments in ((), ("keys",), ("sessions",), ("--help",)):
        assert cli.ok(*arguments).startswith("usage: sentrial")


def test_wrong_usage_is_2_on_stderr(cli: Cli) -> None:
    for arguments in (
        ("unknown",),
        ("keys", "create"),
        ("keys", "create", "--name", "n", "--env", "other"),
        ("dev", "--port", "70000"),
        ("sessions", "list", "--last", "soon"),
        ("sessions", "list", "--status", "done"),
        ("sessions", "show"),
    ):
        done = cli(*arguments)
        assert done.returncode == 2, arguments
        assert done.stdout == ""
        assert done.stderr.startswith("usage: sentrial")


def test_failures_are_one_line(cli: Cli, db: Path, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be taken for something else" * 5)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    for arguments in (
        ("keys", "revoke", "nobody", "--db", db),
        ("keys", "create", "--name", "", "--db", db),
        ("keys", "create", "--name", "sentrial_live_abc", "--db", db),
        ("sessions", "show", "sess_unknown", "--db", db),
        ("sessions", "list", "--db", text),
        ("sessions", "list", "--db", foreign),
        ("sessions", "list", "--db", tmp_path),
        ("dev", "--port", "0", "--db", text),
    ):
        done = cli(*arguments)
        assert done.returncode == 1, arguments
        assert done.stdout == ""
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1, done.stderr


def test_the_version_is_that_of_the_package(cli: Cli) -> None:
    from importlib.metadata import version

    assert cli.ok("--version") == f"sentrial {version('sentrial')}\n"


def test_keys_are_listed_masked_with_their_use(api: Api, cli: Cli) -> None:
    unused = make_key(cli, api.db, "unused", "--env", "test")
    api.session()
    head, used_line, unused_line = cli.ok("keys", "list", "--db", api.db).splitlines()
    for column in ("NAME", "KEY", "CREATED", "LAST USED"):
        assert column in head
    assert f"sentrial_test_…{unused[-4:]}" in unused_line
    assert "never" in unused_line
    assert "never" not in used_line


def test_a_name_shared_by_two_keys_needs_the_id(cli: Cli, db: Path) -> None:
    make_key(cli, db, "ci")
    make_key(cli, db, "ci")
    refused = cli("keys", "revoke", "ci", "--db", db)
    assert refused.returncode == 1
    identifier = refused.stderr.strip().rsplit(" ", 1)[1]
    cli.ok("keys", "revoke", identifier, "--db", db)
    cli.ok("keys", "revoke", "ci", "--db", db)


def test_sessions_are_filtered(api: Api, cli: Cli) -> None:
    old = {"X_Sentrial_Timestamp": "2020-01-01T00:00:00Z"}
    body = {"name": "old", "agentName": "a", "userId": "u"}
    assert api("POST", "/api/sdk/sessions", body, **old)[0] == 200
    new = api.session(agentName="b")
    api("PATCH", f"/api/sdk/sessions/{new}", {"status": "failed"})

    def names(*arguments: str) -> list[str]:
        found = cli.ok("sessions", "list", "--json", "--db", api.db, *arguments)
        return [session["name"] for session in json.loads(found)]

    assert names() == ["Test Session", "old"]
    assert names("--last", "7d") == ["Test Session"]
    assert names("--agent", "a") == ["old"]
    assert names("--user", "u") == ["old"]
    assert names("--status", "failed") == ["Test Session"]
    assert names("--limit", "1") == ["Test Session"]
    table = cli.ok("sessions", "list", "--db", api.db)
    assert new in table
    assert "2019" in table or "2020" in table


def test_a_session_is_shown_as_tree_or_json(api: Api, cli: Cli) -> None:
    session = api.session(name="Größe")
    api.event(session, toolName="first")
    inner = api.session(name="inner", parentSessionId=session)
    api.event(inner, "error", toolError={"message": "broke"})
    api.event(session, toolName="last", metadata={"cost_unknown": True}, estimatedCost=0.0)
    family = json.loads(cli.ok("sessions", "show", session, "--json", "--db", api.db))
    assert family["session"]["id"] == session
    assert [event["toolName"] for event in family["events"]] == ["first", "last"]
    assert [nested["session"]["id"] for nested in family["nested"]] == [inner]

    tree = cli.ok("sessions", "show", session[:20], "--db", api.db).splitlines()
    assert "Größe" in tree[0]
    assert [line[:5] for line in tree[1:4]] == [tree[1][:5], tree[2][:5], "│  └─"]
    assert "first" in tree[1]
    assert "inner" in tree[2]
    assert "broke" in tree[3]
    assert tree[4].startswith("└─ ")
    assert "cost unknown" in tree[4]


def test_ascii_where_the_encoding_has_no_more(api: Api, cli: Cli) -> None:
    session = api.session(name="Größe")
    api.event(session, toolName="first")
    shown = cli.ok("sessions", "show", session, "--db", api.db, PYTHONIOENCODING="ascii")
    assert shown.isascii()
    assert "Gr\\xf6\\xdfe" in shown
    assert "`- " in shown
    assert cli.ok("keys", "list", "--db", api.db, PYTHONIOENCODING="ascii").isascii()


def on_a_terminal(cli: Cli, *arguments: object, **variables: str) -> bytes:
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-m", "sentrial", *map(str, arguments)],
            env=environment(cli.home, TERM="xterm", **variables),
            cwd=cli.home,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            timeout=WAIT,
            check=True,
        )
        return os.read(ours, 65_536)
    finally:
        os.close(ours)
        os.close(theirs)


def test_colours_only_on_a_terminal_that_wants_them(api: Api, cli: Cli) -> None:
    show = ("sessions", "show", api.session(), "--db", api.db)
    assert b"\x1b[" in on_a_terminal(cli, *show)
    assert b"\x1b[" not in on_a_terminal(cli, *show, NO_COLOR="1")
    assert "\x1b[" not in cli.ok(*show)


def test_deeply_nested_sessions_are_shown(api: Api, cli: Cli) -> None:
    root = parent = api.session()
    for _ in range(60):
        parent = api.session(parentSessionId=parent)
    assert cli.ok("sessions", "show", root, "--db", api.db).count("sess_") == 61


def test_a_reader_that_stops_early_is_no_failure(api: Api, cli: Cli) -> None:
    for _ in range(3):
        api.session()
    command = f"'{sys.executable}' -m sentrial sessions list --db '{api.db}' | true"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=environment(cli.home),
        capture_output=True,
        timeout=WAIT,
        check=False,
    )
    assert done.stderr == b""


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_the_default_database_without_a_state_directory(cli: Cli, value: str) -> None:
    cli.ok("keys", "create", "--name", "n", XDG_STATE_HOME=value)
    assert (cli.home / ".local" / "state" / "sentrial" / "local.db").exists()
