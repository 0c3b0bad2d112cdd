"""Experiments: an agent run with every variant of its prompt on every test case.

    experiment = sentrial.Experiment("exp_123")

    def agent(test_case, variant, tracker):
        answer = answer_with(sentrial.get_system_prompt(), test_case.user_input)

    results = experiment.run(agent, parallel=True)

The calls of an experiment wait for their answers and raise what goes wrong.
"""
# The annotations are part of the documented signatures, so they keep the spelling of `typing`.
# `Experiment` and its tracker share what is private to them.
# ruff: noqa: UP006, UP035, UP045, PYI034, PYI036, SLF001

import logging
import threading
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional
from urllib.parse import quote

from sentrial import client as _client
from sentrial._core import SentrialClient
from sentrial._experiment_errors import text_of
from sentrial.exceptions import APIConnectionError, SentrialError

__all__ = [
    "Experiment",
    "ExperimentRunResult",
    "ExperimentRunTracker",
    "ExperimentTestCase",
    "ExperimentVariant",
]

_logger = logging.getLogger("sentrial.experiment")


@dataclass
class ExperimentVariant:
    """One variant of the agent.

    Attributes:
        name: Its name within the experiment.
        system_prompt: The system prompt it is to use.
        description: What is different about it. Default None.
    """

    name: str
    system_prompt: str
    description: Optional[str] = None


@dataclass
class ExperimentTestCase:
    """One input that every variant is run with.

    Attributes:
        session_id: The recorded session the input comes from.
        user_input: What the user said.
    """

    session_id: str
    user_input: str


@dataclass
class ExperimentRunResult:
    """What became of one run: one variant on one test case.

    Attributes:
        variant_name: The name of the variant.
        test_case_session_id: The session of the test case.
        result_session_id: The session recorded by the run, if it is known.
        success: Whether the agent neither raised nor reported an error.
        error_message: What went wrong. Default None.
    """

    variant_name: str
    test_case_session_id: str
    result_session_id: Optional[str]
    success: bool
    error_message: Optional[str] = None


class ExperimentRunTracker:
    """One run, from its start to its end, as a context manager.

    Entering it reports the start; leaving it reports the end, as failed if there was an exception
    or an error was set. The exception goes on.
    """

    def __init__(self, experiment: "Experiment", variant_name: str, base_session_id: str) -> None:
        """Prepare a run; see `Experiment.track_run`."""
        self.experiment = experiment
        self.variant_name = variant_name
        self.base_session_id = base_session_id
        self.run_id: Optional[str] = None
        self.result_session_id: Optional[str] = None
        self._success = True
        self._error_message: Optional[str] = None
        # Held while the start or the end is reported.
        self._reporting = threading.Lock()
        self._running = False
        self._forbidden = False

    @property
    def success(self) -> bool:
        """Whether no error was set and nothing was raised, up to now."""
        return self._success

    @property
    def error_message(self) -> Optional[str]:
        """What went wrong; None if nothing did."""
        return self._error_message

    def set_result_session_id(self, session_id: str) -> None:
        """Say which session was recorded by the run."""
        self.result_session_id = session_id

    def set_error(self, message: str) -> None:
        """Say that the run failed, and why."""
        self._success = False
        self._error_message = message

    def __enter__(self) -> "ExperimentRunTracker":
        from sentrial._uninterrupted import uninterrupted

        with self._reporting:
            if self._forbidden:
                raise SentrialError("the experiment was interrupted")
            # A start that is interrupted would leave a run that nobody can end.
            started, interrupt = uninterrupted(self._start)
            run = started.get("run")
            if isinstance(run, dict) and run.get("id"):
                self.run_id = str(run["id"])
            self._running = True
        if interrupt is not None:
            self._interrupt(interrupt)
            raise interrupt
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> bool:  # type: ignore[exit-return]  # documented
        if exc_type is not None:
            self.set_error(f"{exc_type.__name__}: {text_of(exc_val)}")
        try:
            # After Ctrl-C the next one ends this, too.
            self._end(guarded=not isinstance(exc_val, KeyboardInterrupt))
        except SentrialError as error:
            if exc_type is None:
                raise
            # What happened in the run matters more than that it could not be reported.
            self._log_unrecorded(error)
        return False

    def _start(self) -> Dict[str, Any]:
        started = {"variantName": self.variant_name, "baseSessionId": self.base_session_id}
        return self.experiment._call("POST", "/runs", started)

    def _end(self, reason: Optional[str] = None, *, guarded: bool = False) -> None:
        from sentrial._uninterrupted import uninterrupted

        with self._reporting:
            if not self._running:
                return
            self._running = False
            if reason is not None:
                self.set_error(reason)
            if self.run_id is None:
                return
            if not guarded:
                self._patch()
                return
            _, interrupt = uninterrupted(self._patch)
        if interrupt is not None:
            raise interrupt

    def _patch(self) -> None:
        ended = {
            "status": "completed" if self._success else "failed",
            "resultSessionId": self.result_session_id,
            "errorMessage": self._error_message,
        }
        self.experiment._call("PATCH", f"/runs/{quote(str(self.run_id), safe='')}", ended)

    def _forbid(self) -> None:
        """Let the run not begin any more, if it has not."""
        self._forbidden = True

    def _interrupt(self, reason: BaseException) -> bool:
        """End the run as failed from another thread; its own end is not reported any more.

        Returns:
            Whether the server can be reached, as far as is known.
        """
        # Whoever holds the lock reports an end, or a start that is still to be ended.
        if not self._running and not self._reporting.locked():
            return True
        text = text_of(reason) or "the experiment was interrupted"
        try:
            self._end(f"{type(reason).__name__}: {text}")
        except SentrialError as error:
            self._log_unrecorded(error)
            return not isinstance(error, APIConnectionError)
        return True

    def _log_unrecorded(self, error: SentrialError) -> None:
        _logger.warning("the end of run %s was not recorded: %s", self.run_id, error)


