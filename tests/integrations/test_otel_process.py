"""What concerns the whole process: the global provider, imports, forks, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("opentelemetry.sdk.trace")

from tests.process.scripts import run_script
from tests.support.sdk import KEY

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector

CHAT = """
from opentelemetry import trace

def chat(tracer, name="chat"):
    with tracer.start_as_current_span(name) as span:
        span.set_attribute("gen_ai.request.model", "gpt-4o")
"""


def test_without_a_global_provider_one_is_made(collector: Collector, run_python: RunPython) -> None:
    code = (
        CHAT
        + """
from sentrial import setup_otel_tracing
provider = setup_otel_tracing("shop")
assert trace.get_tracer_provider() is provider
assert setup_otel_tracing("shop") is provider
chat(trace.get_tracer("app"))
"""
    )
    ran = run_script(run_python, collector, code)
    assert ran.lines == ["tracing is set up already; this call changes nothing"]
    (session,) = collector.bodies("POST", "/api/sdk/sessions")
    assert session["agentName"] == "shop"
    assert [request.method for request in collector.requests()] == ["POST", "POST", "PATCH"]


def test_global_provider_that_is_set_stays(collector: Collector, run_python: RunPython) -> None:
    """DESIGN rule 1, FIELD complaint 15: 0.6.0 puts its own in the place of the program's."""
    code = (
        CHAT
        + """
from opentelemetry.sdk.trace import TracerProvider
from sentrial import setup_otel_tracing
own = TracerProvider()
trace.set_tracer_provider(own)
assert setup_otel_tracing("shop") is own
assert trace.get_tracer_provider() is own
chat(trace.get_tracer("app"))
"""
    )
    run_script(run_python, collector, code).ok()
    assert len(collector.requests()) == 3


def test_set_global_false_touches_nothing(collector: Collector, run_python: RunPython) -> None:
    code = (
        CHAT
        + """
from sentrial.otel import setup_otel_tracing
provider = setup_otel_tracing("shop", set_global=False)
assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
chat(trace.get_tracer("app"), "not ours")
chat(provider.get_tracer("app"))
"""
    )
    run_script(run_python, collector, code).ok()
    (event,) = collector.events()
    assert event["metadata"]["otel_span_name"] == "chat"


def test_global_provider_of_another_kind_stays(collector: Collector, run_python: RunPython) -> None:
    code = (
        CHAT
        + """
from sentrial import setup_otel_tracing

class Foreign(trace.TracerProvider):
    def get_tracer(self, *args, **kwargs):
        return trace.NoOpTracer()

trace.set_tracer_provider(Foreign())
provider = setup_otel_tracing("shop")
assert isinstance(trace.get_tracer_provider(), Foreign)
chat(provider.get_tracer("app"))
"""
    )
    ran = run_script(run_python, collector, code)
    (line,) = ran.lines
    assert line.startswith("the global tracer provider takes no span processors and stays as it is")
    assert len(collector.requests()) == 3


def test_spans_that_end_just_before_the_process_are_delivered(
    collector: Collector, run_python: RunPython
) -> None:
    code = (
        CHAT
        + """
from sentrial import setup_otel_tracing
tracer = setup_otel_tracing("shop").get_tracer("app")
open_root = tracer.start_span("never ends")
with trace.use_span(open_root):
    chat(tracer)
"""
    )
    run_script(run_python, collector, code).ok()
    assert [request.method for request in collector.requests()] == ["POST", "POST", "PATCH"]


def test_exit_with_a_hanging_server_has_one_deadline(
    collector: Collector, run_python: RunPython
) -> None:
    code = (
        CHAT
        + """
from sentrial import setup_otel_tracing
chat(setup_otel_tracing("shop").get_tracer("app"))
ends()
"""
    )
    collector.hold()
    ran = run_script(run_python, collector, code)
    collector.release()
    assert ran.exit_took < 2 + 0.5 + 0.5


def test_forked_child_records_its_own_and_leaves_the_parents(
    collector: Collector, run_python: RunPython
) -> None:
    code = (
        CHAT
        + """
from sentrial import setup_otel_tracing
provider = setup_otel_tracing("shop")
tracer = provider.get_tracer("app")

def work():
    processor = next(iter(sentrial.integrations.otel_processor._processors))
    chat(tracer, "chat in the child")
    with trace.use_span(trace.INVALID_SPAN):
        chat(tracer, "chat alone in the child")
    provider.shutdown()

with tracer.start_as_current_span("request"):
    chat(tracer, "chat in the parent")
    provider.force_flush()
    import sentrial.integrations.otel_processor
    pid = child(work)
    assert reap(pid) == 0
    chat(tracer, "chat in the parent again")
"""
    )
    run_script(run_python, collector, code).ok()
    names = [event["metadata"]["otel_span_name"] for event in collector.events()]
    assert sorted(names) == [
        "chat alone in the child",
        "chat in the child",
        "chat in the parent",
        "chat in the parent again",
    ]
    shared, alone = collector.bodies("POST", "/api/sdk/sessions")
    assert shared["metadata"] != alone["metadata"]
    # One for each session: the child did not complete what the parent goes on with.
    assert len(collector.requests("PATCH")) == 2
    assert all(len(group) == 1 for group in collector.by_idempotency_key().values())


ABSENT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def test_without_the_package_the_names_exist_and_say_what_to_do(run_python: RunPython) -> None:
    code = (
        ABSENT
        + """
import sentrial, sentrial.otel
from sentrial import SentrialSpanProcessor, setup_otel_tracing
assert sentrial.otel.OTEL_AVAILABLE is False
for use in (SentrialSpanProcessor, setup_otel_tracing):
    try:
        use()
    except ImportError as error:
        print(error)
"""
    )
    ran = run_python(code).ok()
    assert ran.stdout.splitlines() == [
        f"{name} needs opentelemetry-sdk, which is not installed: pip install -U 'sentrial[otel]'"
        for name in ("SentrialSpanProcessor", "setup_otel_tracing")
    ]


def test_opentelemetry_is_not_imported_unless_used(run_python: RunPython) -> None:
    code = """
import sys
import sentrial, sentrial.otel
sentrial.SentrialClient(api_url="http://127.0.0.1:1", api_key="sentrial_live_0123456789")
print([name for name in sys.modules if name.startswith("opentelemetry.")])
"""
    assert run_python(code).ok().stdout == "[]\n"


def test_without_a_key_nothing_is_recorded_and_nothing_raised(run_python: RunPython) -> None:
    code = (
        CHAT
        + """
import sentrial
provider = sentrial.setup_otel_tracing("shop")
chat(trace.get_tracer("app"))
provider.shutdown()
print(sentrial.stats()["accepted"])
"""
    )
    ran = run_python(code)
    assert ran.exit == 0
    assert ran.stdout == "0\n"
    assert KEY not in ran.stderr
