"""os.fork(): the child works and starts empty, the parent still owns what it had queued."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.process.forks import (
    RELEASE,
    SESSIONS,
    agents,
    check_nothing_twice,
    hanging_until,
    tools,
)
from tests.process.scripts import run_script
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector


def test_a_child_of_a_process_that_used_a_client_works(
    collector: Collector, run_python: RunPython
) -> None:
    code = """
client = SentrialClient()
interaction = client.begin("u", "parent")
call(interaction, "parent before")
client.flush()

def work():
    say("start", [client.stats(), sentrial.stats()])
    with client.begin("u", "child") as own:
        call(own, "child")
    client.flush(10)
    say("end", client.stats())

say("status", reap(child(work)))
call(interaction, "parent after")
interaction.finish()
"""
    ran = run_script(run_python, collector, code, by_name=True).ok()
    assert ran.one("status") == 0
    for stats in ran.one("start"):
        assert {name: stats[name] for name in ("accepted", "delivered", "pending")} == {
            "accepted": 0,
            "delivered": 0,
            "pending": 0,
        }
        assert stats["dropped"] == {}
    assert (ran.one("end")["accepted"], ran.one("end")["delivered"]) == (3, 3)
    assert ran.stats["delivered"] == ran.stats["accepted"] == 4
    assert tools(collector) == Counter(["parent before", "parent after", "child"])
    assert agents(collector) == ["child", "parent"]
    check_nothing_twice(collector)


def test_what_the_parent_had_queued_is_delivered_once_by_the_parent(
    collector: Collector, run_python: RunPython
) -> None:
    code = """
client = SentrialClient()
for n in range(20):
    for m in range(5):
        call(client, f"parent {n} {m}", f"s{n}")
eventually(lambda: client.stats()["in_flight"] == 20)

def work():
    assert client.stats()["pending"] == 0
    call(client, "child", "s0")
    release()
    client.flush(10)
    say("child", client.stats()["delivered"])
    sys.exit(0)

say("status", reap(child(work)))
client.flush(10)
say("parent", client.stats())
"""
    with hanging_until(collector, "/release"):
        ran = run_script(run_python, collector, RELEASE + code, by_name=True)
    assert ran.one("child") == 1, ran.report()
    assert ran.stats["delivered"] == ran.stats["accepted"] == 100
    parents = [f"parent {n} {m}" for n in range(20) for m in range(5)]
    assert tools(collector) == Counter([*parents, "child"])
    parent_requests = [r for r in collector.requests("POST") if r.json["toolName"] != "child"]
    assert len({request.idempotency_key for request in parent_requests}) == 100
    connections = {request.connection for request in parent_requests}
    (own,) = [r for r in collector.requests("POST") if r.json["toolName"] == "child"]
    assert own.connection not in connections, "a child never uses the parent's sockets"
    for requests in collector.by_session().values():
        steps = [r.json["toolName"] for r in requests if r.json["toolName"] != "child"]
        assert steps == sorted(steps)


def test_a_session_known_at_the_fork_works_in_the_child(
    collector: Collector, run_python: RunPython
) -> None:
    code = """
client = SentrialClient()
interaction = client.begin("u", "chat")
known = interaction.session_id
by_hand = client.create_session("by hand", user_id="u")

def work():
    assert interaction.session_id == known
    assert sentrial.get_session_context() == known
    assert call(interaction, "child, by interaction")["sessionId"] == known
    assert call(client, "child, by id", known)["id"]
    assert call(client, "child, by hand", by_hand)["id"]
    client.flush(10)

say("status", reap(child(work)))
interaction.finish()
"""
    ran = run_script(run_python, collector, code, by_name=True).ok()
    assert ran.one("status") == 0
    named = {event["toolName"]: event["sessionId"] for event in collector.events()}
    assert named == {
        "child, by interaction": "sess_u_chat_1",
        "child, by id": "sess_u_chat_1",
        "child, by hand": "sess_u_by-hand_1",
    }
    check_nothing_twice(collector)


def test_a_session_still_unknown_at_the_fork_is_the_parents(
    collector: Collector, run_python: RunPython
) -> None:
    code = """
client = SentrialClient(wait_timeout=20)
interaction = client.begin("u", "chat")
receipt = call(interaction, "parent")

def work():
    before = time.monotonic()
    for n in range(3):
        assert call(interaction, "child") == {}
    assert interaction.session_id is None
    assert dict(receipt) == {}
    assert interaction.finish() == {}
    say("took", time.monotonic() - before)
    say("child", client.stats())

say("status", reap(child(work)))
release()
call(interaction, "parent again")
interaction.finish()
"""
    with hanging_until(collector, "/release"):
        ran = run_script(run_python, collector, RELEASE + code, by_name=True)
    assert ran.one("status") == 0, ran.report()
    assert ran.one("took") < 0.5
    stats = ran.one("child")
    assert stats["dropped"] == {"unresolved_at_fork": 4}
    assert stats["accepted"] == 4
    assert len(ran.lines) == 1, ran.report()
    assert "fork" in ran.lines[0]
    assert tools(collector) == Counter(["parent", "parent again"])
    assert len(collector.requests("PATCH")) == 1
    check_nothing_twice(collector)


def test_a_client_merely_built_before_the_fork(collector: Collector, run_python: RunPython) -> None:
    code = """
