"""``sentrial login`` and ``sentrial logout``: the key that the command line uses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sentrial._terminal import Terminal, plain
from sentrial.cli import config, connection

if TYPE_CHECKING:
    import argparse

    from sentrial._core import SentrialClient


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    login = commands.add_parser(
        "login",
        help="store an API key for this command line",
        description="Check an API key and store it in ~/.sentrial/config.json, for your eyes only. "
        "Only this command line reads it; programs take SENTRIAL_API_KEY. The key is asked for on "
        "a terminal, and read from standard input otherwise.",
    )
    connection.add_options(login)
    login.add_argument(
        "--no-check", action="store_true", help="store the key without asking the server"
    )
    login.set_defaults(run=_login)
    logout = commands.add_parser("logout", help="forget the key stored by login")
    logout.set_defaults(run=_logout)


def _login(options: argparse.Namespace) -> int:
    from sentrial._core import SentrialClient

    url = connection.of(options).url
    key = (options.api_key or _asked(url)).strip()
    if not key:
        raise ValueError("no API key was given; make one under Settings → API Keys")
    # Refuses what cannot be a key or an address.
    client = SentrialClient(url, key, fail_silently=False, max_retries=0, timeout=10)
    if not options.no_check:
        _check(client)
    stored = config.write({"api_key": key, "api_url": client.api_url})
    notes = Terminal()
    notes.line(f"Stored the key {client._masked_key} for {plain(client.api_url)} in {stored}.")
    return 0


def _asked(url: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    import getpass

    return getpass.getpass(f"API key for {url} (not shown): ")


def _check(client: SentrialClient) -> None:
    from sentrial.cli.acceptance import acceptance

    found = acceptance(client)
    if found.accepted is False:
        raise ValueError(f"the key was not stored: {found.detail}")
    if found.accepted is None:
        raise ValueError(
            f"the key was not stored, because it could not be checked: {found.detail}; "
            "--no-check stores it all the same"
        )


def _logout(_: argparse.Namespace) -> int:
    file = config.path()
    Terminal().line(f"Removed {file}." if config.remove() else f"Nothing is stored in {file}.")
    return 0
