"""What a program does over and over keeps nothing: memory is level, however long it runs."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import pytest

from tests.support.collector import Collector
from tests.support.sdk import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import RunPython

# What the allocator has in use, not what the process occupies: fragments play no part.
pytestmark = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs mallinfo2 of glibc 2.33"
)

PRELUDE = """
import asyncio, contextvars, ctypes, gc, os, sys, threading, sentrial

class Info(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info

def used():
    gc.collect()
    info = libc.mallinfo2()
    return info.uordblks + info.hblkhd

def run(numbers):
    for number in numbers:
        work(number)
        # Often, so that few connections are opened: their buffers come and go.
        if number % 8 == 7:
            sentrial.flush(60)
    sentrial.flush(60)
    return used()

def measure(warm, count):
    before = run(range(warm))
    after = run(range(warm, warm + count))
    print(round((after - before) / count), len(os.listdir("/proc/self/fd")))

client = sentrial.SentrialClient(spool="off")
"""

BEGIN = """
def work(number):
    with client.begin("u", "e") as interaction:
        interaction.track_tool_call("t", {"n": number}, {})
"""

#: Each with the rounds that bring it to its level: what is remembered for a while is bounded.
WORK = {
    "sessions begun": (2000, 4000, BEGIN),
    "sessions begun and dropped": (2000, 4000, "def work(number): client.begin('u', 'e')"),
    "receipts nobody reads": (2000, 4000, "def work(number): client.track_decision('s', 'r')"),
    "events with keys of their own": (
        2000,
        4000,
        "def work(number): client.track_error('s', f'e {number}', error_type=f'T{number}')",
    ),
    "contexts": (
        11_000,
        6000,
        """
def inside(number):
    client.update_state("n", number)
    sentrial.set_session_context(f"s{number}", client)
    client.track_decision(f"s{number}", "r")

def work(number):
    contextvars.copy_context().run(inside, number)
""",
    ),
    "threads": (
        200,
        400,
        """
def inside(number):
    client.update_state("n", number)
    with client.begin("u", "e") as interaction:
        interaction.track_tool_call("t", {"n": number}, {})

def work(number):
    thread = threading.Thread(target=inside, args=(number,))
    thread.start()
    thread.join()
""",
    ),
    "event loops": (
        200,
        400,
        """
shared = sentrial.AsyncSentrialClient(spool="off")

async def inside(client):
    async with client.begin("u", "e") as interaction:
        await interaction.track_tool_call("t", {}, {})
    await client.flush()

def work(number):
    client = shared if number % 2 else sentrial.AsyncSentrialClient(spool="off")
    asyncio.run(inside(client))
""",
    ),
    "clients": (
        200,
        400,
        """
def work(number):
    client = sentrial.SentrialClient(api_key=f"sentrial_live_{number:024d}", spool="off")
    client.track_decision("s", "r")
""",
    ),
    "clients that record nothing": (
        500,
        2000,
        "def work(number): sentrial.SentrialClient(spool='off')",
    ),
    "configure": (
        200,
        400,
        """
def work(number):
    sentrial.configure(spool="off")
    with sentrial.begin("u", "e") as interaction:
        interaction.track_tool_call("t", {"n": number}, {})
""",
    ),
}


class _Forgetful(list[object]):
    """Requests that are answered and not kept."""

    def append(self, _: object) -> None:
        pass


@pytest.fixture
def forgetful() -> Iterator[Collector]:
    with Collector() as collector:
        collector._requests = _Forgetful()  # type: ignore[assignment]
        yield collector


def kept_per_round(run_python: RunPython, url: str, code: str, timeout: float) -> tuple[int, int]:
    env = {
        "SENTRIAL_API_URL": url,
        "SENTRIAL_API_KEY": KEY,
        # One place for everything, so that what is in use is exact; also what Python allocates.
        "MALLOC_ARENA_MAX": "1",
        "PYTHONMALLOC": "malloc",
    }
    done = run_python(PRELUDE + code, env=env, timeout=timeout).ok()
    kept, descriptors = done.stdout.split()
    return int(kept), int(descriptors)


@pytest.mark.timeout(150)
@pytest.mark.parametrize(("warm", "count", "work"), WORK.values(), ids=WORK.keys())
def test_nothing_is_kept(
    run_python: RunPython, forgetful: Collector, warm: int, count: int, work: str
) -> None:
    code = f"{work}\nmeasure({warm}, {count})"
    kept, descriptors = kept_per_round(run_python, forgetful.url, code, 140)
    # Buffers that grow with what happens to be in flight are some kilobytes in all.
    assert kept < 20 + 100_000 / count
    assert descriptors < 300


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_million_sessions_keep_nothing(run_python: RunPython, forgetful: Collector) -> None:
    code = f"{BEGIN}\nmeasure(20_000, 1_000_000)"
    kept, _ = kept_per_round(run_python, forgetful.url, code, 3500)
    # 140 bytes each were 140 MB.
    assert kept == 0
