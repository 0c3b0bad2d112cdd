"""Holding events back and sending them together.

`BatcherConfig` configures the client's own batching, which happens in the core. `EventBatcher` is
the documented stand-alone class for a send function of your own.
"""

from __future__ import annotations

import atexit
import functools
import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sentrial.exceptions import ConfigurationError

__all__ = ["BatcherConfig", "EventBatcher"]

SendFn = Callable[..., Any]

_THREAD_NAME = "sentrial-batcher"
# How long shutdown() and the exit of the process go on without an event being sent.
_SHUTDOWN_QUIET = 5.0
_EXIT_QUIET = 2.0
# How long the exit of the process takes at most while events are being sent.
_EXIT_LONGEST = 15.0
# Containers nested deeper than this are queued by reference; no JSON writer follows them anyway.
_DEEPEST = 64


@dataclass
class BatcherConfig:
    """How events are held back.

    Passing one to a client turns batching on, unless ``enabled=False`` is given explicitly.

    Attributes:
        enabled: Whether to batch. Shows False when left out, see `active`.
        flush_interval: The longest time in seconds an event is held. Default 1.0; above 0.
        flush_threshold: The number of held events at which they are sent. Default 10; at least 1.
        max_queue_size: The number of events held at most; the oldest makes room. Default 1000; at
            least 1.
    """

    enabled: bool = False
    flush_interval: float = 1.0
    flush_threshold: int = 10
    max_queue_size: int = 1000

    @property
    def active(self) -> bool:
        """Whether batching is on: always, unless ``enabled=False`` was given or assigned."""
        return self.enabled or not vars(self).get("_enabled_given", False)


