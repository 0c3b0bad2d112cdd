"""Work that Ctrl-C does not stop half-way."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def uninterrupted(work: Callable[[], T]) -> tuple[T, KeyboardInterrupt | None]:
    """Do something to its end, and return what it gave together with a Ctrl-C that came meanwhile.

    A second Ctrl-C is raised at once; the work then goes on in its thread as long as the process
    does. Only the main thread is interrupted by Ctrl-C, so any other does the work itself.
    """
    if threading.current_thread() is not threading.main_thread():
        return work(), None
    results: list[T] = []
    errors: list[BaseException] = []
    ended = threading.Event()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            results.append(context.run(work))
        except BaseException as error:  # noqa: BLE001  raised again by the caller
            errors.append(error)
        finally:
            ended.set()

    interrupt = None
    thread = threading.Thread(target=run, name="sentrial-experiment-report", daemon=True)
    try:
        thread.start()
        ended.wait()
    except KeyboardInterrupt as error:
        if thread.ident is None:
            raise
        interrupt = error
        ended.wait()
    if errors:
        if interrupt is not None:
            raise interrupt from errors[0]
        raise errors[0]
    return results[0], interrupt
