"""The runs of ``sentrial experiment run``: carried out, and reported in their order."""

from __future__ import annotations

import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sentrial._experiment_errors import said
from sentrial._experiment_progress import bar, short_id
from sentrial._experiment_runs import carried_out, finished, jobs_of
from sentrial._terminal import plain
from sentrial.cli.experiment_texts import cut
from sentrial.exceptions import SentrialError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sentrial._experiment_runs import Job
    from sentrial._terminal import Terminal
    from sentrial.experiment import Experiment, ExperimentRunResult

_RULE = "=" * 60
_INPUT_WIDTH = 60


@dataclass(frozen=True)
class _Run:
    """A run that has ended.

    Attributes:
        result: What became of it.
        seconds: How long the agent took.
        trace: Where the agent failed; empty if it did not.
    """

    result: ExperimentRunResult
    seconds: float
    trace: str


class Runs:
    """All runs of an experiment with one agent."""

    def __init__(
        self,
        experiment: Experiment,
        agent: Callable[[str], Any],
        workers: int,
        terminal: Terminal,
    ) -> None:
        """Prepare them; with one worker they go one after another."""
        self._experiment = experiment
        self._agent = agent
        self._workers = workers
        self._terminal = terminal
        self._jobs = jobs_of(experiment)
        self._ended: dict[int, _Run] = {}
        self._bar = workers > 1 and terminal.is_interactive

    @property
    def failed(self) -> int:
        """How many runs failed."""
        return sum(not run.result.success for run in self._ended.values())

    @property
    def url(self) -> str:
        """Where the results can be seen."""
        address = self._experiment._client.api_url.replace(":3001", ":3000")
        return f"{address}/experiments/{self._experiment.experiment_id}"

    def carry_out(self) -> None:
        """Run the agent with every variant on every test case."""
        self._title("RUNNING EXPERIMENT")
        try:
            with carried_out(self._jobs, self._run, self._workers) as ended:
                self._show(ended)
        finally:
            self._erase_bar()
        self._title("EXPERIMENT COMPLETE")
        succeeded = len(self._ended) - self.failed
        self._terminal.line(f"Results: {succeeded}/{len(self._jobs)} successful")
        self._terminal.line()
        self._terminal.line(f"View results at: {plain(self.url)}")
        self._terminal.flush()

    def _show(self, ended: Iterable[tuple[int, _Run]]) -> None:
        """Report each run in the order of the runs, whichever ends first."""
        shown = 0
        for index, run in ended:
            self._ended[index] = run
            while shown in self._ended:
                self._erase_bar()
                if self._workers > 1:
                    self._announce(self._jobs[shown])
                self._report(self._ended[shown])
                shown += 1
            self._draw_bar()

    def as_json(self) -> dict[str, Any]:
        """Return all results."""
        return {
            "experiment": {
                "id": self._experiment.experiment_id,
                "name": self._experiment.name,
                "status": self._experiment.status,
            },
            "runs": [self._one_as_json(run) for _, run in sorted(self._ended.items())],
            "succeeded": len(self._ended) - self.failed,
            "failed": self.failed,
            "url": self.url,
        }

    def _one_as_json(self, run: _Run) -> dict[str, Any]:
        result = run.result
        return {
            "variantName": result.variant_name,
            "testCaseSessionId": result.test_case_session_id,
            "resultSessionId": result.result_session_id,
            "success": result.success,
            "errorMessage": result.error_message,
            "durationMs": round(run.seconds * 1000),
        }

    def _run(self, job: Job) -> _Run:
        if self._workers == 1:
            self._announce(job)
        tracker = job.tracker
        trace = ""
        started = time.perf_counter()
        seconds = 0.0
        try:
            with tracker:
                recorded = job.enter()
                started = time.perf_counter()
                try:
                    tracker.result_session_id = _named_in(
                        finished(self._agent(job.test_case.user_input))
                    )
                # An agent that calls sys.exit() ends its run, not the experiment.
                except (Exception, SystemExit) as error:  # noqa: BLE001
                    tracker.set_error(said(error))
                    trace = traceback.format_exc()
                seconds = time.perf_counter() - started
                if tracker.result_session_id is None:
                    tracker.result_session_id = recorded.session_id
        except SentrialError as error:
            # The run could not be reported; the others may be.
            tracker.set_error(str(error))
        result = job.result(
            success=tracker.success,
            result_session_id=tracker.result_session_id,
            error_message=tracker.error_message,
        )
        return _Run(result, seconds, trace)

    def _title(self, text: str) -> None:
        if not self._ended:
            self._terminal.line()
        for line in (_RULE, text, _RULE):
            self._terminal.line(line)
        if not self._ended:
            self._terminal.line()
        self._terminal.flush()

    def _announce(self, job: Job) -> None:
        where = f"{plain(job.variant.name)} x {short_id(job.test_case.session_id)}"
        self._terminal.line(f"[{job.number}/{len(self._jobs)}] Running: {where}")
        self._terminal.line(f"  Input: {cut(job.test_case.user_input, _INPUT_WIDTH)}")
        self._terminal.line(f"  Prompt: {cut(job.variant.system_prompt, _INPUT_WIDTH)}")
        self._terminal.flush()

    def _report(self, run: _Run) -> None:
        if run.result.success:
            mark = self._terminal.paint("✓", "green")
            self._terminal.line(f"  {mark} Success (took {round(run.seconds * 1000)}ms)")
        else:
            mark = self._terminal.paint("✗", "red")
            self._terminal.line(f"  {mark} Failed: {plain(run.result.error_message or '')}")
        self._terminal.line()
        self._terminal.flush()
        if run.trace:
            sys.stderr.write(run.trace)

    def _draw_bar(self) -> None:
        if self._bar:
            self._terminal.status(bar(len(self._ended), len(self._jobs)))
            self._terminal.flush()

    def _erase_bar(self) -> None:
        if self._bar:
            self._terminal.status("")


def _named_in(outcome: object) -> str | None:
    """Return the session that an agent names by returning ``(output, session_id, …)``."""
    if isinstance(outcome, tuple) and len(outcome) > 1 and isinstance(outcome[1], str):
        return outcome[1] or None
    return None
