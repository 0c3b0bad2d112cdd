"""Fork and exit: the only hooks the SDK installs. No signal handler is among them."""

from __future__ import annotations

import atexit
import os
import sys

from sentrial import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Seconds of the time for the end of the process that were spent on the mirror: the end has one
# deadline. What exit handlers of the program take in between does not count.
_spent = [0.0]
_watched: list[bool] = []


def _finish_mirror(*, last: bool = True) -> None:
    mirror = sys.modules.get("sentrial._mirror")
    if mirror is not None:
        import time

        started = time.monotonic()
        mirror.finish(_spent[0], last=last)
        _spent[0] += time.monotonic() - started


def watch_mirror() -> None:
    """Let the mirror deliver at the end of the process; called when it has started."""
    if _watched:
        return
    _watched.append(True)
    import threading

    # In exit handlers no thread can be started since Python 3.12, and what is mirrored to may need
    # some. This comes before them, and is what concurrent.futures uses.
    early = getattr(threading, "_register_atexit", None)
    if early is not None:
        try:
            early(_finish_mirror_early)
        except RuntimeError:
            # The first call came from an exit handler.
            _refuse_threads()
    # Before the exit handlers of what is mirrored to: it was made before.
    atexit.register(_finish_mirror)


#: Python starts no thread any more.
refuses_threads = False


def _finish_mirror_early() -> None:
    global refuses_threads  # noqa: PLW0603
    # Only Python 3.12 itself refuses threads here already.
    refuses_threads = sys.version_info[:2] == (3, 12)
    _finish_mirror(last=False)
    _refuse_threads()


def _refuse_threads() -> None:
    global refuses_threads  # noqa: PLW0603
    refuses_threads = sys.version_info >= (3, 12)


#: The exit hook has begun.
ending = False


def _at_exit() -> None:
    global ending  # noqa: PLW0603
    ending = True
    _finish_mirror()
    _core.at_exit(_spent[0])


class _Marker:
    """What `multiprocessing` keeps a weak reference to."""


_marker = _Marker()


def _finish_before_os_exit(_: object = None) -> None:
    """Deliver before a child ends: it leaves by `os._exit`, without `atexit`."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _at_exit, exitpriority=-100)
    _finish_before_a_pool_worker_ends()


def _finish_before_a_pool_worker_ends() -> None:
    """Deliver also before a worker of a pool of `billiard` (Celery) ends.

    It leaves by `os._exit` in the middle of its target, so that no finalizer runs. What it calls
    before is `on_exit`.
    """
    process = sys.modules.get("billiard.process")
    if process is None:
        return
    worker: Any = getattr(process.current_process(), "_target", None)
    if hasattr(worker, "on_exit") and not isinstance(worker.on_exit, _OnExit):
        worker.on_exit = _OnExit(worker.on_exit)


class _OnExit:
    """What a worker of a pool calls last, and then the end of the process."""

    def __init__(self, then: Callable[[int, int], object] | None) -> None:
        self._then = then

    def __call__(self, pid: int, exitcode: int) -> None:
        try:
            if self._then is not None:
                self._then(pid, exitcode)
        finally:
            _at_exit()


def _is_child() -> bool:
    """Is this a child of `multiprocessing` or `billiard`, and already inside of its target?"""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        return True
    process = sys.modules.get("billiard.process")
    return process is not None and type(process.current_process()).__name__ != "_MainProcess"


def _watch_children() -> None:
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        # The child clears its finalizers first and then calls what is registered here.
        # `billiard` uses the same list.
        util.register_after_fork(_marker, _finish_before_os_exit)


def _in_child() -> None:
    _spent[0] = 0.0
    _core.after_fork_in_child()
    if "billiard.process" in sys.modules:
        # It loads it only in the child, between this and what is to be watched.
        import multiprocessing.util  # noqa: F401
    _watch_children()


def _install() -> None:
    _core.prepare()
    atexit.register(_at_exit)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_core.before_fork,
            after_in_parent=_core.after_fork_in_parent,
            after_in_child=_in_child,
        )
    # Imported inside a child: while its target was unpickled, before the child clears its
    # finalizers, or by the target itself, afterwards.
    _watch_children()
    if _is_child():
        _finish_before_os_exit()


_install()
