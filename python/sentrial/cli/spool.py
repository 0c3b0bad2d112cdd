"""``sentrial spool``: what processes have left on disk, and how to send or remove it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sentrial._terminal import Terminal, plain
from sentrial.cli.table import show_table

if TYPE_CHECKING:
    import argparse

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its sub-commands."""
    parser = commands.add_parser(
        "spool",
        help="show, send or remove what could not be delivered",
        description="Requests that processes could not deliver before they ended.",
    )
    parser.set_defaults(group=parser)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND")

    status = actions.add_parser("status", help="what is there, by API and key")
    status.set_defaults(run=_status)

    flush = actions.add_parser(
        "flush",
        help="send it now",
        description=(
            "Send what ended processes have left for SENTRIAL_API_URL and SENTRIAL_API_KEY."
            " The next process that uses the SDK with them would do the same."
        ),
    )
    flush.add_argument(
        "--from",
        dest="key",
        metavar="…abcd",
        help="also what was recorded with another key, named by its end as in `status`",
    )
    flush.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="(default: 60)"
    )
    flush.set_defaults(run=_flush)

    purge = actions.add_parser("purge", help="remove it for good")
    purge.add_argument(
        "--from", dest="key", metavar="…abcd", help="only what was recorded with this key"
    )
    purge.set_defaults(run=_purge)

    for action in (status, flush, purge):
        action.add_argument(
            "--dir",
            metavar="FOLDER",
            default=None,
            help="the folder (default: SENTRIAL_SPOOL_DIR, else where the SDK puts it)",
        )


def _status(options: argparse.Namespace) -> int:
    from sentrial._core import spool_status

    files = spool_status(options.dir)
    rows = [
        [
            plain(group["url"]),
            plain(group["key"]),
            str(group["requests"]),
            str(group["bytes"]),
            _age(group["age"]),
            file["state"],
        ]
        for file in files
        for group in file["groups"]
    ]
    if rows:
        columns = ["API", "KEY", "REQUESTS", "BYTES", "OLDEST", "FILE"]
        show_table(Terminal(), columns, rows)
    else:
        print("Nothing waits.")
    for file in files:
        if file["error"] is not None:
            print(plain(file["error"]), file=sys.stderr)
        elif file["state"] == "set aside":
            print(f"{plain(file['path'])}: was damaged and is set aside", file=sys.stderr)
    return 0


def _flush(options: argparse.Namespace) -> int:
    from sentrial._core import SentrialClient, spool_flush

    client = SentrialClient(spool="spill", spool_dir=options.dir, batching=None)
    done = spool_flush(client, options.key, options.timeout)
    stats = client.stats()
    print(f"{stats['replayed']} requests sent.")
    if done:
        return 0
    why = stats["last_error"] or "time is over, or there is no key"
    print(f"error: not everything could be sent: {why}", file=sys.stderr)
    return 1


def _purge(options: argparse.Namespace) -> int:
    from sentrial._core import spool_purge

    print(f"{spool_purge(options.dir, options.key)} requests removed.")
    return 0


def _age(seconds: float) -> str:
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
