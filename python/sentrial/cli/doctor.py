"""``sentrial doctor``: why nothing arrives, and what to do about it."""

from __future__ import annotations

import json
import logging
import platform
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from sentrial._terminal import Terminal, plain
from sentrial.cli import config, connection
from sentrial.cli.acceptance import acceptance
from sentrial.cli.checks import Finding, failed, ok, skipped, warning
from sentrial.cli.framework_check import frameworks
from sentrial.cli.network_checks import network
from sentrial.cli.spool_check import spool

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from sentrial._core import SentrialClient
    from sentrial._terminal import Terminal as _Terminal
    from sentrial.cli.acceptance import Acceptance

_TIMEOUT = 10.0
_SKEW = 30.0
_MARKS = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "failed": ("✗", "red"),
    "skipped": ("-", "dim"),
}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="find out why nothing arrives",
        description="Check everything between this machine and the server: versions, key, address, "
        "proxy, name look-up, connection, TLS, whether the key is accepted, the clock, and the "
        "folder for what cannot be delivered. Nothing is recorded, and the key is never shown. "
        "Exit status: 0 if nothing failed, 1 otherwise.",
    )
    connection.add_options(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # What the client would log is among the findings.
    logging.getLogger("sentrial").addHandler(logging.NullHandler())
    findings = []
    terminal = Terminal()
    for finding in _findings(options):
        findings.append(finding)
        if not options.json:
            _show(terminal, finding)
    healthy = all(finding.status != "failed" for finding in findings)
    if options.json:
        shown = {"ok": healthy, "checks": [asdict(finding) for finding in findings]}
        print(json.dumps(shown, indent=2))
    else:
        terminal.line()
        terminal.line("Everything works." if healthy else "Something must be mended: see above.")
    return 0 if healthy else 1


def _show(terminal: _Terminal, finding: Finding) -> None:
    mark, style = _MARKS[finding.status]
    terminal.line(f"{terminal.paint(mark, style)} {finding.name:<10}  {plain(finding.detail)}")
    if finding.advice:
        terminal.line(f"  {'':<10}  {plain(finding.advice)}")
    terminal.flush()


def _findings(options: argparse.Namespace) -> Iterator[Finding]:
    yield _versions()
    yield frameworks()
    try:
        found = connection.of(options)
    except (OSError, ValueError) as error:
        advice = "mend or remove what `sentrial login` has stored: sentrial logout"
        yield failed("key", str(error), advice)
        yield spool()
        return
    client, finding = _configured(found)
    yield finding
    if client is None:
        yield spool()
        return
    route = client._route()
    yield _key(found, client, usual=route["usual_key"])
    if route["disabled"]:
        advice = "unset SENTRIAL_DISABLED where something is to be recorded"
        yield failed("switch", "SENTRIAL_DISABLED is set: nothing is sent", advice)
        yield spool()
        return
    yield from network(client.api_url, route)
    if client.api_key is None and not _is_keyless(client):
        yield skipped("acceptance", "there is no key")
        yield skipped("clock", "the server was not asked")
    else:
        answer = acceptance(client)
        yield _accepted(answer)
        yield _clock(answer)
    yield spool()


def _versions() -> Finding:
    from sentrial._core import __version__

    python = f"Python {platform.python_version()} on {platform.platform(terse=True)}"
    return ok("versions", f"sentrial {__version__}, {python}, {platform.machine()}")


def _configured(found: connection.Connection) -> tuple[SentrialClient | None, Finding]:
    from sentrial._core import SentrialClient
    from sentrial.exceptions import ConfigurationError

    try:
        client = SentrialClient(found.url, found.key, max_retries=0, timeout=_TIMEOUT)
    except ConfigurationError as error:
        return None, failed("address", str(error), "correct it and run this again")
    detail = f"{client.api_url} (from: {found.url_source})"
    if client.api_url.startswith("http:") and not _is_keyless(client):
        advice = "the key and all data go unencrypted; use https"
        return client, warning("address", detail, advice)
    return client, ok("address", detail)


def _is_keyless(client: SentrialClient) -> bool:
    """Tell whether the server is on this machine: such a one may do without a key."""
    from urllib.parse import urlsplit

    host = urlsplit(client.api_url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.") or host.endswith(".localhost")


def _key(found: connection.Connection, client: SentrialClient, *, usual: bool) -> Finding:
    if client.api_key is None:
        advice = "set SENTRIAL_API_KEY; keys are made under Settings → API Keys"
        if _is_keyless(client):
            advice = "for the local server: sentrial keys create --name NAME"
        if found.unused is not None:
            return failed("key", found.unused, advice)
        return failed("key", "there is none", advice)
    detail = f"{client._masked_key} (from: {found.key_source})"
    if not usual:
        advice = "check that all of it was copied"
        return warning("key", f"{detail} does not look like sentrial_live_...", advice)
    if found.key_source == "sentrial login":
        advice = "programs do not read it: set SENTRIAL_API_KEY for them"
        if not config.is_private():
            advice += f"; and others can read {config.path()}: run `sentrial login` again"
        return warning("key", detail, advice)
    return ok("key", detail)


def _accepted(answer: Acceptance) -> Finding:
    took = f"({answer.seconds * 1000:.0f} ms)"
    if answer.accepted:
        return ok("acceptance", f"{answer.detail} {took}")
    if answer.accepted is False:
        advice = "make a new key under Settings → API Keys; this one may have been revoked"
        return failed("acceptance", f"{answer.detail} {took}", advice)
    advice = "if the checks above are fine, the server has a problem: try again later"
    return failed("acceptance", f"{answer.detail} {took}", advice)


def _clock(answer: Acceptance) -> Finding:
    if answer.server_time is None:
        return skipped("clock", "the server did not say what time it is")
    # The header is cut to whole seconds.
    skew = time.time() - answer.server_time - 0.5
    if abs(skew) <= _SKEW:
        return ok("clock", f"{abs(skew):.0f} s from the server's")
    advice = "set the clock of this machine, for example by NTP: recorded times would be wrong"
    direction = "ahead of" if skew > 0 else "behind"
    return warning("clock", f"{abs(skew):.0f} s {direction} the server's", advice)
