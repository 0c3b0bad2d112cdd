"""Which session a trace belongs to, and when that session is complete.

A session is completed when the last open root of its trace in this process ends. Roots are spans
without a parent, or with one in another process. What was completed is remembered for a while, so
that spans that end after their root still find their session. Both maps are bounded in size and
age: what falls out before its root has ended is handed back, to be completed then.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from sentrial._core import Interaction
    from sentrial.integrations.otel_events import Failure

__all__ = ["Trace", "Traces"]

MAX_OPEN = 10_000
"""Traces that are open together at most; beyond it the longest unused are given up."""
MAX_AGE = 3600.0
"""Seconds after which an open trace without any news is given up."""
KEPT = 60.0
"""Seconds for which a completed trace is remembered, for spans that end after their root."""
MAX_KEPT = 1000
"""Completed traces that are remembered at most."""


class Trace:
    """One trace in this process.

    Attributes:
        session: Its session; None before the first span that is recorded.
        root: Its root span while it is open, for what only the root knows (the user).
        open_roots: How many roots have started and not ended.
        failure: Why a root failed.
        child_failure: Why the last span that failed did; it counts where no root is seen to end.
        counted: Ids of spans inside which an LLM call has carried its usage already.
        lock: Held while its session is opened, so that there is one.
    """

    __slots__ = (
        "began",
        "child_failure",
        "counted",
        "failure",
        "lock",
        "open_roots",
        "pid",
        "root",
        "session",
        "touched",
    )

    def __init__(self, now: float) -> None:
        self.session: Interaction | None = None
        self.root: Any = None
        self.open_roots = 0
        self.failure: Failure | None = None
        self.child_failure: Failure | None = None
        self.counted: set[int] = set()
        self.lock = threading.Lock()
        self.pid = os.getpid()
        self.began = self.touched = now

    @property
    def is_ours(self) -> bool:
        """Whether it began in this process: a forked child leaves the parent's to the parent."""
        return self.pid == os.getpid()


class Traces:
    """The traces of one span processor. Thread-safe.

    Args:
        give_up: Called, outside of any lock, with each open trace that falls out.
        clock: Seconds that never go back.
    """

    def __init__(
        self, give_up: Callable[[Trace], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._give_up = give_up
        self._clock = clock
        self._lock = threading.Lock()
        self._open: OrderedDict[int, Trace] = OrderedDict()
        self._done: OrderedDict[int, Trace] = OrderedDict()

    def root_started(self, trace_id: int, span: Any) -> None:
        """Note that a root has started."""
        with self._lock:
            # What was completed before stays completed: a new root is new work.
            trace = self._opened(trace_id)
            trace.open_roots += 1
            trace.root = span
            lost = list(self._overdue())
        self._let_go(lost)

    def of(self, trace_id: int) -> Trace:
        """Return the trace of an ended span: open, completed a short time ago, or new."""
        with self._lock:
            done = self._done.get(trace_id)
            if done is not None and trace_id not in self._open:
                return done
            trace = self._opened(trace_id)
            lost = list(self._overdue())
        self._let_go(lost)
        return trace

    def known(self, trace_id: int) -> Trace | None:
        """Return the trace of a span that is not recorded, if anything is known of it."""
        with self._lock:
            return self._open.get(trace_id)

    def root_ended(self, trace_id: int) -> Trace | None:
        """Note that a root has ended; returns the trace if it was the last one open."""
        with self._lock:
            trace = self._open.get(trace_id)
            if trace is None:
                return None
            trace.open_roots -= 1
            if trace.open_roots > 0:
                return None
            del self._open[trace_id]
            trace.root = None
            if trace.session is not None:
                trace.touched = self._clock()
                self._done[trace_id] = trace
                self._done.move_to_end(trace_id)
            return trace

    def drain(self) -> list[Trace]:
        """Take out all open traces, the oldest first."""
        with self._lock:
            traces = sorted(self._open.values(), key=lambda trace: trace.began)
            self._open.clear()
            self._done.clear()
        return traces

    def __len__(self) -> int:
        return len(self._open)

    def after_fork_in_child(self) -> None:
        """Make locks anew: a thread that does not exist here may have held them."""
        self._lock = threading.Lock()
        for trace in [*self._open.values(), *self._done.values()]:
            trace.lock = threading.Lock()

    def _opened(self, trace_id: int) -> Trace:
        now = self._clock()
        trace = self._open.get(trace_id)
        if trace is None:
            trace = self._open[trace_id] = Trace(now)
        trace.touched = now
        self._open.move_to_end(trace_id)
        return trace

    def _overdue(self) -> Iterator[Trace]:
        now = self._clock()
        while self._done and (len(self._done) > MAX_KEPT or _oldest(self._done) < now - KEPT):
            self._done.popitem(last=False)
        while self._open and (len(self._open) > MAX_OPEN or _oldest(self._open) < now - MAX_AGE):
            yield self._open.popitem(last=False)[1]

    def _let_go(self, lost: list[Trace]) -> None:
        for trace in lost:
            self._give_up(trace)


def _oldest(traces: OrderedDict[int, Trace]) -> float:
    return next(iter(traces.values())).touched
