"""Waiting under eventlet: in turns, so that other green threads go on.

Imported only where the program has loaded eventlet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventlet import hubs, patcher, sleep

if TYPE_CHECKING:
    from sentrial._core import NativeWait

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.02
"""Seconds between two looks: its pool of native threads would start twenty of them for one wait."""


def wait(native: NativeWait) -> bool:
    """Wait, and return True; False in a thread without green threads, which may wait by itself."""
    from greenlet import getcurrent

    hub = getattr(hubs._threadlocal, "hub", None)  # noqa: SLF001
    if hub is None and patcher.is_monkey_patched("thread"):
        # The first wait of this thread makes its hub.
        hub = hubs.get_hub()
    if hub is None or getcurrent() is hub.greenlet:
        return False
    pause = _FIRST_PAUSE
    while not native.look():
        sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    return True
