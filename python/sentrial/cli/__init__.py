"""The ``sentrial`` command: the local server, its keys, and the sessions it keeps."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_INTERRUPTED = 130
_BROKEN_PIPE = 141


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: reading metadata takes a while."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"sentrial {version('sentrial')}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    from sentrial.cli import dev, keys, redact, sessions

    parser = argparse.ArgumentParser(
        prog="sentrial", description="Telemetry for AI agents: the local server and what it keeps."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in (dev, keys, redact, sessions):
        module.register(commands)
    return parser


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
