"""The command line as a user runs it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.processes import Finished, clean_environment, run

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE = 40.0


def _read_to_the_end(terminal: int) -> bytes:
    deadline = time.monotonic() + DEADLINE
    written = b""
    while True:
        left = max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([terminal], [], [], left)
        assert ready, f"still running after {DEADLINE} s: {written!r}"
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            return written
        if not chunk:
            return written
        written += chunk


@dataclass
class Cli:
    """Runs ``python -m sentrial`` in a folder of its own, with a home of its own."""

    folder: Path
    home: Path
    variables: dict[str, str]

    def __call__(self, *arguments: object, stdin: str = "", **variables: str) -> Finished:
        """Run it to its end."""
        command = [sys.executable, "-m", "sentrial", *map(str, arguments)]
        env = clean_environment(self.home, **{**self.variables, **variables})
        return run(command, env=env, cwd=self.folder, timeout=DEADLINE, stdin=stdin)

    def on_terminal(self, *arguments: object, **variables: str) -> str:
        """Run it with its output on a terminal, and return what is written there."""
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "sentrial", *map(str, arguments)]
        env = clean_environment(self.home, TERM="xterm", **{**self.variables, **variables})
        process = subprocess.Popen(
            command,
            env=env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        try:
            return _read_to_the_end(master).decode()
        finally:
            os.close(master)
            process.kill()
            process.wait()

    def file(self, name: str, text: str) -> Path:
        """Write a file into the folder."""
        path = self.folder / name
        path.write_text(text)
        return path


EXPERIMENT: dict[str, Any] = {
    "name": "Prompts",
    "variants": [
        {"name": "Control", "systemPrompt": "be brief"},
        {"name": "Long", "systemPrompt": "explain at length"},
    ],
    "testCases": [{"userInput": "first question"}, {"userInput": "second question"}],
}
