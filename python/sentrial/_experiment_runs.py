"""The runs of an experiment: each in a context of its own, in order or side by side."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import AsyncGenerator, Awaitable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sentrial import _core
from sentrial._experiment_errors import said
from sentrial._experiment_threads import SideBySide
from sentrial.context import set_experiment_context
from sentrial.experiment import ExperimentRunResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sentrial.experiment import (
        Experiment,
        ExperimentRunTracker,
        ExperimentTestCase,
        ExperimentVariant,
    )

T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """One run: one variant on one test case.

    Attributes:
        experiment: The experiment it belongs to.
        number: Its place among the runs, from 1.
        variant: The variant.
        test_case: The test case.
        tracker: What reports its start and its end.
    """

    experiment: Experiment
    number: int
    variant: ExperimentVariant
    test_case: ExperimentTestCase
    tracker: ExperimentRunTracker = field(init=False, compare=False)

    def __post_init__(self) -> None:
        tracker = self.experiment.track_run(self.variant.name, self.test_case.session_id)
        object.__setattr__(self, "tracker", tracker)

    def run(
        self,
        agent: Callable[[ExperimentTestCase, ExperimentVariant, ExperimentRunTracker], Any],
    ) -> ExperimentRunResult:
        """Run ``agent(test_case, variant, tracker)``; what it raises is in the result."""
        tracker = self.tracker
        try:
            with tracker:
                recorded = self.enter()
                finished(agent(self.test_case, self.variant, tracker))
                if tracker.result_session_id is None:
                    tracker.result_session_id = recorded.session_id
        # An agent that calls sys.exit() ends its run, not the experiment.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            return self.result(success=False, error_message=said(error))
        return self.result(
            success=tracker.success,
            result_session_id=tracker.result_session_id,
            error_message=tracker.error_message,
        )

    def enter(self) -> _core.FirstSession:
        """Make this run's experiment the current one; return what knows the session it records."""
        set_experiment_context(
            system_prompt=self.variant.system_prompt,
            variant_name=self.variant.name,
            experiment_id=self.experiment.experiment_id,
            test_case_id=self.test_case.session_id,
        )
        return _core.watch_first_session()

    def result(
        self,
        *,
        success: bool,
        result_session_id: str | None = None,
        error_message: str | None = None,
    ) -> ExperimentRunResult:
        """Return the result of this run."""
        return ExperimentRunResult(
            variant_name=self.variant.name,
            test_case_session_id=self.test_case.session_id,
            result_session_id=result_session_id,
            success=success,
            error_message=error_message,
        )


def jobs_of(experiment: Experiment) -> list[Job]:
    """Return the runs of an experiment: variants outer, test cases inner."""
    pairs = (
        (variant, test_case)
        for variant in experiment.variants
        for test_case in experiment.test_cases
    )
    return [Job(experiment, number, *pair) for number, pair in enumerate(pairs, 1)]


@contextlib.contextmanager
def carried_out(
    jobs: Sequence[Job], work: Callable[[Job], T], workers: int
) -> Iterator[Iterable[tuple[int, T]]]:
    """Give a block the index and the result of each job as it ends; with one worker, in order.

    Each job runs in a copy of the caller's context, so that what it sets there is gone with it. An
    exception that leaves the block ends all runs as failed.
    """
    if workers == 1:
        yield ((index, contextvars.copy_context().run(work, job)) for index, job in enumerate(jobs))
        return
    with SideBySide(jobs, work, workers) as running:
        yield running


def finished(outcome: object) -> Any:
    """Return what an agent returned, run to its end: a coroutine, or the parts it yields."""
    if isinstance(outcome, Generator):
        return list(outcome)
    if not isinstance(outcome, (Awaitable, AsyncGenerator)):
        return outcome
    import asyncio

    async def to_the_end() -> object:
        if isinstance(outcome, AsyncGenerator):
            return [part async for part in outcome]
        return await outcome

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(to_the_end())
    # Called from a coroutine: a loop cannot run inside another one of the same thread.
    return _in_thread(lambda: asyncio.run(to_the_end()))


def _in_thread(work: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            results.append(context.run(work))
        except BaseException as error:  # noqa: BLE001  raised again by the caller
            errors.append(error)

    # After Ctrl-C it does not keep the process alive.
    thread = threading.Thread(target=run, name="sentrial-experiment-loop", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
