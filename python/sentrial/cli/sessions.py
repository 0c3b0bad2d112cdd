"""``sentrial sessions``: what the local server has recorded."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from sentrial._terminal import Terminal, plain, shortened
from sentrial.cli import database, figures
from sentrial.cli.table import show_table

if TYPE_CHECKING:
    from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NAME_WIDTH = 40


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its sub-commands."""
    parser = commands.add_parser(
        "sessions",
        help="list and show recorded sessions",
        description="Sessions recorded by the local server.",
    )
    parser.set_defaults(group=parser)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND")

    listing = actions.add_parser("list", help="list sessions, the latest first")
    listing.add_argument("--agent", metavar="NAME", help="of this agent")
    listing.add_argument("--user", metavar="ID", help="of this user")
    listing.add_argument(
        "--status", choices=("active", "completed", "failed"), help="in this state"
    )
    listing.add_argument(
        "--last", metavar="SPAN", type=_span, help="started within this time: 30m, 12h, 7d, 2w"
    )
    listing.add_argument(
        "--limit", metavar="N", type=_limit, default=50, help="at most N sessions (default: 50)"
    )
    listing.set_defaults(run=_list)

    show = actions.add_parser("show", help="show a session as a tree")
    show.add_argument("id", metavar="ID", help="the id of a session, or its beginning")
    show.set_defaults(run=_show)

    for action in (listing, show):
        action.add_argument("--json", action="store_true", help="as JSON")
        database.add_option(action)


def _span(text: str) -> timedelta:
    from datetime import timedelta

    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and unit in _UNITS):
        raise argparse.ArgumentTypeError(f"not a time span like 30m, 12h, 7d, 2w: {text}")
    try:
        return timedelta(**{_UNITS[unit]: int(number)})
    except OverflowError:
        raise argparse.ArgumentTypeError(f"too long: {text}") from None


def _limit(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 2**32:
        return int(text)
    raise argparse.ArgumentTypeError(f"not a positive number: {text}")


def _since(span: timedelta | None) -> str | None:
    from datetime import datetime, timezone

    if span is None:
        return None
    try:
        start = datetime.now(timezone.utc) - span
    except OverflowError:
        return None
    return start.isoformat()


def _list(options: argparse.Namespace) -> int:
    from sentrial._core import sessions_list

    found = sessions_list(
        database.path_of(options),
        agent=options.agent,
        user=options.user,
        status=options.status,
        since=_since(options.last),
        limit=options.limit,
    )
    sessions: list[dict[str, Any]] = json.loads(found)
    if options.json:
        print(json.dumps(sessions, indent=2))
    elif sessions:
        columns = ["ID", "STARTED", "STATUS", "DURATION", "COST", "EVENTS", "ERRORS", "AGENT"]
        show_table(Terminal(), [*columns, "USER", "NAME"], [_row(session) for session in sessions])
    else:
        print("No sessions found.", file=sys.stderr)
    return 0


def _row(session: dict[str, Any]) -> list[str]:
    from sentrial.cli.tree import session_cost, session_duration

    texts = (session["agentName"], session["userId"], session["name"])
    return [
        session["id"],
        figures.moment(session["createdAt"]),
        session["status"],
        session_duration(session),
        session_cost(session),
        str(session["eventCount"]),
        str(session["errorCount"]),
        *(shortened(plain(text), _NAME_WIDTH) for text in texts),
    ]


def _show(options: argparse.Namespace) -> int:
    from sentrial._core import sessions_get
    from sentrial.cli.tree import show_tree

    family: dict[str, Any] = json.loads(sessions_get(database.path_of(options), options.id))
    if options.json:
        print(json.dumps(family, indent=2))
    else:
        show_tree(Terminal(), family)
    return 0
