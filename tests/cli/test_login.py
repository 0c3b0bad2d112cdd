"""``sentrial login``: a key for the command line, and for nothing else."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from tests.support.answers import Answer
from tests.support.sdk import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.helpers import Cli
    from tests.support.collector import Collector
    from tests.support.local_server import LocalServer


def stored(cli: Cli) -> Path:
    return cli.home / ".sentrial" / "config.json"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_key_is_checked_and_stored_for_its_owner_only(
    cli: Cli, local_server: LocalServer
) -> None:
    done = cli("login", "--api-url", local_server.url + "/", stdin=f" {local_server.key}\n").ok()
    assert json.loads(stored(cli).read_text()) == {
        "api_key": local_server.key,
        "api_url": local_server.url,
    }
    assert (mode(stored(cli)), mode(stored(cli).parent)) == (0o600, 0o700)
    assert local_server.key not in done.stdout
    assert [path.name for path in stored(cli).parent.iterdir()] == ["config.json"]


def test_a_looser_file_and_folder_are_closed(cli: Cli) -> None:
    stored(cli).parent.mkdir(mode=0o755)
    stored(cli).write_text("{}")
    stored(cli).chmod(0o644)
    cli("login", "--no-check", stdin=KEY).ok()
    assert (mode(stored(cli)), mode(stored(cli).parent)) == (0o600, 0o700)


def test_the_command_line_uses_it(cli: Cli, local_server: LocalServer) -> None:
    cli("login", "--api-url", local_server.url, stdin=local_server.key).ok()
    listed = cli("experiment", "info", "exp_none")
    assert "Experiment not found" in listed.stderr


def test_a_program_does_not(cli: Cli, collector: Collector) -> None:
    cli("login", "--no-check", "--api-url", collector.url, stdin=KEY).ok()
    import sys

    from tests.support.processes import clean_environment, run

    code = "from sentrial import SentrialClient; print(SentrialClient().api_key)"
    done = run([sys.executable, "-c", code], env=clean_environment(cli.home), cwd=cli.folder)
    assert done.stdout == "None\n"


TYPIST = """
import os, pty, sys

child, terminal = pty.fork()
if child == 0:
    os.execv(sys.executable, [sys.executable, "-m", "sentrial", "login", "--no-check"])
seen = b""
while b"not shown" not in seen:
    seen += os.read(terminal, 1024)
os.write(terminal, sys.argv[1].encode() + b"\\n")
try:
    while chunk := os.read(terminal, 1024):
        seen += chunk
except OSError:
    pass
os.waitpid(child, 0)
print(seen.decode())
"""


def test_a_key_that_is_typed_does_not_show(cli: Cli) -> None:
    import sys

    from tests.support.processes import clean_environment, run

    command = [sys.executable, "-c", TYPIST, KEY]
    shown = run(command, env=clean_environment(cli.home), cwd=cli.folder).ok().stdout
    assert "API key for https://api.sentrial.com" in shown
    assert KEY not in shown
    assert json.loads(stored(cli).read_text())["api_key"] == KEY


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_stored(cli: Cli, collector: Collector, status: int) -> None:
    collector.always(".*", ".*", status)
    done = cli("login", "--api-url", collector.url, stdin=KEY)
    assert done.exit == 1
    assert f"the key was not stored: the Sentrial API answered {status}" in done.stderr
    assert not stored(cli).exists()


def test_a_key_that_cannot_be_checked_is_stored_only_on_demand(cli: Cli, refusing: str) -> None:
    done = cli("login", "--api-url", refusing, stdin=KEY)
    assert done.exit == 1
    assert "--no-check stores it all the same" in done.stderr
    cli("login", "--no-check", "--api-url", refusing, stdin=KEY).ok()
    assert stored(cli).exists()


def test_a_server_without_settings_is_asked_in_another_way(cli: Cli, collector: Collector) -> None:
    """The endpoint of the settings is not documented; that of sessions is."""
    collector.always("GET", ".*", 404)
    collector.script("POST", "/api/sdk/sessions", 400, 401)
    cli("login", "--api-url", collector.url, stdin=KEY).ok()
    assert collector.bodies("POST") == [{}]
    assert cli("login", "--api-url", collector.url, stdin=KEY).exit == 1


@pytest.mark.parametrize("key", ["", "   \n", "two words", "sentrial_live_é"])
def test_what_cannot_be_a_key_is_refused(cli: Cli, key: str) -> None:
    done = cli("login", "--no-check", stdin=key)
    assert done.exit == 1
    assert done.stderr.startswith("error: ")
    assert not stored(cli).exists()


def test_options_beat_the_environment_and_that_the_file(cli: Cli, collector: Collector) -> None:
    collector.always("GET", ".*", Answer(json={"experiment": {"name": "E"}}))
    keys = [f"sentrial_live_{letter * 20}" for letter in "abc"]
    cli("login", "--no-check", "--api-url", collector.url, stdin=keys[0]).ok()
    info = ("experiment", "info", "e")
    cli(*info).ok()
    cli(*info, SENTRIAL_API_URL=collector.url, SENTRIAL_API_KEY=keys[1]).ok()
    option = ("--api-key", keys[2], "--api-url", collector.url)
    cli(*info, *option, SENTRIAL_API_KEY=keys[1], SENTRIAL_API_URL="http://127.0.0.1:9").ok()
    cli(*info, SENTRIAL_API_URL="  ", SENTRIAL_API_KEY=" ").ok()
    tokens = [request.token for request in collector.requests()]
    assert tokens == [keys[0], keys[1], keys[2], keys[0]]


def test_the_stored_key_goes_to_no_other_server(cli: Cli, collector: Collector) -> None:
    cli("login", "--no-check", "--api-url", "https://api.sentrial.com", stdin=KEY).ok()
    done = cli("experiment", "info", "e", SENTRIAL_API_URL=collector.url)
    assert done.exit == 1
    assert "is for https://api.sentrial.com, not for" in done.stderr
    assert collector.requests() == []


def test_a_connection_does_not_show_its_key(clean_env: pytest.MonkeyPatch) -> None:
    import argparse

    from sentrial.cli import connection

    clean_env.setenv("SENTRIAL_API_KEY", KEY)
    found = connection.of(argparse.Namespace(api_url=None, api_key=None))
    assert found.key == KEY
    assert KEY not in repr(found)


def test_a_damaged_file_is_one_line(cli: Cli) -> None:
    stored(cli).parent.mkdir()
    for text in ("{", "[]"):
        stored(cli).write_text(text)
        done = cli("experiment", "info", "e")
        assert done.exit == 1
        assert "run `sentrial login` again" in done.stderr


def test_logout_removes_it(cli: Cli) -> None:
    cli("login", "--no-check", stdin=KEY).ok()
    assert "Removed" in cli("logout").ok().stdout
    assert not stored(cli).exists()
    assert "Nothing is stored" in cli("logout").ok().stdout
