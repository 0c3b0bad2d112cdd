"""``sentrial keys``: make, list and revoke API keys of the local server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sentrial._terminal import Terminal, plain
from sentrial.cli import database
from sentrial.cli.table import show_table

if TYPE_CHECKING:
    import argparse


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its sub-commands."""
    parser = commands.add_parser(
        "keys", help="make, list and revoke API keys", description="API keys of the local server."
    )
    parser.set_defaults(group=parser)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND")

    create = actions.add_parser(
        "create",
        help="make a key and show it once",
        description="Make an API key. The key alone goes to stdout, and is shown only this once.",
    )
    create.add_argument("--name", required=True, help="what the key is for")
    create.add_argument(
        "--env", choices=("live", "test"), default="live", help="its environment (default: live)"
    )
    create.set_defaults(run=_create)

    listing = actions.add_parser("list", help="list the keys, masked")
    listing.add_argument("--all", action="store_true", help="revoked ones as well")
    listing.set_defaults(run=_list)

    revoke = actions.add_parser("revoke", help="refuse a key from the next request on")
    revoke.add_argument("key", metavar="NAME-or-ID", help="as shown by `sentrial keys list`")
    revoke.set_defaults(run=_revoke)

    for action in (create, listing, revoke):
        database.add_option(action)


def _create(options: argparse.Namespace) -> int:
    from sentrial._core import keys_create

    made = keys_create(database.path_of(options), options.name, options.env)
    notes = Terminal(sys.stderr)
    notes.line(f"API key {plain(made['name'])} ({made['environment']}), shown only this once:")
    notes.flush()
    print(made["key"], flush=True)
    notes.line("Keep it in the environment, as SENTRIAL_API_KEY; not in code or version control.")
    return 0


def _list(options: argparse.Namespace) -> int:
    from sentrial._core import keys_list
    from sentrial.cli.figures import moment

    path = database.path_of(options)
    keys = [key for key in keys_list(path) if options.all or key["revoked_at"] is None]
    if not keys:
        hint = f"sentrial keys create --name NAME{database.option_for(path)}"
        print(f"No API keys. Make one: {hint}", file=sys.stderr)
        return 0
    columns = ["NAME", "KEY", "CREATED", "LAST USED", "ID"]
    rows = [
        [
            plain(key["name"]),
            key["masked"],
            moment(key["created_at"]),
            moment(key["last_used_at"]) or "never",
            key["id"],
        ]
        for key in keys
    ]
    if options.all:
        columns.append("REVOKED")
        for row, key in zip(rows, keys, strict=True):
            row.append(moment(key["revoked_at"]))
    show_table(Terminal(), columns, rows)
    return 0


def _revoke(options: argparse.Namespace) -> int:
    from sentrial._core import keys_revoke

    revoked = keys_revoke(database.path_of(options), options.key)
    Terminal().line(f"Revoked {plain(revoked['name'])} ({revoked['masked']}).")
    return 0
