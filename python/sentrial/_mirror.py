"""What clients send is recorded a second time, somewhere else: on a thread of its own.

Callers put a copy of each request into a bounded queue and go on. One daemon thread of this
process, started with the first of them, tells a `Target` about it as soon as the session has an
id. What does not fit, and what is left when the process ends, is dropped and counted in one line.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Protocol

from sentrial import _lifecycle, _log

if TYPE_CHECKING:
    from sentrial._core import Mirrored

__all__ = ["Sink", "Target", "finish", "flush", "sink_for"]

MAX_ITEMS = 10_000
"""Requests that wait at most; further ones are dropped."""
MAX_BYTES = 32 * 1024 * 1024
"""Bytes that they may have together."""
PATIENCE = 30.0
"""Seconds for which requests wait for the id of their session. Then they go without one: the other
place gets its records, also while the server of the sessions is down. What waits for the rules of
redaction never goes without them."""
_LOOK_AGAIN = 0.02
"""Seconds between two looks whether an id has come. It takes as long as the server's answer."""
_BETWEEN_LINES = 60.0
"""Seconds between two lines about a full queue."""
_WARNING = 30
_IMMEDIATE_WAIT = 5.0
"""Seconds that a call of immediate delivery waits for its record at most."""


class Target(Protocol):
    """Where requests are recorded. Everything but `enabled` is called by the thread only."""

    def record(
        self, kind: str, session_key: int, session_id: str | None, body: dict[str, Any]
    ) -> bool:
        """Record a request; returns whether it ended its session."""

    def flush(self) -> None:
        """Deliver what was recorded."""

    def is_open(self) -> bool:
        """Tell whether `close` has anything to end."""

    def close(self) -> None:
        """End what is still open; the process is about to end."""


class Sink:
    """The end of one client."""

    __slots__ = ("dirty", "patience", "target")

    def __init__(self, target: Target, patience: float) -> None:
        self.target = target
        self.patience = patience
        self.dirty = False

    def put(self, mirrored: Mirrored, wait: bool) -> None:
        """Hand over a request; with `wait`, until it has been recorded."""
        mirror = _here()
        mirror.put(self, mirrored)
        if wait:
            mirror.settle(_IMMEDIATE_WAIT, deliver=mirrored.kind == "complete")

    def flush(self, timeout: float) -> bool:
        """Wait until everything handed over so far is delivered; returns whether it was."""
        return flush(timeout)


class _Waiting:
    """The requests of one session whose id is not known yet."""

    __slots__ = ("items", "since")

    def __init__(self, since: float) -> None:
        self.items: list[tuple[Sink, Mirrored]] = []
        self.since = since


class _Mark:
    """A place in the queue; `reached` is set when everything before it is done.

    Attributes:
        deliver: What was recorded is to be delivered, too.
        last: Nothing comes behind it: what waits for an id goes without one, what is open is ended.
        until: Until when requests that wait for an id are waited for.
    """

    __slots__ = ("deliver", "last", "reached", "until")

    def __init__(self, *, deliver: bool, last: bool, until: float) -> None:
        self.deliver = deliver
        self.last = last
        self.until = until
        self.reached = threading.Event()