client = SentrialClient()
sentrial.configure()

def work():
    call(client, "child", "s")
    sentrial.begin("u", "child").finish()
    sentrial.flush(10)
    say("delivered", sentrial.stats()["delivered"])

say("status", [reap(child(work)), reap(child(work))])
say("tasks", len(os.listdir("/proc/self/task")))
call(client, "parent", "s")
"""
    ran = run_script(run_python, collector, code, by_name=True).ok()
    assert ran.one("status") == [0, 0]
    assert ran.all("delivered") == [3, 3]
    assert ran.one("tasks") == 1
    assert tools(collector) == Counter({"child": 2, "parent": 1})


def test_a_fork_while_the_server_hangs(collector: Collector, run_python: RunPython) -> None:
    code = """
client = SentrialClient()
for n in range(100):
    client.begin(f"u{n}", "parent").finish()
eventually(lambda: client.stats()["in_flight"] == 64)

def work():
    client.begin("u", "child").finish()
    client.flush(0.2)
    say("child", client.stats()["pending"])

took = []
for _ in range(5):
    before = time.monotonic()
    pid = child(work)
    took.append(time.monotonic() - before)
    say("status", reap(pid))
say("took", max(took))
release()
client.flush(20)
"""
    with hanging_until(collector, "/release"):
        ran = run_script(run_python, collector, RELEASE + code, by_name=True)
    ran.ok()
    assert ran.all("status") == [0] * 5
    assert ran.all("child") == [2] * 5
    assert ran.one("took") < 0.3
    assert ran.stats["delivered"] == ran.stats["accepted"] == 200
    parents = [r for r in collector.requests("POST", SESSIONS) if r.json["agentName"] == "parent"]
    # What was on a connection of the server that hung may be sent again, with its key.
    assert len({r.idempotency_key for r in parents}) == 100
    assert len({r.idempotency_key for r in collector.requests("PATCH")}) == 100


def test_children_of_children(collector: Collector, run_python: RunPython) -> None:
    code = """
client = SentrialClient()
interaction = client.begin("u", "chat")
interaction.session_id

def descend(depth):
    call(interaction, f"depth {depth}")
    if depth < 4:
        assert reap(child(lambda: descend(depth + 1))) == 0
    client.flush(10)
    assert client.stats()["delivered"] == client.stats()["accepted"] - client.stats()["pending"]

descend(0)
"""
    run_script(run_python, collector, code, by_name=True).ok()
    assert tools(collector) == Counter(f"depth {n}" for n in range(5))


def test_a_child_that_ends_normally_delivers_at_exit(
    collector: Collector, run_python: RunPython
) -> None:
    code = """
client = SentrialClient()
call(client, "parent", "p")
pid = os.fork()
if pid == 0:
    call(client, "child", "c")
    sys.exit(0)
assert reap(pid) == 0
"""
    run_script(run_python, collector, code, by_name=True).ok()
    assert tools(collector) == Counter(["parent", "child"])


def test_a_daemon_whose_parent_ends_at_once(collector: Collector, run_python: RunPython) -> None:
    code = """
client = SentrialClient()
call(client, "before", "s")
client.flush()
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
for n in range(5):
    call(client, f"daemon {n}", "s")
"""
    run_script(run_python, collector, code, by_name=True).ok()
    eventually(lambda: sum(tools(collector).values()) == 6)
    assert tools(collector) == Counter(["before", *(f"daemon {n}" for n in range(5))])


def test_an_interaction_of_the_parent_is_not_abandoned_by_the_child(
    collector: Collector, run_python: RunPython
) -> None:
    code = """
client = SentrialClient()
interaction = client.begin("u", "chat")
interaction.session_id

def work():
    global interaction
    interaction = None
    gc.collect()
    say("abandoned", client.stats()["abandoned"])

say("status", reap(child(work)))
interaction.finish()
"""
    ran = run_script(run_python, collector, code, by_name=True).ok()
    assert (ran.one("status"), ran.one("abandoned")) == (0, 0)
    assert len(collector.requests("PATCH")) == 1


@pytest.mark.parametrize("library", ["PyDLL", "CDLL"])
def test_a_fork_that_runs_no_hooks(
    collector: Collector, run_python: RunPython, library: str
) -> None:
    code = f"""
import ctypes
client = SentrialClient()
for n in range(50):
    call(client, f"parent {{n}}", f"s{{n}}")
known = client.create_session("known")

def work():
    assert client.stats()["accepted"] == 0
    assert call(client, "child, known", known)["id"]
    with client.begin("u", "child") as own:
        call(own, "child")
    client.flush(10)
    say("child", client.stats()["delivered"])

libc = ctypes.{library}(None)
libc.fork.restype = ctypes.c_int
say("statuses", [reap(child(work, libc.fork)) for _ in range(5)])
call(client, "parent after", known)
"""
    ran = run_script(run_python, collector, code, by_name=True).ok()
    assert ran.one("statuses") == [0] * 5
    assert ran.all("child") == [4] * 5
    seen = tools(collector)
    assert seen.pop("child, known") == seen.pop("child") == 5
    assert seen == Counter(["parent after", *(f"parent {n}" for n in range(50))])
    assert all(len(group) == 1 for group in collector.by_idempotency_key().values())
