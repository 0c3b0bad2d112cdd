"""`Experiment`: what it fetches, what it reports, what it returns."""

from __future__ import annotations

import io
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import (
    APIError,
    AuthenticationError,
    Experiment,
    ExperimentRunResult,
    ExperimentRunTracker,
    ExperimentTestCase,
    ExperimentVariant,
    NotFoundError,
)

from tests.support.answers import Answer
from tests.support.sdk import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.collector import Collector

RUNS = "/api/experiments/exp_1/runs"
RUN = f"{RUNS}/.+"
PLACES = [("Control", "sess_a_long_id"), ("Control", "sess_b")]
PLACES += [("Long", "sess_a_long_id"), ("Long", "sess_b")]


def places(results: list[ExperimentRunResult]) -> list[tuple[str, str]]:
    return [(result.variant_name, result.test_case_session_id) for result in results]


def test_it_is_fetched_when_first_asked_for_and_kept(
    experiment: Experiment, collector: Collector
) -> None:
    assert collector.requests() == []
    assert (experiment.name, experiment.status) == ("Prompts", "running")
    assert experiment.variants == [
        ExperimentVariant("Control", "be brief", "as now"),
        ExperimentVariant("Long", "explain"),
    ]
    # A test case without an input cannot be run.
    assert experiment.test_cases == [
        ExperimentTestCase("sess_a_long_id", "first"),
        ExperimentTestCase("sess_b", "second"),
    ]
    assert experiment.get_variant("Long") == ExperimentVariant("Long", "explain")
    assert experiment.get_variant("none") is None
    assert len(collector.requests()) == 1


@pytest.mark.parametrize(
    "answer", [{}, {"experiment": None}, {"experiment": {"variants": "x"}}, []]
)
def test_what_the_server_leaves_out_is_empty(collector: Collector, answer: Any) -> None:
    collector.script("GET", "/api/experiments/other/runs", Answer(json=answer))
    other = Experiment("other", KEY, collector.url)
    assert (other.name, other.status, other.variants, other.test_cases) == ("", "", [], [])


def test_its_id_is_escaped_in_the_path(collector: Collector) -> None:
    collector.always("GET", "/api/.*", Answer(json={}))
    assert Experiment("a/b c", KEY, collector.url).name == ""
    assert collector.requests()[0].path == "/api/experiments/a%2Fb%20c/runs"


def test_runs_go_variant_by_variant_and_are_reported(
    experiment: Experiment, collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    def agent(
        case: ExperimentTestCase, variant: ExperimentVariant, tracker: ExperimentRunTracker
    ) -> None:
        if (variant.name, case.session_id) == ("Control", "sess_b"):
            tracker.set_error("not good")
            return
        if variant.name == "Long":
            raise ValueError("broke")
        tracker.set_result_session_id(f"result of {case.user_input}")

    results = experiment.run(agent)
    assert results == [
        ExperimentRunResult("Control", "sess_a_long_id", "result of first", True),
        ExperimentRunResult("Control", "sess_b", None, False, "not good"),
        ExperimentRunResult("Long", "sess_a_long_id", None, False, "broke"),
        ExperimentRunResult("Long", "sess_b", None, False, "broke"),
    ]
    assert collector.bodies("POST", RUNS) == [
        {"variantName": variant, "baseSessionId": session} for variant, session in PLACES
    ]
    ends = collector.requests("PATCH", RUN)
    assert {end.path for end in ends} == {f"{RUNS}/run%2F1"}
    assert [end.json["status"] for end in ends] == ["completed", "failed", "failed", "failed"]
    assert [end.json["errorMessage"] for end in ends[1:3]] == ["not good", "ValueError: broke"]
    assert ends[0].json["resultSessionId"] == "result of first"
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        "Running experiment: Prompts",
        "  Variants: 2",
        "  Test cases: 2",
        "  Total runs: 4",
        "",
    ]
    assert lines[5] == "  [1/4] ✓ Control x sess_a_l..."
    assert lines[-3:] == ["Experiment complete!", "  Successful: 1/4", "  Failed: 3/4"]


class Watched(io.StringIO):
    """A stream that somebody watches."""

    def isatty(self) -> bool:
        """It is a terminal."""
        return True


