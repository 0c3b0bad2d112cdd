"""Runs of an experiment side by side, in threads, until they end or are interrupted."""
# It shares with the trackers what is private to them.
# ruff: noqa: SLF001

from __future__ import annotations

import contextvars
import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from typing_extensions import Self

    from sentrial._experiment_runs import Job

T = TypeVar("T")


class SideBySide(Generic[T]):
    """Carries jobs out in threads; a context manager, to be iterated inside its block.

    If the block is left by an exception (Ctrl-C, above all), nothing further begins, and what runs
    is reported as failed before the exception goes on. The agents themselves cannot be stopped and
    are not waited for: their threads do not keep the process alive.
    """

    def __init__(self, jobs: Sequence[Job], work: Callable[[Job], T], workers: int) -> None:
        """Prepare them; each gets a copy of the caller's context.

        Raises:
            ValueError: `workers` is not positive.
        """
        if workers < 1:
            raise ValueError("max_workers must be greater than 0")
        self._jobs = jobs
        self._work = work
        self._workers = min(workers, len(jobs))
        self._waiting = deque(
            (index, job, contextvars.copy_context()) for index, job in enumerate(jobs)
        )
        self._ended: queue.SimpleQueue[tuple[int, T | None, BaseException | None]] = (
            queue.SimpleQueue()
        )

    def __enter__(self) -> Self:
        return self

    def __iter__(self) -> Iterator[tuple[int, T]]:
        for number in range(self._workers):
            # Not of concurrent.futures: its threads are waited for when the process ends.
            name = f"sentrial-experiment_{number}"
            threading.Thread(target=self._run, name=name, daemon=True).start()
        for _ in self._jobs:
            index, result, error = self._ended.get()
            if error is not None:
                raise error
            yield index, result  # type: ignore[misc]  # without an error there is a result

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            self._interrupt(error)

    def _run(self) -> None:
        while self._waiting:
            try:
                index, job, context = self._waiting.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                self._ended.put((index, context.run(self._work, job), None))
            except BaseException as error:  # noqa: BLE001  raised again by the caller's thread
                self._ended.put((index, None, error))

    def _interrupt(self, error: BaseException) -> None:
        self._waiting.clear()
        for job in self._jobs:
            job.tracker._forbid()
        for job in self._jobs:
            if not job.tracker._interrupt(error):
                # The server is not there; each further try would take as long.
                return
