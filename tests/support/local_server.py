"""The local server of the package, as a user starts it."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.processes import Finished, clean_environment, run
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FIRST_LINE = re.compile(r"Sentrial local server: (http://127\.0\.0\.1:\d+)")
_KEY = re.compile(r"sentrial_(?:live|test)_\w+")


@dataclass(frozen=True)
class LocalServer:
    """A running `sentrial dev` and a key for it."""

    url: str
    key: str
    db: Path
    home: Path
    process: subprocess.Popen[bytes]

    @property
    def env(self) -> dict[str, str]:
        """Environment of a program that is to reach this server."""
        return clean_environment(self.home, SENTRIAL_API_URL=self.url, SENTRIAL_API_KEY=self.key)

    def cli(self, *arguments: str, timeout: float = 20.0) -> Finished:
        """Run `sentrial ARGUMENTS` on the server's database."""
        return _cli(self.db, self.home, *arguments, timeout=timeout)

    def create_key(self, name: str, *options: str) -> str:
        """Make another key."""
        return _create_key(self.db, self.home, name, *options)

    def sessions(self) -> list[dict[str, Any]]:
        """Return the sessions the server has stored."""
        listed = self.cli("sessions", "list", "--json", "--limit", "100000").ok()
        sessions: list[dict[str, Any]] = json.loads(listed.stdout)
        return sessions


def _cli(db: Path, home: Path, *arguments: str, timeout: float = 20.0) -> Finished:
    command = [sys.executable, "-m", "sentrial", *arguments, "--db", str(db)]
    return run(command, env=clean_environment(home), cwd=home, timeout=timeout)


def _create_key(db: Path, home: Path, name: str, *options: str) -> str:
    made = _cli(db, home, "keys", "create", "--name", name, *options)
    keys = _KEY.findall(made.stdout)
    if made.exit != 0 or len(keys) != 1:
        message = f"no key made: exit {made.exit}\n{made.stdout}\n{made.stderr}"
        raise AssertionError(message)
    return str(keys[0])


@contextlib.contextmanager
def running_local_server(folder: Path) -> Iterator[LocalServer]:
    """Start the server with its database in ``folder``, make a key, and stop it in the end."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    db, log = folder / "sentrial.db", folder / "server.log"
    command = [sys.executable, "-m", "sentrial", "dev", "--port", "0", "--db", str(db)]
    env = clean_environment(home, PYTHONUNBUFFERED="1")
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, env=env, cwd=home, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process,
    ):
        try:

            def address() -> str | None:
                said = log.read_text(errors="replace")
                if process.poll() is not None:
                    message = f"the local server ended with {process.returncode}:\n{said}"
                    raise AssertionError(message)
                found = _FIRST_LINE.search(said)
                return found[1] if found else None

            url = eventually(address, timeout=20, what=f"the address of the server in {log}")
            assert url is not None
            yield LocalServer(url, _create_key(db, home, "docs"), db, home, process)
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
