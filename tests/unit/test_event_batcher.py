"""The stand-alone batcher: order, bounds, fork, exit, and none of the recorded defects B1-B10."""

from __future__ import annotations

import copy
import dataclasses
import gc
import inspect
import logging
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from sentrial.batcher import BatcherConfig, EventBatcher
from sentrial.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

HELD = BatcherConfig(flush_interval=60, flush_threshold=1000)


class Sink:
    """A send function that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, method: str, url: str, **kwargs: Any) -> None:
        """Stand in for a send function."""
        assert method == "POST"
        self.sent.append((url, kwargs))

    @property
    def urls(self) -> list[str]:
        """What was sent, in order."""
        return [url for url, _ in self.sent]


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until, "did not happen within 5 s"
        time.sleep(0.005)


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30
    )


def test_flush_sends_in_order_and_passes_the_arguments() -> None:
    sink = Sink()
    batcher = EventBatcher(sink, HELD)
    for number in range(5):
        batcher.enqueue("POST", f"/{number}", json={"n": number}, timeout=3)
    assert batcher.size == 5
    assert sink.sent == []
    batcher.flush()
    assert batcher.size == 0
    assert sink.sent == [(f"/{n}", {"json": {"n": n}, "timeout": 3}) for n in range(5)]
    batcher.shutdown()


def test_threshold_and_timer_send() -> None:
    sink = Sink()
    batcher = EventBatcher(sink, BatcherConfig(flush_interval=60, flush_threshold=3))
    for number in range(3):
        batcher.enqueue("POST", f"/{number}")
    eventually(lambda: len(sink.sent) == 3)
    batcher.shutdown()
    timed = EventBatcher(sink, BatcherConfig(flush_interval=0.05))
    timed.enqueue("POST", "/timed")
    eventually(lambda: len(sink.sent) == 4)
    timed.shutdown()


def test_b1_flush_waits_for_the_batch_in_progress() -> None:
    release, started = threading.Event(), threading.Event()
    sent: list[str] = []

    def slow(_method: str, url: str) -> None:
        started.set()
        release.wait(5)
        sent.append(url)

    batcher = EventBatcher(slow, BatcherConfig(flush_threshold=1))
    batcher.enqueue("POST", "/event")
    started.wait(5)
    threading.Timer(0.1, release.set).start()
    batcher.flush()
    assert sent == ["/event"]
    batcher.shutdown()


def test_b2_the_caller_does_not_pay_at_the_threshold() -> None:
    release = threading.Event()
    batcher = EventBatcher(lambda *_: release.wait(5), BatcherConfig(flush_threshold=2))
    began = time.monotonic()
    for _ in range(20):
        batcher.enqueue("POST", "/e")
    assert time.monotonic() - began < 1
    release.set()
    batcher.shutdown()


def test_b3_errors_are_logged_once_per_change(caplog: pytest.LogCaptureFixture) -> None:
    broken = True

    def send(*_: str) -> None:
        if broken:
            raise OSError("refused")

    batcher = EventBatcher(send, HELD)
    for _ in range(10):
        batcher.enqueue("POST", "/e")
    batcher.flush()
    assert caplog.messages == ["could not send an event: OSError: refused"]
    broken = False
    batcher.enqueue("POST", "/e")
    batcher.flush()
    assert caplog.messages[1:] == ["events are sent again; 10 failed"]
    batcher.shutdown()


def test_b4_no_thread_before_the_first_event_and_none_left_behind() -> None:
    sink = Sink()
    batcher = EventBatcher(sink, BatcherConfig(flush_interval=0.01))
    assert batcher._thread is None
    batcher.enqueue("POST", "/e")
    thread = batcher._thread
    assert thread is not None
    assert thread.name == "sentrial-batcher"
    assert thread.daemon
    gone = weakref.ref(batcher)
    del batcher
    thread.join(5)
    assert not thread.is_alive()
    gc.collect()
    assert gone() is None
    assert sink.urls == ["/e"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_b6_a_forked_child_starts_empty_and_works() -> None:
    reader, writer = os.pipe()
    batcher = EventBatcher(
        lambda _method, url: os.write(writer, f"{os.getpid()} {url}\n".encode()),
        BatcherConfig(flush_interval=60),
    )
    batcher.enqueue("POST", "/parent")
    with batcher._state:  # held at the fork, as by another thread
        pid = os.fork()
        if pid == 0:
            batcher.enqueue("POST", "/child")
            batcher.shutdown()
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    batcher.shutdown()
    os.close(writer)
    with os.fdopen(reader) as lines:
        assert sorted(lines) == sorted([f"{pid} /child\n", f"{os.getpid()} /parent\n"])


def test_b6_a_fork_without_hooks_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Sink()
    batcher = EventBatcher(sink, HELD)
    batcher.enqueue("POST", "/parent")
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert batcher.size == 0
    batcher.enqueue("POST", "/child")
    batcher.shutdown()
    assert sink.urls == ["/child"]


def test_b7_exit_is_bounded_and_says_what_is_lost() -> None:
    began = time.monotonic()
    done = run(
        "import time; from sentrial.batcher import BatcherConfig, EventBatcher\n"
        "for _ in range(3):\n"
        "    b = EventBatcher(lambda *_: time.sleep(60), BatcherConfig(flush_threshold=1))\n"
        "    b.enqueue('POST', '/a'); b.enqueue('POST', '/b')\n"
    )
    assert done.returncode == 0
    assert time.monotonic() - began < 5
    assert done.stderr.count("gave up sending; 2 events dropped") == 3


def test_b7_exit_sends_what_is_queued() -> None:
    done = run(
        "from sentrial.batcher import BatcherConfig, EventBatcher\n"
        "b = EventBatcher(lambda m, u: print(m, u, flush=True), BatcherConfig(flush_interval=60))\n"
        "for n in range(3): b.enqueue('POST', f'/{n}')\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["POST /0", "POST /1", "POST /2"]


def test_b8_later_changes_are_not_sent() -> None:
    sink = Sink()
    batcher = EventBatcher(sink, HELD)
    messages: list[Any] = [{"role": "user"}]
    payload: dict[str, Any] = {"messages": messages, "pair": (messages, 1), "tags": {"a"}}
    batcher.enqueue("POST", "/e", json=payload)
    messages[0]["role"] = "changed"
    messages.append("added")
    payload["tags"].add("b")
    payload["more"] = True
    batcher.flush()
    assert sink.sent[0][1]["json"] == {
        "messages": [{"role": "user"}],
        "pair": ([{"role": "user"}], 1),
        "tags": {"a"},
    }
    batcher.shutdown()


def test_b8_circular_and_deep_values_are_queued() -> None:
    sink = Sink()
    batcher = EventBatcher(sink, HELD)
    circular: dict[str, Any] = {}
    circular.update(a=circular, b=circular, c=[circular, (circular,)])
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    batcher.enqueue("POST", "/e", json=circular, deep=deep)
    batcher.flush()
    sent = sink.sent[0][1]["json"]
    assert sent is not circular
    assert sent["a"] is sent["c"][0] is sent
    batcher.shutdown()


def test_b9_events_after_shutdown_are_refused_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Sink()
    batcher = EventBatcher(sink, HELD)
    batcher.enqueue("POST", "/before")
    batcher.shutdown()
    batcher.shutdown()
    for _ in range(3):
        batcher.enqueue("POST", "/after")
    batcher.flush()
    assert sink.urls == ["/before"]
    assert batcher.size == 0
    assert caplog.messages == ["event refused: the batcher has been shut down"]


def test_b10_dropping_is_logged_when_it_begins_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink()
    config = BatcherConfig(flush_interval=60, flush_threshold=100, max_queue_size=3)
    batcher = EventBatcher(sink, config)
    for number in range(10):
        batcher.enqueue("POST", f"/{number}")
    assert batcher.size == 3
    batcher.flush()
    assert sink.urls == ["/7", "/8", "/9"]
    assert caplog.messages == [
        "event queue full: the oldest events are dropped",
        "event queue has room again; 7 events were dropped",
    ]
    batcher.shutdown()


def test_eight_threads_lose_and_double_nothing() -> None:
    sink = Sink()
    batcher = EventBatcher(sink, BatcherConfig(flush_interval=0.005, flush_threshold=7))

    def work(worker: int) -> None:
        for number in range(100):
            batcher.enqueue("POST", f"/{worker}/{number}")
            if number % 10 == 0:
                batcher.flush()

    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    batcher.shutdown()
    for worker_number in range(8):
        mine = [url for url in sink.urls if url.startswith(f"/{worker_number}/")]
        assert mine == [f"/{worker_number}/{number}" for number in range(100)]


def test_a_send_function_may_use_the_batcher() -> None:
    sent: list[str] = []

    def send(_method: str, url: str) -> None:
        sent.append(url)
        if url == "/first":
            batcher.enqueue("POST", "/nested")
            batcher.flush()

    batcher = EventBatcher(send, HELD)
    batcher.enqueue("POST", "/first")
    batcher.enqueue("POST", "/second")
    batcher.flush()
    assert sent == ["/first", "/second", "/nested"]
    batcher.shutdown()


def test_shutdown_gives_up_on_a_hanging_send_function(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sentrial.batcher._SHUTDOWN_QUIET", 0.1)
    release = threading.Event()
    batcher = EventBatcher(lambda *_: release.wait(10), BatcherConfig(flush_threshold=1))
    batcher.enqueue("POST", "/a")
    batcher.enqueue("POST", "/b")
    began = time.monotonic()
    batcher.shutdown()
    release.set()
    assert time.monotonic() - began < 3
    assert caplog.messages == ["gave up sending; 2 events dropped"]


def test_without_a_thread_shutdown_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    sink = Sink()
    batcher = EventBatcher(sink, BatcherConfig(flush_threshold=1))
    batcher.enqueue("POST", "/a")
    batcher.enqueue("POST", "/b")
    batcher.shutdown()
    assert sink.urls == ["/a", "/b"]


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"flush_interval": 0}, "batching.flush_interval"),
        ({"flush_interval": float("nan")}, "batching.flush_interval"),
        ({"flush_interval": float("inf")}, "batching.flush_interval"),
        ({"flush_threshold": 0}, "batching.flush_threshold"),
        ({"max_queue_size": -1}, "batching.max_queue_size"),
    ],
)
def test_a_bad_config_is_named(given: dict[str, Any], parameter: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        EventBatcher(print, BatcherConfig(**given))
    assert caught.value.parameter == parameter


def test_d9_a_config_is_active_unless_it_was_switched_off() -> None:
    assert BatcherConfig().active
    assert BatcherConfig(flush_interval=2).active
    assert BatcherConfig(enabled=True).active
    assert not BatcherConfig(enabled=False).active
    assert not BatcherConfig(False).active
    assigned = BatcherConfig()
    assigned.enabled = False
    assert not assigned.active
    for twin in (copy.copy, copy.deepcopy, lambda config: pickle.loads(pickle.dumps(config))):  # noqa: S301
        assert twin(BatcherConfig()).active
        assert not twin(BatcherConfig(enabled=False)).active


def test_the_config_is_the_documented_dataclass() -> None:
    assert repr(BatcherConfig()) == (
        "BatcherConfig(enabled=False, flush_interval=1.0, flush_threshold=10, max_queue_size=1000)"
    )
    assert BatcherConfig() == BatcherConfig(enabled=False)
    assert BatcherConfig(True, 2.0, 3, 4) == BatcherConfig(
        enabled=True, flush_interval=2.0, flush_threshold=3, max_queue_size=4
    )
    assert list(inspect.signature(BatcherConfig).parameters) == [
        "enabled",
        "flush_interval",
        "flush_threshold",
        "max_queue_size",
    ]
    assert dataclasses.asdict(BatcherConfig(flush_threshold=3))["flush_threshold"] == 3


def test_warnings_go_to_the_documented_logger(caplog: pytest.LogCaptureFixture) -> None:
    batcher = EventBatcher(print, HELD)
    batcher.shutdown()
    batcher.enqueue("POST", "/e")
    assert [(r.name, r.levelno) for r in caplog.records] == [("sentrial", logging.WARNING)]
