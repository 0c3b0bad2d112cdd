"""After the system has refused a thread or a descriptor, whatever waits asks for it again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.process.forks import tools
from tests.process.scripts import run_script

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.process.scripts import Ran
    from tests.support.collector import Collector

#: Two ways to have no thread: no descriptor for its runtime, and no thread at all. The limit of
#: processes does not hold for root, who becomes another user; what is needed is imported before.
REFUSALS = {
    "descriptor": """
import resource

def refuse():
    global limits
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, limits[1]))

def grant():
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
""",
    "thread": """
import resource

def refuse():
    global limits
    limits = resource.getrlimit(resource.RLIMIT_NPROC)
    os.setresuid(54321, 54321, 0)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, limits[1]))

def grant():
    os.setresuid(0, 0, 0)
    resource.setrlimit(resource.RLIMIT_NPROC, limits)
""",
}

#: What the program does once it is granted, and in which delivery.
WAITS = {
    "flush": ("", "client.flush(5)"),
    "flush of all": ("", "sentrial.flush(5)"),
    "close": ("", "client.close()"),
    "create_session": ("", "assert client.create_session('n')"),
    "session_id": ("", "assert interaction.session_id"),
    "receipt": ("", "assert receipt['id']"),
    "durable": ("spool='durable'", "client.flush(5)"),
    "exit": ("", ""),
}

SCRIPT = """
import logging, sentrial._log
{refusal}
client = SentrialClient({options})
refuse()
interaction = client.begin("u", "chat")
receipt = interaction.track_tool_call("t", {{}}, {{}})
grant()
started = time.monotonic()
{waits}
say("took", time.monotonic() - started)
if {waits!r}:
    assert client.stats()["delivered"] > 0, client.stats()
interaction.finish()
"""


def run_refused(run_python: RunPython, collector: Collector, refusal: str, how: str) -> Ran:
    if refusal == "thread" and os.getuid() != 0:
        pytest.skip("only root can become a user whose threads are counted")
    options, waits = WAITS[how]
    code = SCRIPT.format(refusal=REFUSALS[refusal], options=options, waits=waits)
    return run_script(run_python, collector, code)


@pytest.mark.parametrize("how", WAITS)
@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_waits_asks_again(
    collector: Collector, run_python: RunPython, refusal: str, how: str
) -> None:
    ran = run_refused(run_python, collector, refusal, how)
    assert ran.finished.exit == 0, ran.report()
    # Once, whatever was tried meanwhile.
    assert len(ran.lines) == 1, ran.report()
    assert "the delivery thread cannot start" in ran.lines[0]
    assert ran.one("took") < 1
    assert tools(collector) == {"t": 1}
    assert len(collector.requests("PATCH")) == 1


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_waits_already_goes_on_once_it_is_granted(
    collector: Collector, run_python: RunPython, refusal: str
) -> None:
    code = f"""
{REFUSALS[refusal]}
client = SentrialClient()
refuse()
client.track_tool_call("s", "t", {{}}, {{}})

def handler(*_):
    grant()

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.3)
started = time.monotonic()
client.flush(10)
say("took", time.monotonic() - started)
"""
    if refusal == "thread" and os.getuid() != 0:
        pytest.skip("only root can become a user whose threads are counted")
    ran = run_script(run_python, collector, code)
    assert ran.finished.exit == 0, ran.report()
    assert 0.25 < ran.one("took") < 2
    assert tools(collector) == {"t": 1}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_waits_in_an_event_loop_goes_on_once_it_is_granted(
    collector: Collector, run_python: RunPython, refusal: str
) -> None:
    code = f"""
import asyncio, logging, sentrial.async_client, sentrial._log, sentrial._loop
{REFUSALS[refusal]}
async def program():
    client = sentrial.AsyncSentrialClient()
    refuse()
    async with client.begin("u", "chat") as interaction:
        await interaction.track_tool_call("t", {{}}, {{}})
    asyncio.get_running_loop().call_later(0.3, grant)
    started = time.monotonic()
    await client.flush(10)
    say("took", time.monotonic() - started)

asyncio.run(program())
"""
    if refusal == "thread" and os.getuid() != 0:
        pytest.skip("only root can become a user whose threads are counted")
    ran = run_script(run_python, collector, code)
    assert ran.finished.exit == 0, ran.report()
    assert 0.25 < ran.one("took") < 2
    assert tools(collector) == {"t": 1}
