"""Running the probes, the sink and the servers of the benchmarks."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.support.processes import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
_PUBLISHED = ("sentrial==0.6.0", "httpx")


@dataclass(frozen=True)
class Figure:
    """One measured figure and its target."""

    name: str
    value: float
    target: float
    unit: str
    at_least: bool = False
    note: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is on the right side of its target."""
        return self.value >= self.target if self.at_least else self.value <= self.target

    def line(self) -> str:
        """Tell it as a line of the table."""
        sign = "≥" if self.at_least else "≤"
        verdict = "reached" if self.reached else "LOST"
        figure = f"{self.value:,.2f}{self.unit}"
        target = f"{sign} {self.target:g}{self.unit}"
        return f"  {self.name:<56}{figure:>14}{target:>14}  {verdict:<8}{self.note}".rstrip()


class Probe:
    """A running probe that stands still from time to time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._psutil = psutil.Process(process.pid)

    def report(self) -> dict[str, Any]:
        """Wait for its next report."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the probe ended: {self._process.wait()}"
        report: dict[str, Any] = json.loads(line)
        return report

    def go_on(self) -> None:
        """Let it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def resident(self) -> int:
        """Return its resident memory in bytes."""
        return int(self._psutil.memory_info().rss)


@contextlib.contextmanager
def probing(name: str, home: Path, python: str = sys.executable, **options: Any) -> Iterator[Probe]:
    """Start a probe that reports more than once, and end it with the block."""
    script = HERE / options.pop("script", "probes.py")
    command = [python, "-I", str(script), name, json.dumps(options)]
    with subprocess.Popen(
        command,
        env=clean_environment(home),
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Probe(process)
        finally:
            process.kill()


def probe(name: str, home: Path, python: str = sys.executable, **options: Any) -> dict[str, Any]:
    """Run a probe to its end and return what it measured."""
    with probing(name, home, python, **options) as running:
        return running.report()


@dataclass(frozen=True)
class Sink:
    """A running sink."""

    url: str

    def counts(self) -> dict[str, Any]:
        """Return what has arrived."""
        with urllib.request.urlopen(f"{self.url}/counts", timeout=10) as answer:  # noqa: S310
            counts: dict[str, Any] = json.load(answer)
        return counts


@functools.cache
def tool(name: str) -> str:
    """Build one of the tools in Rust, `benches/tools`, and return the path of the program."""
    command = ["cargo", "build", "--quiet", "--locked", "--profile", "quick"]
    command += ["--no-default-features", "--bench", name, "--message-format", "json"]
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=True)
    built = (json.loads(line) for line in done.stdout.splitlines())
    return next(
        str(part["executable"])
        for part in built
        if part.get("executable") and part["target"]["name"] == name
    )


@contextlib.contextmanager
def sink(*, latency: float = 0.0, hang: bool = False, **options: float) -> Iterator[Sink]:
    """Start a sink, and end it with the block; `options` are those of `benches/tools/sink.rs`."""
    command = [tool("sink"), "--delay-ms", str(latency * 1000)]
    for name, value in options.items():
        command.append(f"--{name.replace('_', '-')}")
        if value is not True:
            command.append(str(value))
    if hang:
        command.append("--hang")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield Sink(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()


def bare_loop(url: str, body: bytes, *, connections: int, requests: int) -> dict[str, Any]:
    """Send the same body as often with nothing but reqwest; the seconds, also of the processor."""
    command = [tool("bare"), url, "--connections", str(connections), "--requests", str(requests)]
    done = subprocess.run(command, input=body, stdout=subprocess.PIPE, check=True)
    run: dict[str, Any] = json.loads(done.stdout)
    return run


def published_sdk(folder: Path) -> str:
    """Install the published SDK into a virtual environment of its own; its code stays there."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    python = str(folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, timeout=120)
    install = [python, "-m", "pip", "install", "--quiet", *_PUBLISHED]
    done = subprocess.run(
        install, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["?"])[-1]
        pytest.skip(f"the published SDK could not be installed (is PyPI reachable?): {why}")
    return python
