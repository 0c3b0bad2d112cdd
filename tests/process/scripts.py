"""Pieces of programs that run in processes of their own, against the collector of the test."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector
    from tests.support.processes import Finished

KEY = "sentrial_live_process00"

#: Warnings are errors. That of os.fork() about threads is printed: Python throws away the error
#: that it would become.
STRICT = ("-W", "error", "-W", "always:This process (pid:DeprecationWarning")

#: Every script begins with this. What `say` prints the test reads back with `told`; the ledger is
#: printed after everything else that runs at exit, the SDK included.
PREAMBLE = """
import atexit, gc, json, os, signal, sys, threading, time

def say(name, value=None):
    os.write(1, (json.dumps([name, value]) + "\\n").encode())

def last_word():
    say("stats", sentrial.stats())

atexit.register(last_word)
import sentrial
from sentrial import SentrialClient

def eventually(question, timeout=10):
    until = time.monotonic() + timeout
    while not question():
        if time.monotonic() > until:
            raise SystemExit("not within %s s" % timeout)
        time.sleep(0.005)

def call(target, name, *session):
    return target.track_tool_call(*session, name, {"n": name}, {"ok": True})

def ends():
    say("ends", time.monotonic())

def reap(pid, timeout=20):
    until = time.monotonic() + timeout
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            say("hung", pid)
            return "hung"
        time.sleep(0.005)

def child(work, fork=os.fork):
    # Runs work() in a forked child that ends without any exit handler; returns the child's pid.
    pid = fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
"""


@dataclass(frozen=True)
class Ran:
    """What a script did."""

    finished: Finished
    told: list[tuple[str, Any]]
    ended: float
    """``time.monotonic()`` when the process was gone."""

    def all(self, name: str) -> list[Any]:
        """Everything that was said under a name."""
        return [value for said, value in self.told if said == name]

    def one(self, name: str) -> Any:
        """Return the one thing that was said under a name."""
        values = self.all(name)
        assert len(values) == 1, self.report()
        return values[0]

    @property
    def exit_took(self) -> float:
        """Seconds from the end of the program to the end of the process."""
        return self.ended - float(self.one("ends"))

    @property
    def stats(self) -> dict[str, Any]:
        """The ledger of the process after its end; of the parent's, if there are several."""
        stats: dict[str, Any] = self.all("stats")[-1]
        places = stats["delivered"] + stats["pending"] + stats["spooled"]
        assert stats["accepted"] == places + sum(stats["dropped"].values()), stats
        return stats

    @property
    def lines(self) -> list[str]:
        """What went to stderr: without a handler that is the SDK's own lines, and tracebacks."""
        return self.finished.stderr.splitlines()

    def report(self) -> str:
        """Everything, for messages."""
        done = self.finished
        return f"exit {done.exit}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"

    def ok(self) -> Ran:
        """Return self if the process ended well and silently, with no child that hung."""
        assert self.finished.exit == 0, self.report()
        assert not self.finished.stderr, self.report()
        assert not self.all("hung"), self.report()
        return self


def run_script(
    run_python: RunPython,
    where: Collector | str,
    code: str,
    *,
    timeout: float = 30,
    by_name: bool = False,
    **env: str,
) -> Ran:
    """Run the preamble and a piece of code against a collector; see ``STRICT`` for warnings."""
    url = where if isinstance(where, str) else where.url_by_name if by_name else where.url
    env = {"SENTRIAL_API_URL": url, "SENTRIAL_API_KEY": KEY, **env}
    finished = run_python(
        PREAMBLE + re.sub(r"^\n", "", code), env=env, timeout=timeout, options=STRICT
    )
    ended = time.monotonic()
    told = [
        tuple(json_line)
        for line in finished.stdout.splitlines()
        if line.startswith('["') and (json_line := _parsed(line)) is not None
    ]
    return Ran(finished, told, ended)


def _parsed(line: str) -> list[Any] | None:
    import json

    try:
        value: list[Any] = json.loads(line)
    except ValueError:
        return None
    return value
