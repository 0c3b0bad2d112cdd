"""Ctrl-C while an experiment runs: what runs is recorded as failed, and nothing further begins."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from sentrial._experiment_progress import Progress

from tests.experiments.conftest import CONFIG, RUN, RUNS
from tests.support.answers import Answer
from tests.support.processes import clean_environment
from tests.support.sdk import KEY
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sentrial import Experiment
    from typing_extensions import Self

    from tests.support.collector import Collector

DEADLINE = 30.0

#: Agents that never end by themselves; ones that end at once where that is asked for.
AGENT = """
import os, time, uuid

def agent(text, *_):
    if os.environ.get("ALL_END") or (os.environ.get("FIRST_ENDS") and text == "first"):
        return
    open(f"at_work_{uuid.uuid4().hex}", "x").close()
    time.sleep(600)
"""
LIBRARY = """
import sentrial, signal, sys, uuid
from my_agent import agent

def struck(number, frame):
    open(f"struck_{uuid.uuid4().hex}", "x").close()
    signal.default_int_handler(number, frame)

signal.signal(signal.SIGINT, struck)
try:
    sentrial.Experiment("exp_1").run(
        lambda case, variant, tracker: agent(case.user_input), parallel=%r, max_workers=2
    )
except KeyboardInterrupt:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("interrupted", flush=True)
    sys.exit(5)
"""


class Program:
    """A process group of its own, as a shell starts one in the foreground."""

    def __init__(self, folder: Path, collector: Collector, *command: str, **variables: str) -> None:
        self._folder = folder
        (folder / "my_agent.py").write_text(AGENT)
        variables |= {"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY}
        self.process = subprocess.Popen(
            [sys.executable, *command],
            env=clean_environment(folder, **variables),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.said = ""
        self.complained = ""

    def struck(self) -> None:
        """Wait until one Ctrl-C has been received."""
        eventually(lambda: list(self._folder.glob("struck_*")), DEADLINE)

    def at_work(self, agents: int) -> None:
        """Wait until so many agents are at work."""
        eventually(lambda: len(list(self._folder.glob("at_work_*"))) == agents, DEADLINE)

    def strike(self) -> None:
        """Send what the terminal sends on Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def strike_until_it_ends(self) -> None:
        """Send further ones. The next one is lost if the handler of the one before still runs."""

        def ended() -> bool:
            self.strike()
            try:
                self.process.wait(1)
            except subprocess.TimeoutExpired:
                return False
            return True

        eventually(ended, DEADLINE)

    def ended(self) -> int:
        """Wait for the end; return the status."""
        self.said, self.complained = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


def library(folder: Path, collector: Collector, *, parallel: bool, **variables: str) -> Program:
    return Program(folder, collector, "-c", LIBRARY % parallel, **variables)


def command(folder: Path, collector: Collector, *options: str) -> Program:
    run = ("-m", "sentrial", "experiment", "run", "exp_1", "-a", "my_agent.py")
    return Program(folder, collector, *run, *options)


@pytest.fixture
def numbered(collector: Collector) -> Collector:
    """Give a collector whose runs have ids of their own."""
    number_runs(collector)
    return collector


def number_runs(collector: Collector, delay: float = 0.0, end: Answer | None = None) -> None:
    collector.clear_scripts()
    collector.always("GET", RUNS, Answer(json={"experiment": CONFIG}))
    answers = [Answer(json={"run": {"id": f"run_{n}"}}, delay=delay) for n in range(1, 5)]
    collector.script("POST", RUNS, *answers)
    collector.always("PATCH", RUN, end or Answer(json={}))


def ends(collector: Collector) -> dict[str, Any]:
    return {end.path.rpartition("/")[2]: end.json for end in collector.requests("PATCH", RUN)}


def check_interrupted(collector: Collector, *runs: str) -> None:
    found = ends(collector)
    assert sorted(found) == sorted(runs)
    for end in found.values():
        assert end["status"] == "failed"
        assert end["errorMessage"].startswith("KeyboardInterrupt: ")
    # Nothing began after it.
    assert len(collector.requests("POST", RUNS)) == len(runs)


@pytest.mark.parametrize(("parallel", "running"), [(True, 2), (False, 1)])
def test_ctrl_c_ends_the_runs_of_a_program(
    numbered: Collector, tmp_path: Path, parallel: bool, running: int
) -> None:
    with library(tmp_path, numbered, parallel=parallel) as program:
        program.at_work(running)
        program.strike()
        # It is raised in the program, which ends although its agents would go on.
        assert program.ended() == 5, program.complained
        assert "interrupted" in program.said
    check_interrupted(numbered, *[f"run_{n + 1}" for n in range(running)])