class _Mirror:
    """The queue and the thread of one process."""

    def __init__(self) -> None:
        self.patience = 0.0
        self._ready = threading.Condition(threading.Lock())
        self._queue: deque[tuple[Sink, Mirrored] | _Mark] = deque()
        self._bytes = 0
        self._items = 0
        self._thread: threading.Thread | None = None
        self._sinks: dict[int, Sink] = {}
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()
        self._marks: list[_Mark] = []
        self._dropped = 0
        self._next_line = 0.0
        self._ended = False
        self._complained: set[str] = set()

    # -- called by anybody

    def put(self, sink: Sink, mirrored: Mirrored) -> None:
        size = mirrored.size
        refused = None
        with self._ready:
            if self._items >= MAX_ITEMS or self._bytes + size > MAX_BYTES:
                refused = "the mirror is full"
            elif not self._start():
                refused = "the program ends, and Python starts no thread for the mirror any more"
            else:
                self._items += 1
                self._bytes += size
                self._queue.append((sink, mirrored))
                self.patience = max(self.patience, sink.patience)
                self._ready.notify()
        if refused is not None:
            self._drop(refused)

    def _drop(self, why: str) -> None:
        self._dropped += 1
        now = time.monotonic()
        if now >= self._next_line:
            # Full and not full may follow each other quickly, while the other place is slow.
            self._next_line = now + _BETWEEN_LINES
            text = f"{why}: {self._dropped} calls were not mirrored so far"
            _log.emit([(_WARNING, text)])

    def settle(
        self, timeout: float, *, deliver: bool, last: bool = False, wait_for_ids: float = 0.0
    ) -> bool:
        """Wait until everything in the queue is recorded and, with `deliver`, delivered."""
        mark = _Mark(deliver=deliver, last=last, until=time.monotonic() + wait_for_ids)
        with self._ready:
            if self._thread is None:
                return True
            self._queue.append(mark)
            self._ready.notify()
        return mark.reached.wait(timeout)

    def forget(self) -> None:
        """Give up what is left."""
        self._items = 0

    @property
    def left(self) -> int:
        """Requests that have not been recorded."""
        return self._items

    def _start(self) -> bool:
        """Start the thread unless it runs; False if Python starts none any more."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="sentrial-mirror", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
            _lifecycle.watch_mirror()
        return True

    def _complain(self, kind: str, text: str) -> None:
        if kind not in self._complained:
            self._complained.add(kind)
            _log.emit([(_WARNING, text)])

    # -- called by the thread

    def _run(self) -> None:
        with _untraced():
            while True:
                try:
                    self._step(self._next())
                except Exception as error:  # noqa: BLE001  the thread lives as long as the process
                    self._complain("step", f"calls were not mirrored: {error!r}")

    def _step(self, item: tuple[Sink, Mirrored] | _Mark | None) -> None:
        if isinstance(item, _Mark):
            self._marks.append(item)
        elif item is not None:
            self._take(*item)
        self._look_at_waiting(PATIENCE)
        for mark in list(self._marks):
            if not self._waiting or time.monotonic() >= mark.until:
                self._marks.remove(mark)
                self._reach(mark)
        self._deliver_what_ended()

    def _next(self) -> tuple[Sink, Mirrored] | _Mark | None:
        with self._ready:
            if not self._queue:
                self._ready.wait(_LOOK_AGAIN if self._waiting else None)
            return self._queue.popleft() if self._queue else None

    def _take(self, sink: Sink, mirrored: Mirrored) -> None:
        waiting = self._waiting.get(mirrored.session_key)
        if waiting is not None:
            waiting.items.append((sink, mirrored))
        elif _is_ready(mirrored):
            self._record(sink, mirrored)
        else:
            waiting = self._waiting[mirrored.session_key] = _Waiting(time.monotonic())
            waiting.items.append((sink, mirrored))

    def _look_at_waiting(self, patience: float) -> None:
        latest = time.monotonic() - patience
        for key, waiting in list(self._waiting.items()):
            first = waiting.items[0][1]
            if not _is_ready(first) and waiting.since > latest:
                continue
            del self._waiting[key]
            for sink, mirrored in waiting.items:
                self._record(sink, mirrored)

    def _record(self, sink: Sink, mirrored: Mirrored) -> None:
        import json

        with self._ready:
            self._items -= 1
            self._bytes -= mirrored.size
        if mirrored.is_lost or not mirrored.knows_rules:
            return
        self._sinks[id(sink)] = sink
        sink.dirty = True
        try:
            body = json.loads(mirrored.body())
            ended = sink.target.record(
                mirrored.kind, mirrored.session_key, mirrored.session_id, body
            )
        except Exception as error:  # noqa: BLE001  the other place must not stop this one
            self._complain("record", f"a call was not mirrored: {type(error).__name__}: {error}")
            return
        if ended:
            self._ended = True

    def _deliver_what_ended(self) -> None:
        """Deliver when a session has ended and nothing else is waiting."""
        if self._ended and not self._queue:
            self._ended = False
            self._deliver()

    def _deliver(self) -> None:
        for sink in list(self._sinks.values()):
            if sink.dirty:
                sink.dirty = False
                try:
                    sink.target.flush()
                except Exception as error:  # noqa: BLE001  see _record
                    self._complain("flush", f"the mirror was not flushed: {error!r}")
            if not sink.target.is_open():
                del self._sinks[id(sink)]

    def _reach(self, mark: _Mark) -> None:
        if mark.last:
            self._look_at_waiting(0.0)
            for sink in list(self._sinks.values()):
                sink.dirty = True
                try:
                    sink.target.close()
                except Exception as error:  # noqa: BLE001  see _record
                    self._complain("close", f"the mirror was not closed: {error!r}")
        if mark.deliver:
            self._ended = False
            self._deliver()
        mark.reached.set()


def _is_ready(mirrored: Mirrored) -> bool:
    """Tell whether there is nothing to wait for: neither an id nor the rules of redaction."""
    return mirrored.is_lost or (mirrored.session_id is not None and mirrored.knows_rules)


# By process: a forked child starts an empty one, and takes no lock that it has inherited.
_mirrors: dict[int, _Mirror] = {}


def _here() -> _Mirror:
    """Return the mirror of this process."""
    pid = os.getpid()
    mirror = _mirrors.get(pid)
    if mirror is None:
        # Two threads may come here together; setdefault decides in one step.
        mirror = _mirrors.setdefault(pid, _Mirror())
        for other in [key for key in _mirrors if key != pid]:
            _mirrors.pop(other, None)
    return mirror


def sink_for(integration: Any, patience: float) -> Sink | None:
    """Return the end of a client with this integration; None if that is switched off.

    Args:
        integration: What the client got as ``langfuse``.
        patience: Seconds that the end of the process waits, as for the client itself.
    """
    # Asked of the class: a mock would answer to anything.
    make = getattr(type(integration), "mirror_target", None)
    if make is None:
        _log.emit([(_WARNING, "langfuse: nothing is mirrored; pass a LangfuseIntegration")])
        return None
    # It registers itself with the end of the threads, which is refused once that has begun: a
    # short program would end before its first call has loaded what it is mirrored to.
    import concurrent.futures.thread  # noqa: F401

    target = make(integration)
    return None if target is None else Sink(target, patience)


def flush(timeout: float) -> bool:
    """Deliver what was handed over; returns whether it was done in `timeout` seconds."""
    mirror = _mirrors.get(os.getpid())
    return mirror is None or mirror.settle(timeout, deliver=True)


def finish(elapsed: float, *, last: bool) -> None:
    """Deliver what is left at the end of the process.

    Args:
        elapsed: Seconds that were spent on it before: the end has one deadline.
        last: Nothing will be recorded any more.
    """
    mirror = _mirrors.get(os.getpid())
    if mirror is None:
        return
    budget = max(0.0, mirror.patience - elapsed)
    # Half of the time for the ids, half for what they are needed for.
    mirror.settle(budget, deliver=True, last=last, wait_for_ids=budget / 2)
    if last and mirror.left:
        _log.emit([(_WARNING, f"{mirror.left} calls were not mirrored before the process ended")])
        mirror.forget()


def _untraced() -> Any:
    """Return a block in which a span processor of ours records nothing, if there is one."""
    import contextlib
    import sys

    processor = sys.modules.get("sentrial.integrations.otel_processor")
    return contextlib.nullcontext() if processor is None else processor.untraced()
