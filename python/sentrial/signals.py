"""An opt-in for programs that are ended by a signal: deliver first, then do what was to be done."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from sentrial import _core

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

__all__ = ["install_signal_flush"]


def install_signal_flush(signals: Iterable[int] = (signal.SIGTERM,)) -> None:
    """Deliver what is queued when a signal ends the program, and spool what cannot be delivered.

    The handler that was there is called afterwards; where there was none, the program ends by the
    signal as it would have. An ignored signal stays ignored. It takes as long as the end of the
    interpreter may: `shutdown_timeout` after the last answer. Nothing of this happens unless this
    function is called.

    Args:
        signals: Numbers of the signals; SIGTERM by default.

    Raises:
        ValueError: Called outside the main thread, or a signal that cannot be caught.
    """
    for number in signals:
        before = signal.getsignal(number)
        if before is signal.SIG_IGN or getattr(before, "flushes_sentrial", False):
            continue
        signal.signal(number, _Handler(before))


class _Handler:
    """Delivers, then does what the handler before it does."""

    flushes_sentrial = True

    def __init__(self, before: object) -> None:
        self._before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        _core.at_exit()
        if callable(self._before):
            self._before(number, frame)
            return
        # The default, or a handler that was not installed from Python and cannot be called.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
