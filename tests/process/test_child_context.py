"""Sessions begun in a child process are children of the session that started it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import sentrial

from tests.support.sdk import KEY, client_for, sessions_sent

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector

CHILD = """
import sentrial

@sentrial.tool
def note(text):
    return text

@sentrial.session("child")
def child(user_id):
    note("in the child")

note("outside")
child("u")
child("u")
"""


def test_by_the_environment(collector: Collector, run_python: RunPython) -> None:
    client = client_for(collector)
    assert sentrial.context_env() == {}
    with client.begin("u", "parent"):
        env = sentrial.context_env()
    assert env == {"SENTRIAL_PARENT_SESSION_ID": "sess_u_parent_1"}
    here = {"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY}
    run_python(CHILD, env=here | env).ok()
    run_python(CHILD.replace("child(", "alone(").replace('"child"', '"alone"'), env=here).ok()
    sent = sessions_sent(client, collector)
    for number in (1, 2):
        created = sent[f"sess_u_child_{number}"][0].json
        assert created["parentSessionId"] == "sess_u_parent_1"
        assert "parentSessionId" not in sent[f"sess_u_alone_{number}"][0].json
    assert [r.path for r in sent["sess_u_parent_1"]].count("/api/sdk/events") == 0


def test_a_forked_child_goes_on_in_the_session(collector: Collector) -> None:
    client = client_for(collector)
    with client.begin("u", "parent") as interaction:
        assert interaction.session_id
        child = os.fork()
        if child == 0:
            with client.begin("u", "forked"):
                pass
            client.flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    sent = sessions_sent(client, collector)
    assert sent["sess_u_forked_1"][0].json["parentSessionId"] == "sess_u_parent_1"
