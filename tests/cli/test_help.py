"""What a newcomer sees: help, usage, the first lines."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.helpers import Cli

COMMANDS = ("init", "login", "logout", "doctor", "dev", "sessions", "keys", "experiment", "redact")


def test_help_names_every_command_and_the_first_steps(cli: Cli) -> None:
    shown = cli("--help").ok().stdout
    assert shown.startswith("usage: sentrial")
    for command in COMMANDS:
        assert f"\n    {command}" in shown, command
    assert "sentrial init" in shown
    assert "SENTRIAL_API_KEY" in shown
    assert cli().ok().stdout == shown


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(cli: Cli, command: str) -> None:
    shown = cli(command, "--help").ok().stdout
    assert shown.startswith(f"usage: sentrial {command}")
    assert max(map(len, shown.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("experiment", "--help"), ("run", "info", "create", "results")),
        (("experiment", "run", "-h"), ("--agent", "-a", "--parallel", "--max-workers", "--json")),
        (("experiment", "info", "-h"), ("experiment_id", "--json")),
    ],
)
def test_help_names_what_is_documented(
    cli: Cli, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    shown = cli(*arguments).ok().stdout
    for word in words:
        assert word in shown, word


@pytest.mark.parametrize(
    "arguments",
    [
        ("bogus",),
        ("experiment", "run"),
        ("experiment", "run", "x", "--max-workers", "abc"),
        ("experiment", "run", "x", "--max-workers", "0"),
        ("experiment", "info", "x", "--par"),
    ],
)
def test_wrong_usage_is_status_2(cli: Cli, arguments: tuple[str, ...]) -> None:
    done = cli(*arguments)
    assert (done.exit, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: sentrial")


def test_init_shows_the_lines_for_what_is_installed(cli: Cli) -> None:
    bare = cli("init").ok().stdout
    assert "export SENTRIAL_API_KEY=sentrial_live_..." in bare
    assert "with sentrial.begin(" in bare
    assert "sentrial doctor" in bare
    packages = cli.folder / "packages"
    for name in ("openai", "crewai"):
        (packages / name).mkdir(parents=True)
        (packages / name / "__init__.py").write_text("raise RuntimeError('was imported')\n")
    # A package whose parent fails on import must not break the command.
    (packages / "google").mkdir()
    (packages / "google" / "__init__.py").write_text("raise RuntimeError('broken')\n")
    shown = cli("init", PYTHONPATH=str(packages), SENTRIAL_API_KEY="sentrial_live_x").ok().stdout
    assert "SENTRIAL_API_KEY is set already." in shown
    assert "sentrial.wrap_openai(" in shown
    assert "sentrial.track_crew(" in shown
    assert "sentrial_live_x" not in shown
    told = json.loads(cli("init", "--json", PYTHONPATH=str(packages)).ok().stdout)
    assert {"OpenAI", "CrewAI"} <= {framework["name"] for framework in told["frameworks"]}


def test_init_teaches_lines_that_are_python(cli: Cli) -> None:
    import ast

    from sentrial.cli import init

    for lines in (init._BASE, *(framework.lines for framework in init._FRAMEWORKS)):
        code = "\n".join(lines)
        ast.parse(code.replace("await ", ""))


def test_the_command_and_the_module_are_the_same(cli: Cli) -> None:
    from pathlib import Path

    from tests.support.processes import clean_environment, run

    script = Path(sys.executable).parent / "sentrial"
    done = run([str(script), "--help"], env=clean_environment(cli.home), cwd=cli.folder).ok()
    assert done.stdout == cli("--help").ok().stdout
