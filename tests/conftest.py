"""Fixtures for all tests."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.collector import Collector, refused_url
from tests.support.local_server import LocalServer, running_local_server
from tests.support.processes import (
    Finished,
    clean_environment,
    foreign_variables,
    python_command,
    run,
)

ROOT = Path(__file__).resolve().parent.parent

RunPython = Callable[..., Finished]


def pytest_configure() -> None:
    """Refuse to test the source tree: what users get is the wheel."""
    found = importlib.util.find_spec("sentrial")
    if found is not None and found.origin and Path(found.origin).is_relative_to(ROOT / "python"):
        message = (
            f"the tests see the source tree ({found.origin}); run them with `make test-python`"
        )
        raise pytest.UsageError(message)


@pytest.fixture(autouse=True)
def clean_env(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> pytest.MonkeyPatch:
    """Remove what configures the package, a proxy or certificates; use an empty home."""
    for name in foreign_variables():
        if not name.startswith("PYTHON"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    return monkeypatch


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Give a running collector that answers as documented until it is told otherwise."""
    with Collector() as running:
        yield running


@pytest.fixture
def refusing() -> Iterator[str]:
    """Give a URL at which nothing listens."""
    with refused_url() as url:
        yield url


@pytest.fixture
def run_python(tmp_path: Path) -> RunPython:
    """Give a function that runs a piece of Python in a process of its own.

    ``run_python(code, env={...}, timeout=30, options=("-W", "error"), stdin="")`` returns stdout,
    stderr, exit status and seconds. No setting of this machine gets in, only what ``env`` adds.
    """

    def run_code(
        code: str,
        *,
        env: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        options: Sequence[str] = (),
        stdin: str = "",
    ) -> Finished:
        home = tmp_path / "process-home"
        home.mkdir(exist_ok=True)
        full = clean_environment(home, **(env or {}))
        return run(
            python_command(code, *options), env=full, cwd=tmp_path, timeout=timeout, stdin=stdin
        )

    return run_code


@pytest.fixture
def local_server(tmp_path: Path) -> Iterator[LocalServer]:
    """Give a running `sentrial dev` on a database of its own, and a key for it."""
    if importlib.util.find_spec("sentrial") is None:
        pytest.fail(f"sentrial is not installed for {sys.executable}")
    with running_local_server(tmp_path / "server") as running:
        yield running