def test_a_bar_shows_where_somebody_watches(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", Watched())
    assert len(experiment.run(lambda *_: None)) == 4
    assert isinstance(sys.stdout, Watched)
    shown = sys.stdout.getvalue()
    assert shown.index("] 0/4") < shown.index("] 2/4") < shown.index("] 4/4")
    # Each is written over, and the last one is gone in the end.
    assert "] 4/4\r\x1b[K\n" in shown
    assert shown.endswith("Failed: 0/4\n")


def test_a_program_without_a_console_runs_experiments(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert len(experiment.run(lambda *_: None)) == 4


def test_there_is_no_bar_in_a_file(
    experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment.run(lambda *_: None)
    assert "\r" not in capsys.readouterr().out


def test_e1_results_of_parallel_runs_keep_their_order(experiment: Experiment) -> None:
    """E1: in 0.6.0 they come in the order in which the runs end."""
    first_may_end = threading.Event()

    def agent(
        case: ExperimentTestCase, variant: ExperimentVariant, _: ExperimentRunTracker
    ) -> None:
        if (variant.name, case.session_id) == PLACES[0]:
            assert first_may_end.wait(20)
        if (variant.name, case.session_id) == PLACES[-1]:
            first_may_end.set()

    results = experiment.run(agent, parallel=True, max_workers=2)
    assert places(results) == PLACES
    assert all(result.success for result in results)


def test_parallel_runs_are_bounded_by_max_workers(experiment: Experiment) -> None:
    both = threading.Barrier(2, timeout=20)
    at_once: list[int] = []
    running: set[int] = set()
    lock = threading.Lock()

    def agent(*_: object) -> None:
        with lock:
            running.add(threading.get_ident())
            at_once.append(len(running))
        both.wait()
        with lock:
            running.discard(threading.get_ident())

    assert all(result.success for result in experiment.run(agent, parallel=True, max_workers=2))
    assert max(at_once) == 2


def test_a_run_that_cannot_be_reported_fails_and_the_others_go_on(
    experiment: Experiment, collector: Collector
) -> None:
    assert experiment.name
    collector.clear_scripts()
    collector.script("POST", RUNS, Answer(json={"run": {"id": 1}}), 400)
    collector.always("POST", RUNS, Answer(json={"run": {"id": 2}}))
    collector.always("PATCH", RUN, Answer(json={}))
    results = experiment.run(lambda *_: None)
    assert [result.success for result in results] == [True, False, True, True]
    assert "400" in str(results[1].error_message)


@pytest.mark.parametrize("use", [lambda e: e.name, lambda e: e.run(lambda *_: None)])
def test_an_unknown_experiment_raises(
    collector: Collector, use: Callable[[Experiment], object]
) -> None:
    with pytest.raises(NotFoundError):
        use(Experiment("unknown", KEY, collector.url))


def test_e1_a_refused_reset_is_false_and_refused_results_are_empty(
    experiment: Experiment, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """E1: in 0.6.0 both raise."""
    assert experiment.get_results() == {"winner": "Control"}
    assert experiment.reset() is True
    collector.clear_scripts()
    collector.always(".*", ".*", 403)
    assert experiment.get_results() == {}
    assert experiment.reset() is False
    assert [record.name for record in caplog.records] == ["sentrial.experiment"] * 2


def test_reset_forgets_what_was_fetched(experiment: Experiment, collector: Collector) -> None:
    assert experiment.name
    assert experiment.reset()
    assert experiment.name
    assert [request.method for request in collector.requests()] == ["GET", "DELETE", "GET"]


def test_e1_an_end_that_cannot_be_reported_does_not_mask_the_agents_exception(
    experiment: Experiment, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """E1: in 0.6.0 the server's refusal takes its place."""

    def run() -> None:
        with experiment.track_run("Control", "sess_a"):
            collector.clear_scripts()
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        run()
    assert "run/1 was not recorded" in caplog.text


def test_an_end_that_cannot_be_reported_raises_where_nothing_else_did(
    experiment: Experiment, collector: Collector
) -> None:
    def run() -> None:
        with experiment.track_run("Control", "sess_a"):
            collector.clear_scripts()
            collector.always("PATCH", RUN, 400)

    with pytest.raises(APIError):
        run()


def test_a_tracker_tells_how_the_run_goes(experiment: Experiment, collector: Collector) -> None:
    with experiment.track_run("Control", "sess_a") as tracker:
        assert (tracker.run_id, tracker.success, tracker.error_message) == ("run/1", True, None)
        tracker.set_result_session_id("sess_r")
        tracker.set_error("bad")
    assert (tracker.success, tracker.error_message) == (False, "bad")
    assert collector.bodies("PATCH", RUN) == [
        {"status": "failed", "resultSessionId": "sess_r", "errorMessage": "bad"}
    ]


def test_a_run_without_an_id_has_no_end(experiment: Experiment, collector: Collector) -> None:
    assert experiment.name
    collector.clear_scripts()
    collector.script("POST", RUNS, Answer(json={"run": None}))
    with experiment.track_run("Control", "sess_a") as tracker:
        assert tracker.run_id is None
    assert collector.requests("PATCH") == []


def test_an_exception_without_words_does_not_break_the_run(experiment: Experiment) -> None:
    class Broken(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def agent(*_: object) -> None:
        raise Broken

    assert experiment.run(agent)[0].error_message == "Broken"


def test_without_a_key_there_is_no_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTRIAL_API_URL", "https://api.sentrial.com")
    with pytest.raises(AuthenticationError, match="SENTRIAL_API_KEY"):
        Experiment("exp_1")


@pytest.mark.parametrize("pii", [True, {"enabled": True}])
def test_errors_are_redacted_as_the_default_client_does_it(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, pii: object
) -> None:
    monkeypatch.setattr("sentrial.client._default", None)
    sentrial.configure(KEY, collector.url, pii=pii)
    experiment = Experiment("exp_1", KEY, collector.url)

    def agent(*_: object) -> None:
        raise ValueError("nobody is called jane@example.com")

    experiment.run(agent)
    sent = {body["errorMessage"] for body in collector.bodies("PATCH", RUN)}
    assert len(sent) == 1
    assert "jane@example.com" not in sent.pop()
    starts = collector.bodies("POST", RUNS)
    assert starts[0] == {"variantName": "Control", "baseSessionId": "sess_a_long_id"}


def test_experiments_are_not_in_the_ledger(experiment: Experiment) -> None:
    before = sentrial.stats()["accepted"]
    experiment.run(lambda *_: None)
    assert sentrial.stats()["accepted"] == before
    assert experiment._client.stats()["accepted"] == 0
