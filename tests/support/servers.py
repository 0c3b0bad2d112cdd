"""Application servers as users run them: started, asked over HTTP, ended by SIGTERM."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@dataclass
class Server:
    """A running application server."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str = "/", timeout: float = 20.0) -> str:
        """Return what the application answers."""
        with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:  # noqa: S310
            body: bytes = answer.read()
        return body.decode()

    def wait_until_up(self, timeout: float = 30.0) -> None:
        """Wait until the server answers.

        Raises:
            AssertionError: it ended, or did not answer in time; with what it printed.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.get("/up", 2.0)
            except (urllib.error.URLError, OSError):
                ended = self.process.poll() is not None
                assert not ended, f"ended early:\n{self.log.read_text()}"
                assert time.monotonic() < deadline, f"not up:\n{self.log.read_text()}"
                time.sleep(0.02)
            else:
                return

    def terminate(self, timeout: float = 20.0, sign: signal.Signals = signal.SIGTERM) -> float:
        """End the server; return how many seconds that took."""
        started = time.monotonic()
        self.process.send_signal(sign)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            message = f"still running {timeout} s after {sign.name}:\n{self.log.read_text()}"
            raise AssertionError(message) from None
        return time.monotonic() - started


@contextlib.contextmanager
def serving(
    command: Sequence[str], *, port: int, env: Mapping[str, str], cwd: Path
) -> Iterator[Server]:
    """Start a server; whatever is left of it at the end of the block is killed."""
    log = cwd / "server.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command, env=dict(env), cwd=cwd, stdout=out, stderr=out, start_new_session=True
        ) as process,
    ):
        try:
            yield Server(f"http://127.0.0.1:{port}", process, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    """Return a port on loopback that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        number: int = sock.getsockname()[1]
    return number
