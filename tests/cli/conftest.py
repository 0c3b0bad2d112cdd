"""The command line, alone and with the local server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.helpers import Cli

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.local_server import LocalServer


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Give a command line that knows no server and no key."""
    folder, home = tmp_path / "work", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    return Cli(folder, home, {})


@pytest.fixture
def local_cli(cli: Cli, local_server: LocalServer) -> Cli:
    """Give a command line whose environment names the local server and a key for it."""
    cli.variables = {
        "SENTRIAL_API_URL": local_server.url,
        "SENTRIAL_API_KEY": local_server.key,
    }
    return cli
