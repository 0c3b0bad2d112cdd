"""The local server as a process, and the command line, of the installed package."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import local_server
import pytest
from local_server import WAIT, Api, Cli, Dev, make_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line, with a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    return Cli(home)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A database file that does not exist yet."""
    return tmp_path / "data" / "local.db"


@pytest.fixture
def start_dev(cli: Cli) -> Iterator[Callable[..., Dev]]:
    """Start ``sentrial dev …``; what still runs at the end is killed."""
    started: list[Dev] = []

    def start(*arguments: object, **variables: str) -> Dev:
        started.append(local_server.start_dev(cli, *arguments, **variables))
        return started[-1]

    yield start
    for dev in started:
        if dev.process.poll() is None:
            os.killpg(dev.process.pid, signal.SIGKILL)
            dev.process.communicate(timeout=WAIT)


@pytest.fixture
def api(cli: Cli, db: Path, start_dev: Callable[..., Dev]) -> Api:
    """A running server and a live key for it."""
    key = make_key(cli, db)
    return Api(start_dev("--port", "0", "--db", db).url, key, db)
