"""Where the local server keeps its data."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def default_path() -> Path:
    """``sentrial/local.db`` in the user's state directory."""
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    # The XDG rules: a relative path is to be ignored.
    base = state if state.is_absolute() else Path.home() / ".local" / "state"
    return base / "sentrial" / "local.db"


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--db``."""
    parser.add_argument(
        "--db",
        metavar="FILE",
        type=Path,
        default=None,
        help="the database file (default: sentrial/local.db in $XDG_STATE_HOME or ~/.local/state)",
    )


def path_of(options: argparse.Namespace) -> Path:
    """Return the file chosen with ``--db``, or the default one."""
    chosen: Path | None = options.db
    return default_path() if chosen is None else chosen


def option_for(path: Path) -> str:
    """Return the ``--db`` option to add to a suggested command, empty for the default file."""
    return "" if path == default_path() else f" --db {shlex.quote(str(path))}"
