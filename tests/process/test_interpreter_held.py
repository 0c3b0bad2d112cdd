"""The delivery thread never attaches to Python: it works while the interpreter is held."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.process.scripts import run_script
from tests.support.answers import Answer

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector

EVENTS = 20

#: `PyDLL` calls C without giving the interpreter's lock away.
HELD = f"""
import ctypes
held = ctypes.PyDLL(None)
client = SentrialClient()
interaction = client.begin("u", "chat")
for n in range({EVENTS}):
    call(interaction, f"t{{n}}")
interaction.finish()
say("held", time.monotonic())
held.usleep(3_000_000)
say("given back", time.monotonic())
say("then", client.stats())
"""


def test_everything_is_delivered_while_the_program_holds_the_interpreter(
    collector: Collector, run_python: RunPython
) -> None:
    """Also what it has to say waits meanwhile: the refusals are one line, told afterwards."""
    collector.script("POST", "/api/sdk/events", Answer(400), 503)
    ran = run_script(run_python, collector, HELD)
    assert ran.finished.exit == 0, ran.report()
    back = ran.one("given back")
    completed = [r for r in collector.requests("PATCH") if r.accepted]
    assert len(completed) == 1
    assert all(request.arrived < back for request in collector.requests()), ran.report()
    stats = ran.one("then")
    assert (stats["delivered"], stats["pending"]) == (EVENTS + 1, 0)
    assert stats["dropped"] == {"rejected_400": 1}
    assert any(re.search("400", line) for line in ran.lines), ran.report()
