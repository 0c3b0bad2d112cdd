"""An experiment on a collector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sentrial import Experiment

from tests.support.answers import Answer
from tests.support.sdk import KEY, emptied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.collector import Collector

RUNS = "/api/experiments/exp_1/runs"
RUN = f"{RUNS}/.+"
CONFIG: dict[str, Any] = {
    "name": "Prompts",
    "status": "running",
    "variants": [
        {"name": "Control", "systemPrompt": "be brief", "description": "as now"},
        {"name": "Long", "systemPrompt": "explain"},
    ],
    "testCases": [
        {"sessionId": "sess_a_long_id", "userInput": "first"},
        {"sessionId": "sess_b", "userInput": "second"},
        {"sessionId": "sess_c"},
        {"sessionId": "sess_d", "userInput": ""},
    ],
}


@pytest.fixture
def collector(collector: Collector) -> Iterator[Collector]:
    """Give a collector that knows the experiment ``exp_1``."""
    collector.always("GET", RUNS, Answer(json={"experiment": CONFIG}))
    collector.always("POST", RUNS, Answer(json={"run": {"id": "run/1"}}))
    collector.always("PATCH", RUN, Answer(json={}))
    collector.always("DELETE", RUNS, Answer(json={"deleted": 4}))
    collector.always("GET", "/api/experiments/exp_1/results", Answer(json={"winner": "Control"}))
    with emptied(collector):
        yield collector


@pytest.fixture
def experiment(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """Give the experiment; its calls try once."""
    monkeypatch.setenv("SENTRIAL_MAX_RETRIES", "0")
    return Experiment("exp_1", api_key=KEY, api_url=collector.url)
