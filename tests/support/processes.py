"""Programs in processes of their own, with a hard deadline and an environment of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NOT_INHERITED = re.compile(
    r"(SENTRIAL|LANGFUSE|OPENAI|ANTHROPIC|GOOGLE|OTEL|PYTHON)\w*|XDG_\w+"
    r"|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NO_COLOR",
    re.IGNORECASE,
)


def foreign_variables() -> list[str]:
    """Names of the variables of this process that would change what a test sees."""
    return [name for name in os.environ if _NOT_INHERITED.fullmatch(name)]


def clean_environment(home: Path, **extra: str) -> dict[str, str]:
    """Return an environment without settings of the machine, whose home is an empty folder.

    The folder of the interpreter comes first on the PATH: ``sentrial`` and ``python`` are ours.
    """
    foreign = set(foreign_variables())
    env = {name: value for name, value in os.environ.items() if name not in foreign}
    scripts = str(Path(sys.executable).parent)
    env["PATH"] = os.pathsep.join([scripts, env.get("PATH", os.defpath)])
    env |= {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "PYTHONUTF8": "1"}
    env |= {"XDG_CACHE_HOME": str(home / "cache"), "XDG_CONFIG_HOME": str(home / "config")}
    env |= extra
    return env


@dataclass(frozen=True)
class Finished:
    """What a process left behind."""

    stdout: str
    stderr: str
    exit: int
    """Exit status; negative: the signal that ended it."""
    elapsed: float

    def ok(self) -> Finished:
        """Return self if the process ended well and said nothing on stderr.

        Raises:
            AssertionError: it did not, with everything it printed.
        """
        if self.exit != 0 or self.stderr:
            message = f"exit {self.exit}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
            raise AssertionError(message)
        return self


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    timeout: float = 30.0,
    stdin: str = "",
) -> Finished:
    """Run a command to its end.

    Raises:
        AssertionError: it still ran after ``timeout`` seconds; it was killed with its children.
    """
    started = time.monotonic()
    with subprocess.Popen(
        command,
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            message = f"still running after {timeout} s\n--- stdout\n{out}\n--- stderr\n{err}"
            raise AssertionError(message) from None
        return Finished(out, err, process.returncode, time.monotonic() - started)


def python_command(code: str, *options: str) -> list[str]:
    """Command line that runs a piece of Python with the interpreter of the tests."""
    return [sys.executable, *options, "-c", textwrap.dedent(code)]
