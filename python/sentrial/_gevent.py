"""Waiting under gevent: in its native thread pool, so that other greenlets go on.

Imported only where the program has loaded gevent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gevent import getcurrent
from gevent._hub_local import get_hub_if_exists

if TYPE_CHECKING:
    from sentrial._core import NativeWait


def wait(native: NativeWait) -> bool:
    """Wait, and return True; False in a thread without greenlets, which may wait by itself."""
    hub = get_hub_if_exists()
    if hub is None or getcurrent() is hub:
        return False
    try:
        hub.threadpool.apply(native.run)
    except BaseException:
        native.stop()
        raise
    return True
