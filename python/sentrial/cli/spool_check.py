"""Whether what cannot be delivered can be kept on disk, and how much waits there."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from sentrial.cli.checks import Finding, ok, skipped, warning

if TYPE_CHECKING:
    from pathlib import Path

_ROOM = 32 * 1024 * 1024
_NAME = "spool"


def spool() -> Finding:
    """Check the folder that the spool would use."""
    from sentrial._core import spool_folder

    mode = os.environ.get("SENTRIAL_SPOOL", "").strip().lower() or "spill"
    if mode == "off":
        return skipped(_NAME, "it is off (SENTRIAL_SPOOL)")
    try:
        folder = spool_folder()
        if not _has_room(folder):
            return _useless(f"{folder}: is on a full disk")
    except OSError as error:
        return _useless(str(error))
    return ok(_NAME, f"{mode}, in {folder}; {_waiting()}")


def _useless(why: str) -> Finding:
    return warning(
        _NAME,
        f"nothing can be kept on disk: {why}",
        "mend the folder, or set SENTRIAL_SPOOL_DIR to another one; until then what is not "
        "delivered when a program ends is lost",
    )


def _has_room(folder: Path) -> bool:
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free >= _ROOM


def _waiting() -> str:
    """Say how many requests ended processes have left, whatever their address and key."""
    from sentrial._core import spool_status

    files = spool_status()
    left = [group for file in files if file["state"] == "left" for group in file["groups"]]
    count = sum(group["requests"] for group in left)
    unusable = sum(file["state"] in ("unreadable", "set aside") for file in files)
    text = f"{count} requests wait" if count else "nothing waits"
    if count:
        text += " (see `sentrial spool status`)"
    if unusable:
        text += f"; {unusable} files cannot be read"
    return text
