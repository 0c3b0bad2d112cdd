"""What ``sentrial login`` stores: ``~/.sentrial/config.json``, read by the command line only."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

_OWNER_ONLY = 0o600
_OWNER_ONLY_FOLDER = 0o700


def path() -> Path:
    """Return where the file is."""
    return Path.home() / ".sentrial" / "config.json"


def read() -> dict[str, str]:
    """Return what is stored; nothing if there is no file.

    Raises:
        ValueError: The file holds something else.
        OSError: It cannot be read.
    """
    file = path()
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        stored: Any = json.loads(text)
    except ValueError:
        stored = None
    if not isinstance(stored, dict):
        raise ValueError(f"{file} is no JSON object; run `sentrial login` again")  # noqa: TRY004  the content is wrong
    return {name: value for name, value in stored.items() if isinstance(value, str)}


def write(values: dict[str, str]) -> Path:
    """Store ``values`` in place of what there was, readable by the owner only."""
    file = path()
    folder = file.parent
    folder.mkdir(mode=_OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) != _OWNER_ONLY_FOLDER:
        folder.chmod(_OWNER_ONLY_FOLDER)
    # Made with mode 0600 beside the file and moved over it: nobody sees it half written or open
    # to others, whatever the umask and the former file's mode are.
    handle, temporary = tempfile.mkstemp(prefix=".config-", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(values, stream, indent=2)
            stream.write("\n")
        Path(temporary).chmod(_OWNER_ONLY)
        Path(temporary).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    return file


def remove() -> bool:
    """Remove the file; tell whether there was one."""
    try:
        path().unlink()
    except FileNotFoundError:
        return False
    return True


def is_private() -> bool:
    """Tell whether only the owner can read the file; True if there is none."""
    try:
        return not stat.S_IMODE(path().stat().st_mode) & 0o077
    except FileNotFoundError:
        return True
