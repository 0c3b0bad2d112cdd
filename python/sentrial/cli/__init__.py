"""The ``sentrial`` command."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

__all__ = ["load_agent_module", "main", "run_experiment"]

_INTERRUPTED = 130
_BROKEN_PIPE = 141

_FIRST_STEPS = """\
first steps:
  sentrial init                     the lines to add to your program
  sentrial dev -- python agent.py   run it against a local server, without an account
  sentrial doctor                   why nothing arrives, and what to do about it

`sentrial COMMAND --help` explains each command. The key comes from SENTRIAL_API_KEY, or for this
command line from `sentrial login`.
"""


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: reading metadata takes a while."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"sentrial {version('sentrial')}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    from sentrial.cli import dev, doctor, experiment, init, keys, login, redact, sessions

    parser = argparse.ArgumentParser(
        prog="sentrial",
        description="Telemetry for AI agents: what they do, what it costs, where they fail.",
        epilog=_FIRST_STEPS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in (init, login, doctor, dev, sessions, keys, experiment, redact):
        module.register(commands)
    return parser


def load_agent_module(agent_path: str) -> ModuleType:
    """Load a Python file as a module; modules beside it can be imported.

    Args:
        agent_path: The file.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: It is no Python file.
    """
    from sentrial.cli import agents

    return agents.load(agent_path)


def run_experiment(
    experiment_id: str,
    agent_path: str | None = None,
    parallel: bool = False,
    max_workers: int = 4,
) -> int:
    """Run the agent in a file in an experiment, as ``sentrial experiment run`` does.

    Args:
        experiment_id: The id of the experiment.
        agent_path: The Python file with the agent. Default None: the experiment is only shown.
        parallel: Whether runs go on at the same time. Default False.
        max_workers: How many of them at most. Default 4.

    Returns:
        0 if all runs succeeded, 1 otherwise.

    Raises:
        ValueError: There is no API key.
        SentrialError: The experiment cannot be fetched.
    """
    from sentrial.cli import experiment

    return experiment.run(experiment_id, agent_path, max_workers if parallel else 1)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0 is success, 1 a failure (one line on stderr says which), 2 wrong usage; ``sentrial dev --
    COMMAND`` returns the status of the command.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    own, command = _split(arguments)
    parser = _parser()
    options = parser.parse_args(own, argparse.Namespace(command=command, run=None, group=parser))
    if options.run is None:
        options.group.print_help()
        return 0
    try:
        status = int(options.run(options))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; what is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except (OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return status


def _split(arguments: list[str]) -> tuple[list[str], list[str] | None]:
    """Separate what follows ``dev … --`` : it belongs to the command that is run."""
    if arguments[:1] == ["dev"] and "--" in arguments:
        at = arguments.index("--")
        return arguments[:at], arguments[at + 1 :]
    return arguments, None
