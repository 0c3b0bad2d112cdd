"""Programs with mounts of their own: small disks, another hosts file; the machine sees nothing."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = os.getuid() == 0
_UNSHARE = ["unshare", *([] if ROOT else ["-r"]), "-m"]


def can_mount() -> bool:
    """Tell whether this machine allows it."""
    return subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode == 0


def with_mounts(setup: str, command: Sequence[str]) -> list[str]:
    """Command line that runs shell commands that mount something, and then a command."""
    return [*_UNSHARE, "sh", "-e", "-c", f"{setup}\nexec {shlex.join(command)}"]


def with_network(setup: str, command: Sequence[str]) -> list[str]:
    """Return the same, with a network of its own, too; for root alone."""
    return ["unshare", "-mn", "sh", "-e", "-c", f"{setup}\nexec {shlex.join(command)}"]