class Experiment:
    """An experiment that is set up on the server.

    What it consists of is fetched when it is first asked for, and kept.

    Attributes:
        experiment_id: Its id.
    """

    def __init__(
        self, experiment_id: str, api_key: Optional[str] = None, api_url: Optional[str] = None
    ) -> None:
        """Name an experiment; nothing is fetched yet.

        Args:
            experiment_id: Its id.
            api_key: The API key. Default: ``SENTRIAL_API_KEY``.
            api_url: The API's address. Default: ``SENTRIAL_API_URL``, else the Sentrial cloud.

        Raises:
            AuthenticationError: There is no key, and the server is not local.
            ConfigurationError: The address or the key cannot be used.
        """
        self.experiment_id = experiment_id
        self._client = _loud_client(api_url, api_key)
        self._config: Optional[Dict[str, Any]] = None

    @classmethod
    def create(
        cls,
        description: Dict[str, Any],
        api_key: Optional[str] = None,
        api_url: Optional[str] = None,
    ) -> "Experiment":
        """Set an experiment up on the server.

        Args:
            description: ``name``, ``variants`` (``name``, ``systemPrompt``, ``description``) and
                ``testCases`` (``userInput``, ``sessionId``), in the API's names.
            api_key: As for `Experiment`.
            api_url: As for `Experiment`.

        Raises:
            BadRequestError: Something is missing or wrong; the message names it.
            NotFoundError: The server cannot set experiments up; the local server can.
        """
        client = _loud_client(api_url, api_key)
        answer = client._api_call("POST", "/api/experiments", description)
        made = answer.get("experiment") if isinstance(answer, dict) else None
        if not isinstance(made, dict) or not made.get("id"):
            raise SentrialError("the answer to an experiment has no usable id")
        experiment = cls(str(made["id"]), api_key, api_url)
        experiment._config = made
        return experiment

    @property
    def name(self) -> str:
        """Its name; empty if it has none."""
        return str(self._configuration().get("name") or "")

    @property
    def status(self) -> str:
        """Its status, as the server words it; empty if it has none."""
        return str(self._configuration().get("status") or "")

    @property
    def variants(self) -> List[ExperimentVariant]:
        """The variants, in their order."""
        return [
            ExperimentVariant(
                name=str(item.get("name") or ""),
                system_prompt=str(item.get("systemPrompt") or ""),
                description=item.get("description"),
            )
            for item in _objects(self._configuration().get("variants"))
        ]

    @property
    def test_cases(self) -> List[ExperimentTestCase]:
        """The test cases that have an input, in their order."""
        return [
            ExperimentTestCase(
                session_id=str(item.get("sessionId") or ""), user_input=str(item["userInput"])
            )
            for item in _objects(self._configuration().get("testCases"))
            if item.get("userInput")
        ]

    def get_variant(self, name: str) -> Optional[ExperimentVariant]:
        """Return the variant of this name, or None."""
        return next((variant for variant in self.variants if variant.name == name), None)

    def track_run(self, variant_name: str, base_session_id: str) -> ExperimentRunTracker:
        """Return the tracker of a run that the caller carries out itself.

        Args:
            variant_name: The name of the variant.
            base_session_id: The session of the test case.
        """
        return ExperimentRunTracker(self, variant_name, base_session_id)

    def run(
        self,
        agent_fn: Callable[[ExperimentTestCase, ExperimentVariant, ExperimentRunTracker], Any],
        parallel: bool = False,
        max_workers: int = 4,
    ) -> List[ExperimentRunResult]:
        """Run an agent with every variant on every test case, and print how it goes.

        In each run `get_system_prompt()` gives the prompt of the variant, and the first session the
        agent begins becomes the result unless the agent names one itself.

        Args:
            agent_fn: Called as ``agent_fn(test_case, variant, tracker)``; may be a coroutine
                function. What it raises makes that run a failed one.
            parallel: Whether runs go on at the same time, in threads. Default False.
            max_workers: How many of them at most. Default 4.

        Returns:
            The results: all test cases of the first variant, then of the second, and so on.

        Raises:
            SentrialError: The experiment cannot be fetched.
            ValueError: `max_workers` is not positive.
            KeyboardInterrupt: Ctrl-C. The runs that go on are recorded as failed, no further one
                begins; agents in threads are not waited for. A second Ctrl-C ends that, too.
        """
        from sentrial._experiment_progress import Progress
        from sentrial._experiment_runs import Job, carried_out, jobs_of

        jobs = jobs_of(self)
        progress = Progress(self, len(jobs))

        def work(job: Job) -> ExperimentRunResult:
            return job.run(agent_fn)

        results: List[Optional[ExperimentRunResult]] = [None] * len(jobs)
        workers = max_workers if parallel else 1
        with progress, carried_out(jobs, work, workers) as ended:
            for index, result in ended:
                results[index] = result
                progress.ended(result)
        return [result for result in results if result is not None]

    def reset(self) -> bool:
        """Delete all runs, and forget what was fetched.

        Returns:
            Whether the server did it; why not is logged.
        """
        try:
            self._call("DELETE", "/runs")
        except SentrialError as error:
            _logger.warning("experiment %s was not reset: %s", self.experiment_id, error)
            return False
        self._config = None
        return True

    def get_results(self) -> dict:  # type: ignore[type-arg]  # the documented signature
        """Return the results as the server reports them; ``{}`` if it does not, which is logged."""
        try:
            return self._call("GET", "/results")
        except SentrialError as error:
            _logger.warning("no results of experiment %s: %s", self.experiment_id, error)
            return {}

    def _configuration(self) -> Dict[str, Any]:
        if self._config is None:
            found = self._call("GET", "/runs").get("experiment")
            self._config = found if isinstance(found, dict) else {}
        return self._config

    def _call(
        self, method: str, path: str, body: Optional[Dict[str, Any]] = None
    ) -> Dict[str, Any]:
        base = f"/api/experiments/{quote(str(self.experiment_id), safe='')}"
        answer = self._client._api_call(method, base + path, body)
        return answer if isinstance(answer, dict) else {}


def _loud_client(api_url: Optional[str], api_key: Optional[str]) -> SentrialClient:
    # What went wrong in a run may hold personal data: redacted as the default client does it.
    default = _client._default
    pii = None if default is None else default.pii
    return SentrialClient(api_url, api_key, fail_silently=False, pii=pii)


def _objects(value: object) -> List[Dict[str, Any]]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]
