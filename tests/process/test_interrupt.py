"""Ctrl-C gets a program out of every call that waits, and the program can go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.process.scripts import run_script

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.process.scripts import Ran

ROOT = Path(__file__).resolve().parents[2]

#: The collector lives in the script, which opens its gate after the interrupt.
SCRIPT = f"""
import subprocess
sys.path.insert(0, {str(ROOT)!r})
from tests.support.collector import Collector

collector = Collector().start()
collector.hold()

def strike_soon():
    # From another process, as a terminal does it.
    return subprocess.Popen(["sh", "-c", f"sleep 0.4; date +%s.%N; kill -INT {{os.getpid()}}"],
                            stdout=subprocess.PIPE)

def interrupted(wait):
    before = signal.getsignal(signal.SIGINT)
    with strike_soon() as striker:
        try:
            say("returned", repr(wait()))
        except KeyboardInterrupt:
            now = time.time()
            say("took", now - float(striker.stdout.read()))
    assert signal.getsignal(signal.SIGINT) is before
"""

GO_ON = """
collector.release()
with client.begin("after", "chat") as interaction:
    call(interaction, "after")
client.flush(10)
say("after", [event["toolName"] for event in collector.events() if event["toolName"] == "after"])
say("created", [body["agentName"] for body in collector.bodies("POST", "/api/sdk/sessions")])
collector.stop()
"""

BACKGROUND = """
client = SentrialClient(api_url=collector.url, wait_timeout=25, shutdown_timeout=25)
interaction = client.begin("u", "chat")
receipt = call(interaction, "t")
collector.wait_for(1)
"""

IMMEDIATE = """
client = SentrialClient(api_url=collector.url, batching=False, timeout=25)
"""

LOUD = """
client = SentrialClient(api_url=collector.url, fail_silently=False, timeout=25)
"""

WAITS = {
    "flush": (BACKGROUND, "client.flush(25)"),
    "sentrial.flush": (BACKGROUND, "sentrial.flush(25)"),
    "create_session": (BACKGROUND, "client.create_session('n')"),
    "session_id": (BACKGROUND, "interaction.session_id"),
    "get_session_context": (BACKGROUND, "sentrial.get_session_context()"),
    "receipt": (BACKGROUND, "dict(receipt)"),
    "json.dumps": (BACKGROUND, "json.dumps(receipt)"),
    "shutdown": (BACKGROUND, "client.shutdown()"),
    "close": (BACKGROUND, "client.close()"),
    "immediate begin": (IMMEDIATE, "client.begin('u', 'chat')"),
    "immediate create_session": (IMMEDIATE, "client.create_session('n')"),
    "immediate track_tool_call": (IMMEDIATE, "call(client, 't', 's')"),
    "immediate complete_session": (IMMEDIATE, "client.complete_session('s')"),
    "loud create_session": (LOUD, "client.create_session('n')"),
    "loud track_tool_call": (LOUD, "call(client, 't', 's')"),
}


def check(ran: Ran) -> None:
    ran.ok()
    assert not ran.all("returned"), ran.report()
    assert ran.one("took") < 1


@pytest.mark.parametrize(("client", "wait"), WAITS.values(), ids=WAITS.keys())
def test_ctrl_c_in_a_waiting_call(
    refusing: str, run_python: RunPython, client: str, wait: str
) -> None:
    ran = run_script(run_python, refusing, SCRIPT + client + f"interrupted(lambda: {wait})" + GO_ON)
    check(ran)
    assert ran.one("after") == ["after"]


def test_a_create_that_was_interrupted_before_it_was_sent_is_withdrawn(
    refusing: str, run_python: RunPython
) -> None:
    code = """
client = SentrialClient(api_url=collector.url, wait_timeout=25)
for n in range(64):
    call(client, "t", f"s{n}")
eventually(lambda: collector.in_flight == 64)
interrupted(lambda: client.create_session("orphan"))
"""
    ran = run_script(run_python, refusing, SCRIPT + code + GO_ON)
    check(ran)
    assert ran.one("created") == ["chat"]
    assert ran.stats["dropped"] == {"create_abandoned": 1}


def test_a_handler_of_the_program_runs_while_a_call_waits(
    refusing: str, run_python: RunPython
) -> None:
    code = """
client = SentrialClient(api_url=collector.url)
call(client, "t", "s")
seen = []
signal.signal(signal.SIGTERM, lambda *_: (seen.append(time.monotonic()), collector.release()))
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
started = time.monotonic()
client.flush(20)
say("flushed", time.monotonic() - started)
say("delivered", client.stats()["delivered"])
say("handled", len(seen))
collector.stop()
"""
    ran = run_script(run_python, refusing, SCRIPT + code).ok()
    assert (ran.one("handled"), ran.one("delivered")) == (1, 1)
    assert ran.one("flushed") < 2


def test_ctrl_c_at_exit_ends_the_process(refusing: str, run_python: RunPython) -> None:
    code = """
client = SentrialClient(api_url=collector.url, shutdown_timeout=25)
call(client, "t", "s")
collector.wait_for(1)
os.system(f"(sleep 0.6; kill -INT {os.getpid()}) &")
ends()
"""
    ran = run_script(run_python, refusing, SCRIPT + code)
    assert 0.4 < ran.exit_took < 3, ran.report()


def test_no_signal_handler_is_touched(refusing: str, run_python: RunPython) -> None:
    code = """
numbers = [n for n in signal.valid_signals() if n not in (signal.SIGKILL, signal.SIGSTOP)]
def masks():
    # Without 32 and 33, which glibc keeps to itself.
    with open("/proc/self/status") as status:
        lines = [line.split() for line in status]
    wanted = ("SigBlk:", "SigIgn:", "SigCgt:")
    return [int(line[1], 16) & ~(3 << 31) for line in lines if line[0] in wanted]
before = [signal.getsignal(n) for n in numbers], masks()
client = SentrialClient(shutdown_timeout=0)
client.begin("u", "chat").finish()
client.flush(0.5)
eventually(lambda: client.stats()["state"] == "down")
say("same", before == ([signal.getsignal(n) for n in numbers], masks()))
"""
    ran = run_script(run_python, refusing, code)
    assert ran.one("same") is True
