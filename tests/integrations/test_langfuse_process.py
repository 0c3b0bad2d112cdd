"""The mirror and the life of the process: imports, forks, the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.integrations.langfuse_upstream import Upstream
from tests.process.forks import OWN_THREADS
from tests.process.scripts import run_script
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import RunPython
    from tests.process.scripts import Ran
    from tests.support.collector import Collector

MIRRORED = """
import logging, warnings
warnings.simplefilter("ignore")
from sentrial import LangfuseIntegration
client = SentrialClient(langfuse=LangfuseIntegration(public_key="pk", secret_key="sk"))

def work(user):
    with client.begin(user, "chat", "hello") as interaction:
        interaction.track_tool_call("t", {}, {})
        interaction.set_output("bye")
"""

TWO_SECONDS = {"SENTRIAL_SHUTDOWN_TIMEOUT": "2"}

real = pytest.mark.usefixtures("langfuse")


@pytest.fixture
def langfuse() -> None:
    pytest.importorskip("langfuse")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


def run(
    run_python: RunPython, collector: Collector, upstream: Upstream, code: str, **env: str
) -> Ran:
    # Importing Langfuse takes seconds on a busy machine, and belongs to the time for the end.
    env = {"SENTRIAL_SHUTDOWN_TIMEOUT": "20", **env}
    env |= {"LANGFUSE_HOST": upstream.url, "LANGFUSE_MEDIA_UPLOAD_ENABLED": "false"}
    return run_script(run_python, collector, MIRRORED + code, timeout=40, **env)


def users(upstream: Upstream) -> list[str]:
    return sorted(str(trace.user_id) for trace in upstream.traces() if trace.scores)


@real
def test_a_program_that_just_ends_is_mirrored_completely(
    collector: Collector, run_python: RunPython, upstream: Upstream
) -> None:
    code = "for n in range(5): work(f'u{n}')\nends()"
    ran = run(run_python, collector, upstream, code)
    assert ran.finished.exit == 0, ran.report()
    assert users(upstream) == [f"u{n}" for n in range(5)]
    assert len(collector.requests()) == 15


@real
def test_calls_of_an_exit_handler(
    collector: Collector, run_python: RunPython, upstream: Upstream
) -> None:
    code = "import atexit\natexit.register(lambda: work('late'))\n"
    ran = run(run_python, collector, upstream, code)
    assert ran.finished.exit == 0, ran.report()
    # Its sessions are recorded in any case.
    assert len(collector.requests()) == 3
    if sys.version_info[:2] == (3, 12):
        (line,) = ran.lines
        assert line.startswith("the program ends, and Python starts no thread for the mirror")
    else:
        (trace,) = upstream.traces()
        assert (trace.name, trace.user_id) == ("chat", "late")


@real
def test_a_session_that_is_not_completed_is_seen(
    collector: Collector, run_python: RunPython, upstream: Upstream
) -> None:
    code = "unfinished = client.begin('u', 'chat')\nunfinished.track_tool_call('t', {}, {})"
    run(run_python, collector, upstream, code)
    (trace,) = upstream.traces()
    assert (trace.name, trace.user_id) == ("chat", "u")
    assert [found.name for found in trace.observations] == ["t"]


@real
def test_exit_with_a_hanging_langfuse_has_one_deadline(
    collector: Collector, run_python: RunPython, upstream: Upstream
) -> None:
    upstream.hang()
    ran = run(run_python, collector, upstream, "work('u')\nends()", **TWO_SECONDS)
    assert ran.exit_took < 2 + 0.5 + 1
    # The sessions themselves were delivered.
    assert len(collector.requests()) == 3


@real
def test_exit_with_both_hanging_has_one_deadline(
    collector: Collector, run_python: RunPython, upstream: Upstream
) -> None:
    upstream.hang()
    collector.hold()
    ran = run(run_python, collector, upstream, "work('u')\nends()", **TWO_SECONDS)
    collector.release()
    assert ran.exit_took < 2 + 0.5 + 1


@real
def test_a_forked_child_mirrors_its_own(
    collector: Collector, run_python: RunPython, upstream: Upstream
) -> None:
    code = (
        OWN_THREADS
        + """
work("parent before")
client.flush()

def in_child():
    assert not [t for t in threading.enumerate() if t.name == "sentrial-mirror"]
    work("child")
    client.flush()

assert reap(child(in_child)) == 0
work("parent after")
client.flush()
"""
    )
    ran = run(run_python, collector, upstream, code)
    assert ran.finished.exit == 0, ran.report()
    assert users(upstream) == ["child", "parent after", "parent before"]
    # Nothing of the parent's was mirrored by the child, too.
    assert [len(trace.observations) for trace in upstream.traces()] == [1, 1, 1]


@real
def test_forks_while_other_threads_are_mirrored(
    collector: Collector, run_python: RunPython, upstream: Upstream
) -> None:
    code = (
        OWN_THREADS
        + """
# A fork in the middle of an import leaves half a module in the child, whatever is imported.
work("parent")
client.flush()
stop = threading.Event()

def busy():
    while not stop.is_set():
        work("parent")
        time.sleep(0.02)

threads = [threading.Thread(target=busy) for _ in range(3)]
for thread in threads:
    thread.start()
for n in range(4):
    def in_child():
        work(f"child {n}")
        client.flush(10)
    assert reap(child(in_child)) == 0
stop.set()
for thread in threads:
    thread.join()
"""
    )
    ran = run(run_python, collector, upstream, code)
    assert ran.finished.exit == 0, ran.report()
    assert not ran.all("hung")
    eventually(lambda: {f"child {n}" for n in range(4)} <= set(users(upstream)))


@real
def test_multiprocessing_child_is_mirrored(
    collector: Collector, run_python: RunPython, upstream: Upstream
) -> None:
    code = (
        OWN_THREADS
        + """
import multiprocessing
process = multiprocessing.get_context("fork").Process(target=work, args=("child",))
process.start()
process.join(20)
assert process.exitcode == 0
"""
    )
    run(run_python, collector, upstream, code)
    assert users(upstream) == ["child"]


@real
def test_nothing_starts_before_the_first_call(
    collector: Collector, run_python: RunPython, upstream: Upstream
) -> None:
    code = """
assert threading.active_count() == 1
assert "langfuse" not in sys.modules
assert not [name for name in sys.modules if name.startswith("opentelemetry.")]
"""
    ran = run(run_python, collector, upstream, code)
    assert ran.finished.exit == 0, ran.report()
    assert upstream.raw == []


ABSENT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "langfuse":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def test_without_the_package_nothing_is_mirrored(
    collector: Collector, run_python: RunPython
) -> None:
    code = (
        ABSENT
        + """
from sentrial import LangfuseIntegration
integration = LangfuseIntegration(public_key="a", secret_key="b")
assert (integration.enabled, integration.client) == (False, None)
client = SentrialClient(langfuse=integration)
with client.begin("u", "chat"):
    pass
"""
    )
    ran = run_script(run_python, collector, code)
    (line,) = ran.lines
    assert line.startswith("LangfuseIntegration needs langfuse, which is not installed")
    assert line.endswith("pip install -U 'sentrial[langfuse]'")
    assert len(collector.requests()) == 2
