"""The command line as a user runs it."""

from __future__ import annotations

import os
import pty
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.processes import Finished, clean_environment, run

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE = 40.0


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
        process = os.fork()
        if process == 0:
            os.chdir(self.folder)
            for stream in (1, 2):
                os.dup2(slave, stream)
            os.execve(sys.executable, command, env)  # noqa: S606
        os.close(slave)
        written = b""
        try:
            while chunk := os.read(master, 65536):
                written += chunk
        except OSError:  # the other end is closed
            pass
        os.close(master)
        os.waitpid(process, 0)
        return written.decode()

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
