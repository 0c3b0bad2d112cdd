"""Experiments and what they return."""

from __future__ import annotations

from sentrial import (
    Experiment,
    ExperimentRunResult,
    ExperimentRunTracker,
    ExperimentTestCase,
    ExperimentVariant,
    get_system_prompt,
    is_experiment_mode,
)
from typing_extensions import assert_type


def agent(
    test_case: ExperimentTestCase, variant: ExperimentVariant, tracker: ExperimentRunTracker
) -> str:
    tracker.set_result_session_id(test_case.session_id)
    if variant.description is None:
        tracker.set_error(test_case.user_input)
    return get_system_prompt("default")


experiment = Experiment("exp_123")
assert_type(experiment.run(agent, parallel=True, max_workers=2), list[ExperimentRunResult])
assert_type(experiment.variants, list[ExperimentVariant])
assert_type(experiment.get_variant("Control"), ExperimentVariant | None)
assert_type(experiment.reset(), bool)
assert_type(Experiment.create({"name": "n"}), Experiment)
assert_type(is_experiment_mode(), bool)
with experiment.track_run("Control", "sess_1") as run:
    assert_type(run, ExperimentRunTracker)
    assert_type(run.result_session_id, str | None)