def _remember_whether_enabled_was_given() -> None:
    """Wrap what `dataclass` made: its ``__init__`` cannot tell a default from a given False."""
    generated = BatcherConfig.__init__

    @functools.wraps(generated)
    def init(self: BatcherConfig, *args: Any, **kwargs: Any) -> None:
        generated(self, *args, **kwargs)
        vars(self)["_enabled_given"] = bool(args) or "enabled" in kwargs

    def assign(self: BatcherConfig, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        if name == "enabled":
            vars(self)["_enabled_given"] = True

    BatcherConfig.__init__ = init  # type: ignore[method-assign]
    # Not written in the class body, where it would make type checkers accept any attribute.
    BatcherConfig.__setattr__ = assign  # type: ignore[method-assign,assignment]


_remember_whether_enabled_was_given()


class _Item(NamedTuple):
    number: int
    queued: float
    method: str
    url: str
    kwargs: dict[str, Any]


class EventBatcher:
    """Sends events in order, in groups, on a thread of its own.

    The thread starts with the first event, lives while there is something to send, and is never
    started in a forked child before the child's own first event: what the parent has queued stays
    the parent's. Nothing here raises because of a failing `send_fn`; a failure and its end are each
    logged once, with the numbers.
    """

    def __init__(self, send_fn: SendFn, config: BatcherConfig | None = None) -> None:
        config = config or BatcherConfig()
        _check(config)
        self._send_fn = send_fn
        self._config = config
        self._closed = False
        self._refusing = False
        self._start_empty()
        _batchers.add(self)

    def enqueue(self, method: str, url: str, **kwargs: Any) -> None:
        """Queue one event; returns at once.

        Containers in `kwargs` are copied, so changing them afterwards does not change what is sent.
        When the queue is full the oldest event makes room. After `shutdown` the event is refused,
        with one warning.

        Args:
            method: First argument of the send function.
            url: Second argument of the send function.
            **kwargs: Further arguments of the send function.
        """
        self._follow_fork()
        seen: _Seen = {}
        snapshot = {name: _copied(value, _DEEPEST, seen) for name, value in kwargs.items()}
        note = ""
        with self._state:
            if self._closed:
                note = "" if self._refusing else "event refused: the batcher has been shut down"
                self._refusing = True
            else:
                if len(self._queue) >= self._config.max_queue_size:
                    self._queue.popleft()
                    self._dropped += 1
                    if self._dropped == 1:
                        note = "event queue full: the oldest events are dropped"
                self._numbered += 1
                item = _Item(self._numbered, time.monotonic(), method, url, snapshot)
                self._queue.append(item)
                self._ensure_thread()
                if len(self._queue) >= self._config.flush_threshold:
                    self._state.notify_all()
        if note:
            _warn(note)

    def flush(self) -> None:
        """Send all events queued so far, in order, and wait until they are sent.

        A batch that the timer is sending counts as queued so far.
        """
        self._follow_fork()
        with self._state:
            newest = self._numbered
        self._send_up_to(newest)

    def shutdown(self) -> None:
        """Send what is queued and refuse further events; a second call does nothing.

        Waits while events are being sent, and gives up 5 s after the last one that was.
        """
        self._follow_fork()
        with self._state:
            self._closed = True
            self._state.notify_all()
        self._drain(time.monotonic(), _SHUTDOWN_QUIET)

    @property
    def size(self) -> int:
        """The number of events waiting to be sent."""
        return 0 if self._pid != os.getpid() else len(self._queue)

    def _start_empty(self) -> None:
        """Begin without events, thread or held locks: at construction and in a forked child."""
        self._pid = os.getpid()
        # Reentrant, because a signal handler or a finaliser may queue an event at any point.
        self._state = threading.Condition(threading.RLock())
        # Held while sending, so that events leave one at a time and flush() waits for the timer.
        self._sending = threading.RLock()
        self._queue: deque[_Item] = deque()
        self._numbered = 0
        self._in_flight = 0
        self._last_sent = 0.0
        self._dropped = 0
        self._failed = 0
        self._thread: threading.Thread | None = None

    def _follow_fork(self) -> None:
        # For forks that run no hooks. Takes no lock: it may be one held by a thread of the parent.
        if self._pid != os.getpid():
            self._start_empty()

    def _ensure_thread(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=_THREAD_NAME, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # No thread can start while the interpreter ends: the exit hook sends instead.
                return
            self._thread = thread

    def _run(self) -> None:
        """Send batches until nothing is queued; the reference to self goes with the thread."""
        state = self._state
        while True:
            with state:
                if state is not self._state:
                    return  # a send function has forked: in the child this thread is not the sender
                while self._queue and (wait := self._time_to_batch()) > 0:
                    state.wait(wait)
                if not self._queue:
                    self._thread = None
                    return
                newest = self._numbered
            self._send_up_to(newest)

    def _time_to_batch(self) -> float:
        if self._closed or len(self._queue) >= self._config.flush_threshold:
            return 0.0
        return self._queue[0].queued + self._config.flush_interval - time.monotonic()

    def _send_up_to(self, newest: int, give_up: Callable[[], bool] | None = None) -> None:
        state = self._state
        with self._sending:
            while state is self._state and not (give_up and give_up()):
                with state:
                    if not self._queue or self._queue[0].number > newest:
                        break
                    item = self._queue.popleft()
                    self._in_flight += 1
                try:
                    self._send(item)
                finally:
                    # Not in the child of a send function that forked: there nothing is in flight.
                    if state is self._state:
                        with state:
                            self._in_flight -= 1
                            state.notify_all()
        self._note_room()

    def _send(self, item: _Item) -> None:
        try:
            self._send_fn(item.method, item.url, **item.kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the agent
            self._failed += 1
            if self._failed == 1:
                _warn("could not send an event: %s: %s", type(error).__name__, error)
        else:
            self._last_sent = time.monotonic()
            failed, self._failed = self._failed, 0
            if failed:
                _warn("events are sent again; %d failed", failed)

    def _note_room(self) -> None:
        with self._state:
            dropped = 0 if self._queue else self._dropped
            self._dropped -= dropped
        if dropped:
            _warn("event queue has room again; %d events were dropped", dropped)

    def _drain(self, started: float, quiet: float, longest: float = math.inf) -> None:
        """Wait until all is sent, while events go out at least every `quiet` seconds."""

        def left() -> float:
            until = min(max(started, self._last_sent) + quiet, started + longest)
            return until - time.monotonic()

        with self._state:
            newest = self._numbered
            # Queued events without a thread: none could be started.
            alone = self._thread is None and bool(self._queue)
        if alone:
            self._send_up_to(newest, give_up=lambda: left() <= 0)
        with self._state:
            while (self._queue or self._in_flight) and (wait := left()) > 0:
                self._state.wait(wait)
            lost = len(self._queue) + self._in_flight
            self._queue.clear()
            self._state.notify_all()
        if lost:
            _warn("gave up sending; %d events dropped", lost)


def _check(config: BatcherConfig) -> None:
    if not (math.isfinite(config.flush_interval) and config.flush_interval > 0):
        message = f"cannot be {config.flush_interval}; pass a finite number of seconds above 0"
        raise ConfigurationError("batching.flush_interval", message)
    for name in ("flush_threshold", "max_queue_size"):
        value = getattr(config, name)
        if value < 1:
            message = f"cannot be {value}; pass a whole number, 1 or more"
            raise ConfigurationError(f"batching.{name}", message)


# By id, what was copied already and its copy: shared and circular containers stay what they are.
# The original is kept so that its id cannot be given to another object meanwhile.
_Seen = dict[int, tuple[Any, Any]]


def _copied(value: Any, depth: int, seen: _Seen) -> Any:
    """Copy the containers JSON knows, share everything else."""
    if depth == 0 or id(value) in seen:
        return seen.get(id(value), (value, value))[1]
    # list() takes a snapshot in one step, whatever other threads do to the container.
    if isinstance(value, dict):
        mapping: dict[Any, Any] = {}
        seen[id(value)] = (value, mapping)
        for key, inner in list(value.items()):
            mapping[key] = _copied(inner, depth - 1, seen)
        return mapping
    if isinstance(value, list):
        sequence: list[Any] = []
        seen[id(value)] = (value, sequence)
        sequence.extend(_copied(inner, depth - 1, seen) for inner in list(value))
        return sequence
    if type(value) is tuple:
        return tuple(_copied(inner, depth - 1, seen) for inner in value)
    if isinstance(value, set):
        return set(value)
    return bytes(value) if isinstance(value, bytearray) else value


def _warn(message: str, *args: object) -> None:
    import logging  # loaded with the first thing there is to say

    logging.getLogger("sentrial").warning(message, *args)


_batchers: weakref.WeakSet[EventBatcher] = weakref.WeakSet()


def _in_child() -> None:
    for batcher in list(_batchers):
        batcher._start_empty()  # noqa: SLF001


def _at_exit() -> None:
    """Send what is left, under one deadline for all batchers of the process."""
    started = time.monotonic()
    for batcher in list(_batchers):
        batcher._follow_fork()  # noqa: SLF001
        with batcher._state:  # noqa: SLF001
            batcher._closed = True  # noqa: SLF001
            batcher._state.notify_all()  # noqa: SLF001
    for batcher in list(_batchers):
        batcher._drain(started, _EXIT_QUIET, _EXIT_LONGEST)  # noqa: SLF001


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
