"""One client in several event loops, in loops of every kind, and after a loop has closed."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import _loop, async_client

from tests.asynchronous.helpers import async_client as make
from tests.asynchronous.helpers import until
from tests.process.scripts import STRICT
from tests.support.sdk import KEY, in_loop, in_thread

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector


async def work(client: sentrial.AsyncSentrialClient, user: str = "u") -> str | None:
    async with client.begin(user, "chat") as interaction:
        receipt = await interaction.track_tool_call("t", {}, {})
        assert (await receipt)["toolName"] == "t"  # type: ignore[misc]
    await client.flush()
    return await interaction.get_session_id()


def test_a_client_outlives_its_loop(collector: Collector) -> None:
    client = make(collector)
    for number in range(1, 4):
        assert in_loop(work(client)) == f"sess_u_chat_{number}"
    assert client.stats()["pending"] == 0


def test_the_default_client_works_in_a_second_loop(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A7: no "Event loop is closed" reaches the program."""
    monkeypatch.setattr(async_client, "_default", None)
    monkeypatch.setattr("sentrial.client._configured", None)
    monkeypatch.setenv("SENTRIAL_API_URL", collector.url)
    monkeypatch.setenv("SENTRIAL_API_KEY", KEY)

    async def run() -> None:
        async with sentrial.begin_async("u", "chat") as interaction:
            await interaction.track_decision("r")
        await interaction.client.flush()

    in_loop(run())
    in_loop(run())
    assert len(collector.requests("PATCH")) == 2


def test_one_client_in_many_loops_at_once(collector: Collector) -> None:
    client = make(collector)
    with collector.gate():
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda n=n: found.append(in_loop(work(client, f"u{n}"))))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        collector.wait_for(8)
    for thread in threads:
        thread.join(20)
    assert sorted(found) == [f"sess_u{n}_chat_1" for n in range(8)]


def test_what_belongs_to_a_loop_goes_with_it(collector: Collector) -> None:
    client = make(collector)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work(client))
    waits = weakref.ref(_loop._watchers[loop])
    loop.close()
    del loop
    gc.collect()
    assert waits() is None


def test_a_loop_closed_while_somebody_waits_is_let_go(collector: Collector) -> None:
    client = make(collector)
    loop = asyncio.new_event_loop()
    # A loop that is given up like this complains about the task; nobody is to hear that here.
    loop.set_exception_handler(lambda *_: None)
    with collector.gate():

        async def start() -> None:
            task = asyncio.ensure_future(client.create_session("n"))
            await until(lambda: len(collector.requests()) == 1)
            assert not task.done()

        loop.run_until_complete(start())
        loop.close()
        gone = weakref.ref(loop)
        del loop
        gc.collect()
        assert gone() is None
    assert in_loop(client.create_session("again")) is not None


class Blind(asyncio.SelectorEventLoop):
    """A loop that cannot watch descriptors, as the ProactorEventLoop of Windows."""

    def add_reader(self, *_: Any) -> None:  # type: ignore[override]
        """Refuse, as such a loop does."""
        raise NotImplementedError


def test_a_loop_that_cannot_watch_descriptors(collector: Collector) -> None:
    # Its own wake-up socket needs a reader, so that one gets through.
    Blind._ensure_fd_no_transport = lambda *_: None  # type: ignore[attr-defined]
    client = make(collector)
    loop = Blind()
    try:
        assert loop.run_until_complete(asyncio.wait_for(work(client), 20)) == "sess_u_chat_1"
        watcher = _loop._watchers[loop]
        assert watcher._polls
        loop.run_until_complete(asyncio.sleep(0.05))
        assert watcher._polling is None, "nobody waits, so nobody looks"
    finally:
        loop.close()


def test_uvloop(collector: Collector) -> None:
    uvloop = pytest.importorskip("uvloop")
    client = make(collector)
    for _ in range(2):
        loop = uvloop.new_event_loop()
        try:
            assert loop.run_until_complete(asyncio.wait_for(work(client), 20)) is not None
        finally:
            loop.close()


def test_a_loop_in_a_thread(collector: Collector) -> None:
    client = make(collector)
    assert in_thread(lambda: in_loop(work(client))) == "sess_u_chat_1"


FORK = """
    import asyncio, os, sys
    import sentrial

    async def work(user):
        async with sentrial.begin_async(user, "chat") as interaction:
            await interaction.track_decision("r")
        await interaction.client.flush()
        return await interaction.get_session_id()

    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(work("parent"))
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            # A loop of its own; that of the parent is left alone.
            os._exit(0 if asyncio.run(work(f"child{number}")) else 1)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    assert loop.run_until_complete(work("parent"))
    loop.close()
    sys.exit(any(statuses))
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_forked_child_waits_in_loops_of_its_own(
    collector: Collector, run_python: RunPython
) -> None:
    env = {"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY}
    run_python(dedent(FORK), env=env, options=STRICT).ok()
    assert len(collector.requests("PATCH")) == 5
