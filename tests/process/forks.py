"""What the tests of fork share."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.collector import Collector

SESSIONS = "/api/sdk/sessions"

#: Python 3.12+ warns of a fork of a process with several threads. One of the program's own makes it
#: warn at every fork, whatever we do.
OWN_THREADS = """
import warnings
warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*multi-threaded.*")
"""

#: Tells the collector to open its gate, over a connection that the SDK knows nothing of.
RELEASE = """
def release():
    import http.client
    host = os.environ["SENTRIAL_API_URL"].rpartition("/")[2]
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", "/release")
    connection.getresponse().read()
    connection.close()
"""


def tools(collector: Collector) -> Counter[str]:
    return Counter(event["toolName"] for event in collector.events("tool_call"))


def agents(collector: Collector) -> list[str]:
    return sorted(body["agentName"] for body in collector.bodies("POST", SESSIONS))


def check_nothing_twice(collector: Collector) -> None:
    assert all(len(group) == 1 for group in collector.by_idempotency_key().values())
    assert all(count == 1 for count in tools(collector).values())


@contextmanager
def hanging_until(collector: Collector, path: str) -> Iterator[None]:
    """Hold all answers until the script asks for this path, in a thread that follows it."""
    collector.hold()
    thread = threading.Thread(
        target=lambda: (collector.wait_for(1, path=path, timeout=40), collector.release())
    )
    thread.start()
    try:
        yield
    finally:
        thread.join(45)
