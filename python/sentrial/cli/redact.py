"""``sentrial redact``: what would leave the process, and which rule hit where."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentrial._terminal import Terminal, plain

if TYPE_CHECKING:
    import argparse

_MAX_BYTES = 64 * 1024 * 1024
_OPTIONS = ("redact_secrets", "deny_fields", "keep_media")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "redact",
        help="show what would leave the process for a payload",
        description=(
            "Read a payload as JSON from stdin, write it to stdout as it would leave the process, "
            "and tell on stderr which rule hit where. Nothing is sent."
        ),
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help=(
            "a JSON file with the arguments of the client that are about redaction: pii (an "
            "object in snake or camel case), redact_secrets, deny_fields, keep_media; or the "
            "value of pii alone (default: everything personal is searched for)"
        ),
    )
    parser.add_argument(
        "--kind",
        choices=("event", "session", "value"),
        default="event",
        help="what the payload is: an object of fields, or any value (default: event)",
    )
    parser.set_defaults(run=_run, group=parser)


def _run(options: argparse.Namespace) -> int:
    from sentrial._core import Redactor, to_json

    pii, others = _config(options.config)
    redactor = Redactor(pii, **others)
    # Written as a client writes it: NaN, duplicate names and what is nested too deep become JSON.
    data = to_json(json.load(sys.stdin), _MAX_BYTES)
    redacted, found = redactor.json(data, options.kind)
    json.dump(json.loads(redacted), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    notes = Terminal(sys.stderr)
    for rule, path in found:
        notes.line(f"{plain(rule)}  {plain(path) or '(the value itself)'}")
    notes.line(f"{len(found)} replaced" if found else "nothing to redact")
    notes.flush()
    return 0


def _config(path: Path | None) -> tuple[Any, dict[str, Any]]:
    from sentrial.redact import PiiConfig, _from_mapping

    if path is None:
        return PiiConfig(enabled=True), {}
    given = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(given, dict):
        message = f"{path}: is no JSON object"
        raise ValueError(message)  # noqa: TRY004  shown as one line, as all wrong input
    if not {"pii", *_OPTIONS} & given.keys():
        given = {"pii": given}
    unknown = given.keys() - {"pii", *_OPTIONS}
    if unknown:
        message = f"{path}: {min(unknown)} is no option; known are pii, {', '.join(_OPTIONS)}"
        raise ValueError(message)
    pii = given.pop("pii", None)
    if pii is True:
        pii = PiiConfig(enabled=True)
    elif isinstance(pii, dict):
        pii = _from_mapping(pii)
    return pii or None, given
