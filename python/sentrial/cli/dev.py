"""``sentrial dev``: the local server, alone or around a command."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

from sentrial.cli import database

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from sentrial._core import LocalServer

DEFAULT_PORT = 3001
_LAST_PORT = 65535
_STOP = (signal.SIGINT, signal.SIGTERM)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "dev",
        usage="sentrial dev [-h] [--port PORT] [--db FILE] [-- COMMAND ...]",
        help="run the local server, alone or around a command",
        description=(
            "Serve the Sentrial API on 127.0.0.1. With a COMMAND: run it against the server, with "
            "SENTRIAL_API_URL and SENTRIAL_API_KEY set, show the sessions it recorded, and return "
            "its exit status."
        ),
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=None,
        help=f"the port to listen on, 0 for any free one (default: {DEFAULT_PORT}; with a COMMAND "
        "any free one if that is taken)",
    )
    database.add_option(parser)
    parser.set_defaults(run=_run, usage_error=parser.error)


def _port(text: str) -> int:
    import argparse

    if text.isascii() and text.isdigit() and int(text) <= _LAST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"not a port from 0 to {_LAST_PORT}: {text}")


def _run(options: argparse.Namespace) -> int:
    path = database.path_of(options)
    if options.command is None:
        return _serve(path, options.port)
    if not options.command:
        options.usage_error("a command must follow --")
    from sentrial.cli.run import run_command

    server = _started_for_command(path, options.port)
    try:
        _announce(server)
        return run_command(server.url, path, options.command)
    finally:
        server.stop()


def _serve(path: Path, port: int | None) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    from sentrial._core import LocalServer

    # Blocked before the server's threads exist, so that they inherit it and the signal waits
    # for `sigwait` in this one.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    server = LocalServer(path, DEFAULT_PORT if port is None else port)
    server.start()
    try:
        _announce(server)
        _tell_how_to_use(path, server.url)
        signal.sigwait(_STOP)
    finally:
        server.stop()
    return 0


def _started_for_command(path: Path, port: int | None) -> LocalServer:
    """Start on ``port``; on any free one if none was asked for and the default is taken."""
    from sentrial._core import LocalServer

    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        server = LocalServer(path, DEFAULT_PORT if port is None else port)
        try:
            server.start()
        except OSError:
            if port is not None:
                raise
            server = LocalServer(path, 0)
            server.start()
        return server
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _announce(server: LocalServer) -> None:
    print(f"Sentrial local server: {server.url}", flush=True)


def _tell_how_to_use(path: Path, url: str) -> None:
    from sentrial._core import keys_list

    print(f"Database: {path}")
    if not any(key["revoked_at"] is None for key in keys_list(path)):
        command = f"sentrial keys create --name NAME{database.option_for(path)}"
        print(f"No API key yet. In another terminal: {command}")
    print(f"Then set SENTRIAL_API_URL={url} and SENTRIAL_API_KEY to the key.")
    sys.stdout.write("Ctrl-C stops the server.\n")
    sys.stdout.flush()
