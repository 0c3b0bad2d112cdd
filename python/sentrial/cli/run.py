"""A command run against the local server: its environment, its signals, its sessions."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from sentrial._terminal import Terminal
from sentrial.cli import database
from sentrial.cli.tree import show_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_SIGNALLED = 128
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Whoever signals a whole process group has reached the command already: what ends on its own
# within this time is not signalled a second time.
_GRACE_SECONDS = 0.25
_TREES = 50
_SESSIONS = 10_000


def run_command(url: str, path: Path, command: list[str]) -> int:
    """Run ``command`` with a key of its own, show what it recorded, return its exit status."""
    from sentrial._core import keys_create, keys_revoke

    key = keys_create(path, f"sentrial dev {os.getpid()}")
    try:
        environment = {**os.environ, "SENTRIAL_API_URL": url, "SENTRIAL_API_KEY": key["key"]}
        status = _run(command, environment)
        _show_sessions(path, key["id"])
        return status
    finally:
        keys_revoke(path, key["id"])


def _run(command: list[str], environment: dict[str, str]) -> int:
    with _signals_forwarded() as forward_to:
        try:
            process = subprocess.Popen(command, env=environment)  # noqa: S603  the user's own
        except OSError as error:
            reason = error.strerror or str(error)
            print(f"error: cannot run {command[0]}: {reason}", file=sys.stderr)
            return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
        forward_to(process)
        status = process.wait()
    return status if status >= 0 else _SIGNALLED - status


@contextlib.contextmanager
def _signals_forwarded() -> Iterator[Any]:
    """Pass signals on to the process given to the yielded function, instead of dying of them."""
    processes: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def received(number: int, _: object) -> None:
        if not processes:
            early.append(number)
        elif not (number == signal.SIGINT and _is_foreground()):
            timer = threading.Timer(_GRACE_SECONDS, _send, (processes[0], number))
            timer.daemon = True
            timer.start()

    def forward_to(process: subprocess.Popen[bytes]) -> None:
        processes.append(process)
        for number in early:
            _send(process, number)

    before = {number: signal.signal(number, received) for number in _FORWARDED}
    try:
        yield forward_to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _send(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def _is_foreground() -> bool:
    """Return whether the terminal's Ctrl-C reaches the command directly, as it reaches us."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _show_sessions(path: Path, key_id: str) -> None:
    """Write the trees of the sessions made with a key, in the order in which they started."""
    from sentrial._core import sessions_get, sessions_list

    sessions = json.loads(sessions_list(path, key_id=key_id, limit=_SESSIONS))[::-1]
    known = {session["id"] for session in sessions}
    roots = [session for session in sessions if session["parentSessionId"] not in known]
    terminal = Terminal()
    terminal.line()
    if not roots:
        terminal.line("No sessions were recorded.")
    for session in roots[:_TREES]:
        show_tree(terminal, json.loads(sessions_get(path, session["id"])))
        terminal.line()
    if len(roots) > _TREES:
        rest = f"sentrial sessions list{database.option_for(path)}"
        terminal.line(f"… and {len(roots) - _TREES} more: {rest}")
    terminal.flush()
