"""How the runs of an experiment go: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from sentrial._terminal import Terminal, plain

if TYPE_CHECKING:
    from typing_extensions import Self

    from sentrial.experiment import Experiment, ExperimentRunResult

_BAR_WIDTH = 30


def short_id(session_id: str) -> str:
    """Return the beginning of an id, as the lines show it."""
    return f"{plain(session_id[:8])}..."


class Progress:
    """Writes to stdout while an experiment runs."""

    def __init__(self, experiment: Experiment, total: int) -> None:
        self._experiment = experiment
        # A program without a console has no stdout.
        self._terminal = Terminal(sys.stdout or io.StringIO())
        self._total = total
        self._ended = 0
        self._succeeded = 0
        self._bar = self._terminal.is_interactive

    def __enter__(self) -> Self:
        experiment = self._experiment
        self._terminal.line(f"Running experiment: {plain(experiment.name)}")
        self._terminal.line(f"  Variants: {len(experiment.variants)}")
        self._terminal.line(f"  Test cases: {len(experiment.test_cases)}")
        self._terminal.line(f"  Total runs: {self._total}")
        self._terminal.line()
        self._draw()
        return self

    def ended(self, result: ExperimentRunResult) -> None:
        """Tell that one more run has ended."""
        self._ended += 1
        self._succeeded += result.success
        mark = "✓" if result.success else "✗"
        where = f"{plain(result.variant_name)} x {short_id(result.test_case_session_id)}"
        self._erase()
        self._terminal.line(f"  [{self._ended}/{self._total}] {self._painted(mark)} {where}")
        self._draw()

    def __exit__(self, exc_type: object, *_: object) -> None:
        self._erase()
        if exc_type is not None:
            return
        self._terminal.line()
        self._terminal.line("Experiment complete!")
        self._terminal.line(f"  Successful: {self._succeeded}/{self._total}")
        self._terminal.line(f"  Failed: {self._ended - self._succeeded}/{self._total}")
        self._terminal.flush()

    def _painted(self, mark: str) -> str:
        return self._terminal.paint(mark, "green" if mark == "✓" else "red")

    def _draw(self) -> None:
        if self._bar:
            self._terminal.status(bar(self._ended, self._total))
        self._terminal.flush()

    def _erase(self) -> None:
        if self._bar:
            self._terminal.status("")


def bar(done: int, total: int) -> str:
    """Return a bar of text: ``[####------] 2/5``."""
    filled = _BAR_WIDTH if total == 0 else _BAR_WIDTH * done // total
    return f"  [{'#' * filled}{'-' * (_BAR_WIDTH - filled)}] {done}/{total}"
