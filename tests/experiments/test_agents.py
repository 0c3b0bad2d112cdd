"""Agents of every kind in an experiment: functions, coroutines, streams, those that stop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import sentrial
from sentrial import (
    Experiment,
    ExperimentRunResult,
    ExperimentRunTracker,
    ExperimentTestCase,
    ExperimentVariant,
    SentrialClient,
)
from sentrial.context import get_experiment_context

from tests.support.sdk import KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.collector import Collector

RUNS = "/api/experiments/exp_1/runs"
RUN = f"{RUNS}/.+"


@pytest.mark.parametrize("parallel", [False, True])
def test_each_run_has_its_own_experiment_context(experiment: Experiment, parallel: bool) -> None:
    seen = []

    def agent(
        case: ExperimentTestCase, variant: ExperimentVariant, _: ExperimentRunTracker
    ) -> None:
        context = get_experiment_context()
        assert context is not None
        assert context.test_case_id == case.session_id
        assert context.experiment_id == "exp_1"
        assert sentrial.get_variant_name() == variant.name
        seen.append(sentrial.get_system_prompt("default"))

    assert all(result.success for result in experiment.run(agent, parallel=parallel))
    assert sorted(seen) == ["be brief", "be brief", "explain", "explain"]
    assert not sentrial.is_experiment_mode()


@pytest.mark.parametrize("parallel", [False, True])
def test_threads_of_an_agent_inherit_the_experiment(experiment: Experiment, parallel: bool) -> None:
    seen = []

    def agent(_: object, variant: ExperimentVariant, __: object) -> None:
        with ThreadPoolExecutor(1) as pool:
            inherited = pool.submit(sentrial.propagate(sentrial.get_variant_name)).result(20)
            alone = pool.submit(sentrial.get_variant_name).result(20)
        seen.append((variant.name, inherited, alone))

    assert all(result.success for result in experiment.run(agent, parallel=parallel))
    assert sorted(seen) == [("Control", "Control", None)] * 2 + [("Long", "Long", None)] * 2


@pytest.mark.parametrize("parallel", [False, True])
def test_a_coroutine_function_is_an_agent(experiment: Experiment, parallel: bool) -> None:
    seen = []

    async def agent(_: object, variant: ExperimentVariant, tracker: ExperimentRunTracker) -> None:
        await asyncio.sleep(0)
        seen.append(sentrial.get_system_prompt())
        if variant.name == "Long":
            raise ValueError("too long")
        tracker.set_result_session_id("result")

    results = experiment.run(agent, parallel=parallel)
    assert [result.success for result in results] == [True, True, False, False]
    assert results[2].error_message == "too long"
    assert sorted(str(prompt) for prompt in seen) == ["be brief"] * 2 + ["explain"] * 2


def test_an_agent_that_streams_runs_to_its_end(experiment: Experiment) -> None:
    ended = []

    def in_parts(variant: ExperimentVariant) -> Iterator[str]:
        yield "a"
        ended.append(variant.name)

    async def in_parts_async(variant: ExperimentVariant) -> AsyncIterator[str]:
        yield "a"
        await asyncio.sleep(0)
        ended.append(variant.name)

    def agent(_: object, variant: ExperimentVariant, __: object) -> object:
        return in_parts(variant) if variant.name == "Control" else in_parts_async(variant)

    assert all(result.success for result in experiment.run(agent))
    assert ended == ["Control", "Control", "Long", "Long"]


def test_a_coroutine_function_is_an_agent_also_inside_a_loop(experiment: Experiment) -> None:
    async def agent(*_: object) -> None:
        await asyncio.sleep(0)
        assert sentrial.is_experiment_mode()

    async def main() -> list[ExperimentRunResult]:
        return experiment.run(agent)

    assert [result.success for result in asyncio.run(main())] == [True] * 4


def test_the_session_an_agent_begins_is_the_result(
    experiment: Experiment, collector: Collector
) -> None:
    client = SentrialClient(collector.url, KEY)

    def agent(case: ExperimentTestCase, variant: ExperimentVariant, _: object) -> None:
        if variant.name == "Long":
            client.create_session(name="s", agent_name="created", user_id=case.session_id)
            return
        with client.begin(user_id=case.session_id, event="begun"):
            client.begin(user_id=case.session_id, event="inner").finish()

    results = experiment.run(agent)
    assert [result.result_session_id for result in results] == [
        "sess_sess-a-long-id_begun_1",
        "sess_sess-b_begun_1",
        "sess_sess-a-long-id_created_1",
        "sess_sess-b_created_1",
    ]
    reported = [body["resultSessionId"] for body in collector.bodies("PATCH", RUN)]
    assert reported == [result.result_session_id for result in results]


def test_a_session_the_agent_names_wins(experiment: Experiment, collector: Collector) -> None:
    client = SentrialClient(collector.url, KEY)

    def agent(_: object, __: object, tracker: ExperimentRunTracker) -> None:
        client.begin(user_id="u", event="e").finish()
        tracker.set_result_session_id("chosen")

    assert {result.result_session_id for result in experiment.run(agent)} == {"chosen"}


def test_l6_an_agent_that_exits_fails_its_run_only(experiment: Experiment) -> None:
    """L6: in 0.6.0 it ends the whole experiment, and leaves the context set."""

    def agent(case: ExperimentTestCase, *_: object) -> None:
        if case.session_id == "sess_b":
            raise SystemExit(3)

    results = experiment.run(agent)
    assert [result.success for result in results] == [True, False, True, False]
    assert results[1].error_message == "SystemExit: 3"
    assert not sentrial.is_experiment_mode()


def test_an_interrupt_is_reported_and_goes_on(experiment: Experiment, collector: Collector) -> None:
    def agent(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment.run(agent)
    (end,) = collector.bodies("PATCH", RUN)
    assert (end["status"], end["errorMessage"]) == ("failed", "KeyboardInterrupt: ")