@pytest.mark.parametrize(
    ("options", "running"), [(("--parallel", "--max-workers", "2"), 2), ((), 1)]
)
def test_ctrl_c_ends_the_runs_of_the_command_line(
    numbered: Collector, tmp_path: Path, options: tuple[str, ...], running: int
) -> None:
    with command(tmp_path, numbered, *options) as program:
        program.at_work(running)
        program.strike()
        assert program.ended() == 130, program.complained
        assert "Traceback" not in program.complained
        assert "COMPLETE" not in program.said
    check_interrupted(numbered, *[f"run_{n + 1}" for n in range(running)])


def test_runs_that_ended_before_are_left_as_they_are(numbered: Collector, tmp_path: Path) -> None:
    with library(tmp_path, numbered, parallel=True, FIRST_ENDS="1") as program:
        # Both first ones end, their workers take the second ones.
        program.at_work(2)
        eventually(lambda: len(ends(numbered)) == 2, DEADLINE)
        program.strike()
        assert program.ended() == 5, program.complained
    statuses = [end["status"] for end in ends(numbered).values()]
    assert sorted(statuses) == ["completed", "completed", "failed", "failed"]
    assert len(numbered.requests("PATCH", RUN)) == 4


@pytest.mark.parametrize("parallel", [True, False])
def test_a_run_whose_start_is_under_way_is_ended_too(
    collector: Collector, tmp_path: Path, parallel: bool
) -> None:
    number_runs(collector, delay=1.5)
    with library(tmp_path, collector, parallel=parallel) as program:
        running = 2 if parallel else 1
        eventually(lambda: len(collector.requests("POST", RUNS)) == running, DEADLINE)
        program.strike()
        assert program.ended() == 5, program.complained
    check_interrupted(collector, *[f"run_{n + 1}" for n in range(running)])


@pytest.mark.parametrize("parallel", [True, False])
def test_a_run_whose_end_is_under_way_is_ended_as_it_is(
    collector: Collector, tmp_path: Path, parallel: bool
) -> None:
    number_runs(collector, end=Answer(json={}, delay=1.5))
    with library(tmp_path, collector, parallel=parallel, ALL_END="1") as program:
        running = 2 if parallel else 1
        eventually(lambda: len(collector.requests("PATCH", RUN)) == running, DEADLINE)
        program.strike()
        assert program.ended() == 5, program.complained
    assert [end["status"] for end in ends(collector).values()] == ["completed"] * running
    assert len(collector.requests("POST", RUNS)) == running


@pytest.mark.parametrize("parallel", [True, False])
def test_a_second_ctrl_c_ends_at_once(numbered: Collector, tmp_path: Path, parallel: bool) -> None:
    with library(tmp_path, numbered, parallel=parallel) as program:
        program.at_work(2 if parallel else 1)
        numbered.hold()
        program.strike()
        # The end of a run is being reported, to a server that does not answer.
        eventually(lambda: numbered.in_flight >= 1, DEADLINE)
        struck = time.monotonic()
        program.strike()
        assert program.ended() == 5, program.complained
        assert time.monotonic() - struck < 3
    numbered.release()


@pytest.mark.parametrize("parallel", [True, False])
def test_a_second_ctrl_c_ends_at_once_while_a_start_is_not_answered(
    collector: Collector, tmp_path: Path, parallel: bool
) -> None:
    collector.clear_scripts()
    collector.always("GET", RUNS, Answer(json={"experiment": CONFIG}))
    collector.always("POST", RUNS, Answer(hang=True))
    with library(tmp_path, collector, parallel=parallel) as program:
        running = 2 if parallel else 1
        eventually(lambda: len(collector.requests("POST", RUNS)) == running, DEADLINE)
        program.strike()
        program.struck()
        struck = time.monotonic()
        program.strike_until_it_ends()
        assert program.ended() == 5, program.complained
        # The server would be waited for longer.
        assert time.monotonic() - struck < 9


def test_another_error_of_the_caller_ends_the_runs_as_well(
    experiment: Experiment, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def agent(case: Any, *_: object) -> None:
        if case.session_id == "sess_b":
            go_on.wait(DEADLINE)

    def broken(*_: object) -> Iterator[None]:
        # Both workers have a run that lasts.
        eventually(lambda: len(collector.requests("POST", RUNS)) >= 3, DEADLINE)
        raise OSError("the output is gone")

    monkeypatch.setattr(Progress, "ended", broken)
    with pytest.raises(OSError, match="the output is gone"):
        experiment.run(agent, parallel=True, max_workers=2)
    go_on.set()
    failed = [body for body in collector.bodies("PATCH", RUN) if body["status"] == "failed"]
    assert {body["errorMessage"] for body in failed} == {"OSError: the output is gone"}


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_an_error(experiment: Experiment, workers: int) -> None:
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        experiment.run(lambda *_: None, parallel=True, max_workers=workers)
