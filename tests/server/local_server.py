"""The local server as a process, and the command line, of the installed package."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WAIT = 20.0


def environment(home: Path, **more: str) -> dict[str, str]:
    """An environment with a home of its own and nothing of ours set."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SENTRIAL_")}
    return {**ours, "HOME": str(home), "XDG_STATE_HOME": str(home / "state"), **more}


@dataclass
class Cli:
    """Runs ``python -m sentrial`` to its end."""

    home: Path

    def __call__(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run it with these arguments and environment variables."""
        return subprocess.run(
            [sys.executable, "-m", "sentrial", *map(str, arguments)],
            cwd=self.home,
            env=environment(self.home, **variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=WAIT,
            check=False,
        )

    def ok(self, *arguments: object, **variables: str) -> str:
        """Run, expect success, return stdout."""
        done = self(*arguments, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout


@dataclass
class Dev:
    """A running ``sentrial dev``."""

    process: subprocess.Popen[bytes]
    first_line: str
    output: str = field(default="", init=False)
    errors: str = field(default="", init=False)

    @property
    def url(self) -> str:
        """Its address, from its first line."""
        return self.first_line.removeprefix("Sentrial local server: ").strip()

    def finish(self, number: int | None = None) -> int:
        """Wait for its end, after a signal if one is given; return its exit status."""
        if number is not None:
            self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=WAIT)
        self.output, self.errors = output.decode(), errors.decode()
        return self.process.returncode


def read_line(process: subprocess.Popen[bytes]) -> str:
    """The next line of a process's stdout, within the deadline."""
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], WAIT)
        assert ready, f"nothing more was printed in time: {line!r}"
        character = process.stdout.read(1)
        if not character:
            break
        line += character
    return line.decode()


def start_dev(cli: Cli, *arguments: object, **variables: str) -> Dev:
    """Start ``sentrial dev …`` in a process group of its own, wait for its first line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sentrial", "dev", *map(str, arguments)],
        cwd=cli.home,
        env=environment(cli.home, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # `read_line` must leave in the pipe what comes after the line.
        bufsize=0,
        start_new_session=True,
    )
    try:
        return Dev(process, read_line(process))
    except AssertionError:
        process.kill()
        process.communicate(timeout=WAIT)
        raise


@dataclass
class Api:
    """A client of a running local server that hides nothing: urllib."""

    url: str
    key: str | None
    db: Path

    def __call__(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any]:
        """Send a request, return status and decoded answer; every answer must be JSON."""
        data = None if body is None else body if isinstance(body, bytes) else encoded(body)
        sent = {"Content-Type": "application/json"}
        if self.key is not None:
            sent["Authorization"] = f"Bearer {self.key}"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(  # noqa: S310  the address is that of our own server
            self.url + path, data, sent, method=method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            response = opener.open(request, timeout=WAIT)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            assert response.headers["Content-Type"] == "application/json"
            return response.status, json.load(response)

    def session(self, **fields: object) -> str:
        """Start a session, return its id."""
        body = {"name": "Test Session", "agentName": "test-agent", "userId": "user_123"}
        status, answer = self("POST", "/api/sdk/sessions", {**body, **fields})
        assert status == 200, answer
        identifier: str = answer["id"]
        return identifier

    def event(self, session: str, kind: str = "tool_call", **fields: object) -> dict[str, Any]:
        """Record an event, return the answer."""
        body = {"sessionId": session, "eventType": kind, **fields}
        status, answer = self("POST", "/api/sdk/events", body)
        assert status == 200, answer
        recorded: dict[str, Any] = answer
        return recorded


def encoded(body: object) -> bytes:
    return json.dumps(body).encode()


def make_key(cli: Cli, db: Path, name: str = "test", *more: str) -> str:
    return cli.ok("keys", "create", "--name", name, "--db", db, *more).strip()


def eventually(check: Callable[[], bool]) -> None:
    """Wait until ``check`` holds, within the deadline."""
    deadline = time.monotonic() + WAIT
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
