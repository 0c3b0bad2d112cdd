"""Whether what cannot be delivered can be kept on disk."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from sentrial.cli.checks import Finding, ok, skipped, warning

_WRITABLE_BY_OTHERS = 0o022
_OPEN_TO_OTHERS = 0o077
_ROOM = 32 * 1024 * 1024
_NAME = "spool"


def spool() -> Finding:
    """Check the folder that the spool would use."""
    mode = os.environ.get("SENTRIAL_SPOOL", "").strip().lower() or "spill"
    if mode == "off":
        return skipped(_NAME, "it is off (SENTRIAL_SPOOL)")
    chosen = os.environ.get("SENTRIAL_SPOOL_DIR", "").strip()
    candidates = [
        (_in_state(), _WRITABLE_BY_OTHERS),
        # Below a folder anybody may write to: nobody else may even look inside.
        (_in_temporary(), _OPEN_TO_OTHERS),
    ]
    if chosen:
        candidates = [(Path(chosen), _WRITABLE_BY_OTHERS)]
    problems = []
    for folder, others in candidates:
        problem = _problem(folder, others)
        if problem is None:
            return ok(_NAME, f"{mode}, in {folder}")
        problems.append(f"{folder} {problem}")
    return warning(
        _NAME,
        f"nothing can be kept on disk: {'; '.join(problems)}",
        "mend the folder, or set SENTRIAL_SPOOL_DIR to another one; until then what is not "
        "delivered when a program ends is lost",
    )


def _in_state() -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    base = state if state.is_absolute() else Path.home() / ".local" / "state"
    return base / "sentrial" / "spool"


def _in_temporary() -> Path:
    return Path(tempfile.gettempdir()) / f"sentrial-{os.getuid()}"


def _problem(folder: Path, others: int) -> str | None:
    """Return what is wrong with a folder, or with the place in which it would be made."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return _problem_of_parent(folder)
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    return _problem_of_owner(found, others) or _problem_of_room(folder)


def _problem_of_owner(found: os.stat_result, others: int) -> str | None:
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if not stat.S_ISDIR(found.st_mode):
        return "is not a folder"
    if found.st_uid != os.getuid():
        return "belongs to another user"
    if found.st_mode & others:
        return "is open to other users; make it mode 0700"
    return None


def _problem_of_parent(folder: Path) -> str | None:
    parent = next(above for above in folder.absolute().parents if above.exists())
    if not parent.is_dir():
        return f"cannot be made: {parent} is not a folder"
    return _problem_of_room(parent)


def _problem_of_room(folder: Path) -> str | None:
    if not os.access(folder, os.W_OK | os.X_OK):
        return "is not writable"
    if shutil.disk_usage(folder).free < _ROOM:
        return "is on a full disk"
    return None
