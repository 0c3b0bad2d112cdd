"""The example agent, as `make demo` runs it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.docs.markdown import ROOT
from tests.support.processes import clean_environment, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.collector import Collector

AGENT = ROOT / "examples" / "support_agent.py"


def test_the_demo_shows_the_trees_of_the_agent(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sentrial", "dev", "--port", "0", "--db", "demo.db"]
    command += ["--", sys.executable, str(AGENT)]
    done = run(command, env=clean_environment(tmp_path), cwd=tmp_path, timeout=60)
    assert done.exit == 0, done.stderr
    assert "Your desk lamp is here" in done.stdout
    for shown in ("support-agent", "refund-agent", "look_order_up", "CarrierUnavailableError"):
        assert shown in done.stdout, done.stdout
    # The key of the run appears nowhere.
    assert "sentrial_live_" not in done.stdout.replace("sentrial_live_…", "")


def test_what_the_agent_sends(collector: Collector, tmp_path: Path) -> None:
    env = clean_environment(
        tmp_path, SENTRIAL_API_URL=collector.url, SENTRIAL_API_KEY="sentrial_live_demo"
    )
    run([sys.executable, str(AGENT)], env=env, cwd=tmp_path).ok()
    sessions = collector.by_session()
    assert sorted(sessions) == [
        "sess_user-1_support-agent_1",
        "sess_user-2_refund-agent_1",
        "sess_user-2_support-agent_1",
        "sess_user-3_support-agent_1",
    ]
    nested = sessions["sess_user-2_refund-agent_1"]
    assert nested[0].json["parentSessionId"] == "sess_user-2_support-agent_1"
    for requests in sessions.values():
        methods = [request.method for request in requests]
        assert methods == ["POST"] * (len(methods) - 1) + ["PATCH"]
    outcomes = {r.session_id: r.json["success"] for r in collector.requests("PATCH")}
    assert [outcomes[session] for session in sorted(outcomes)] == [True, True, True, False]
    kinds = [event["eventType"] for event in collector.events()]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "llm_decision": 5,
        "tool_call": 4,
        "error": 2,
    }
