"""CrewAI: the steps and tasks of a crew, as its callbacks and its tool hooks show them."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import re
import sys
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from sentrial.integrations import versions
from sentrial.integrations.base import (
    Handler,
    Hook,
    client_of,
    cost_of,
    count,
    cut,
    documented_in,
    quietly,
)
from sentrial.wrappers import _innermost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sentrial._core import SentrialClient
    from sentrial.async_client import AsyncSentrialClient

__all__ = ["CREWAI_VERSION", "SentrialCrewHandler", "track_crew"]

P = ParamSpec("P")
T = TypeVar("T")

CREWAI_VERSION = "modern" if versions.is_importable("crewai") else "none"
"""``"modern"`` where CrewAI is installed, else ``"none"``."""

_OUTPUT = 500
_KICKOFFS = ("kickoff", "kickoff_async", "akickoff")


@documented_in("sentrial.crewai")
class SentrialCrewHandler(Handler):
    """Records what a crew does for one session.

    Either give its methods to the crew (``step_callback=handler.on_step``,
    ``task_callback=handler.on_task_complete``), or let `wrap_crew` do it, which sees more: input,
    output, usage, and the tools that models call natively. Call `finish` in the end.

    Attributes:
        step_count: Steps so far.
        task_count: Tasks completed so far.
        tool_calls: Tool calls so far.
        task_outputs: What each task came to: dicts of ``task``, ``agent`` and ``output``.
    """

    def __init__(
        self,
        client: SentrialClient | AsyncSentrialClient,
        session_id: str | None,
        verbose: bool = False,
    ) -> None:
        super().__init__(client, session_id, verbose)
        versions.check("crewai")
        self.step_count = 0
        self.task_count = 0
        self.tool_calls = 0
        self.task_outputs: list[dict[str, Any]] = []
        # Tools recorded by a hook, for which a step may still follow.
        self._hooked: list[str] = []

    @quietly
    def on_step(self, step_output: Any) -> None:
        """Record one step of an agent: a tool call, a thought or an answer."""
        self._begin()
        self.step_count += 1
        if hasattr(step_output, "tool"):
            if not self._seen_by_hook(step_output.tool):
                result = getattr(step_output, "result", None)
                if result is None:
                    result = getattr(step_output, "output", None)
                tool_input = _tool_input(getattr(step_output, "tool_input", None))
                self._tool_call(step_output.tool, tool_input, result)
            return
        thought = getattr(step_output, "thought", None)
        answer = getattr(step_output, "text", None) or getattr(step_output, "output", None)
        if thought:
            self._decision(f"Agent thought: {cut(thought, 300)}")
        elif answer:
            self.assistant_output = cut(answer, _OUTPUT)
            self._decision(f"Agent output: {cut(answer, 200)}")
        else:
            self._decision(f"Step: {cut(step_output, 300)}")

    @quietly
    def on_task_complete(self, task_output: Any) -> None:
        """Record the result of a task."""
        self._begin()
        self.task_count += 1
        holder = task_output if hasattr(task_output, "description") else None
        described = getattr(holder or getattr(task_output, "task", None), "description", None)
        description = cut(described or f"Task {self.task_count}", 200)
        agent = getattr(task_output, "agent", None)
        agent = cut(getattr(agent, "role", None) or agent or "unknown", 200)
        for name in ("raw", "output"):
            if hasattr(task_output, name):
                output = cut(getattr(task_output, name), _OUTPUT)
                break
        else:
            output = cut(task_output, _OUTPUT)
        self.task_outputs.append({"task": description, "agent": agent, "output": output})
        self._say(f"Task completed by {agent}")
        if self.session_id is not None:
            self._client.track_tool_call(
                self.session_id,
                f"task_{self.task_count}",
                {"description": description, "agent": agent},
                {"result": output},
                f"Task completed by {agent}",
            )

    @quietly
    def add_token_usage(
        self, prompt_tokens: int, completion_tokens: int, model: str | None = None
    ) -> None:
        """Add usage to the totals of the session.

        `wrap_crew` does it by itself with what the crew reports.

        Args:
            prompt_tokens: Tokens that went in.
            completion_tokens: Tokens that came out.
            model: The model, for the cost; without it, or if its price is unknown, none is added.
        """
        prompt, completion = count(prompt_tokens), count(completion_tokens)
        self.model_name = model or self.model_name
        cost = cost_of(model, prompt, completion)
        self._add_totals(prompt, completion, cost)
        self._add_usage(prompt, completion, cost)

    def wrap_crew(self, crew: Any) -> Any:
        """Record every run of a crew from now on, until another handler wraps it.

        Callbacks that the crew has of its own are left as they are.

        Args:
            crew: A `Crew`, or what has its ``kickoff`` methods.

        Returns:
            The same crew.
        """
        hook = Hook.on(crew, _KICKOFFS[0])
        if isinstance(hook, _CrewHook):
            hook.handler = self
        else:
            _CrewHook(self).install(crew)
        return crew

    def unwrap_crew(self, crew: Any) -> None:
        """Take back what `wrap_crew` did."""
        hook = Hook.on(crew, _KICKOFFS[0])
        if isinstance(hook, _CrewHook):
            hook.remove(crew)

    def get_usage_summary(self) -> dict[str, Any]:
        """Return counts, totals and the outputs of the tasks."""
        return {
            "steps": self.step_count,
            "tasks": self.task_count,
            "tool_calls": self.tool_calls,
            **self._usage(),
            "task_outputs": self.task_outputs,
            "crewai_version": CREWAI_VERSION,
        }

    def finish(
        self,
        success: bool = True,
        failure_reason: str | None = None,
        output: str | None = None,
        custom_metrics: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Complete the session.

        Args:
            success: Whether the crew did what it should. Default True.
            failure_reason: Why not.
            output: The answer; default: what the crew came to.
            custom_metrics: Numbers of your own, beside those of the crew.

        Returns:
            The server's answer; ``{}`` without a session.
        """
        if output is not None:
            self.assistant_output = output
        metrics = {
            **(custom_metrics or {}),
            "crewai_steps": self.step_count,
            "crewai_tasks": self.task_count,
            "crewai_tool_calls": self.tool_calls,
        }
        return self._complete(success, failure_reason, metrics)

    def _decision(self, reasoning: str) -> None:
        self._say(reasoning)
        if self.session_id is not None:
            self._client.track_decision(self.session_id, reasoning, confidence=1.0)

    def _tool_call(self, tool: object, tool_input: Any, result: object) -> None:
        self.tool_calls += 1
        name = cut(tool, 200)
        self._say(f"Tool: {name}")
        if self.session_id is not None:
            output = {"status": "executed"} if result is None else {"output": cut(result, _OUTPUT)}
            self._client.track_tool_call(self.session_id, name, tool_input, output)

    @quietly
    def _run_begins(self, inputs: Any) -> None:
        self._begin()
        if inputs:
            self.user_input = json.dumps(inputs, default=str)[:_OUTPUT]

    @quietly
    def _run_ended(self, crew: Any, result: Any, scope: _innermost.Scope) -> None:
        # A stream has no result yet; the kickoff inside it records what it comes to.
        if type(result).__name__.endswith("StreamingOutput"):
            return
        self.assistant_output = _output_of(result)
        self._add_result_usage(result, scope, _model_of(crew))

    def _add_result_usage(self, result: Any, scope: _innermost.Scope, model: str | None) -> None:
        usage = getattr(result, "token_usage", None)
        prompt = count(getattr(usage, "prompt_tokens", 0))
        completion = count(getattr(usage, "completion_tokens", 0))
        if not prompt + completion:
            return
        self.model_name = model or self.model_name
        cost = cost_of(model, prompt, completion)
        self._add_totals(prompt, completion, cost)
        if scope.claim():
            self._add_usage(prompt, completion, cost)

    @quietly
    def _on_tool(self, context: Any) -> None:
        """Record a tool call that a hook of CrewAI shows, whoever made it."""
        self._begin()
        self._hooked.append(_plain_name(context.tool_name))
        self._tool_call(context.tool_name, dict(context.tool_input or {}), context.tool_result)

    def _seen_by_hook(self, tool: object) -> bool:
        name = _plain_name(tool)
        if name not in self._hooked:
            return False
        self._hooked.remove(name)
        return True


class _Run:
    """What a run of a crew came to."""

    result: Any = None


class _CrewHook(Hook):
    """What `wrap_crew` puts into a crew."""

    handler: SentrialCrewHandler

    def install(self, crew: Any) -> None:
        """Set the callbacks that are free, and wrap the ways to run the crew."""
        self._set_callbacks(crew)
        for name in _KICKOFFS:
            self.into(crew, name, functools.partial(self._wrapped, crew))

    def remove(self, crew: Any) -> None:
        """Take everything back, also from agents and tasks to which the crew has handed it on."""
        self.undo()
        holders = [crew, *(getattr(crew, "agents", None) or ()), *(getattr(crew, "tasks", None) or ())]
        for holder in holders:
            for name in ("step_callback", "task_callback", "callback"):
                if getattr(getattr(holder, name, None), "__self__", None) is self:
                    setattr(holder, name, None)

    def on_step(self, step_output: Any) -> None:
        """Tell the handler of a step."""
        self.handler.on_step(step_output)

    def on_task_complete(self, task_output: Any) -> None:
        """Tell the handler of a task."""
        self.handler.on_task_complete(task_output)

    @quietly
    def _set_callbacks(self, crew: Any) -> None:
        for name, callback in (
            ("step_callback", self.on_step),
            ("task_callback", self.on_task_complete),
        ):
            if getattr(crew, name, None) is None:
                setattr(crew, name, callback)

    def _wrapped(self, crew: Any, kickoff: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(kickoff):

            async def run_async(inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
                with self._run(crew, inputs) as run:
                    run.result = await kickoff(inputs, *args, **kwargs)
                    return run.result

            return run_async

        def run_sync(inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
            with self._run(crew, inputs) as run:
                run.result = kickoff(inputs, *args, **kwargs)
                return run.result

        return run_sync

    @contextlib.contextmanager
    def _run(self, crew: Any, inputs: Any) -> Iterator[_Run]:
        """One run: its input before, its output and usage after it, its native tools meanwhile."""
        handler = self.handler
        handler._run_begins(inputs)  # noqa: SLF001  one module
        run = _Run()
        # A kickoff inside a kickoff reports the same usage: only the inner one adds it.
        with _innermost.Scope() as scope, _tool_hook(crew, handler._on_tool):  # noqa: SLF001
            yield run
        handler._run_ended(crew, run.result, scope)  # noqa: SLF001


@contextlib.contextmanager
def _tool_hook(crew: Any, record: Callable[[Any], None]) -> Iterator[None]:
    """Let CrewAI, where it has hooks, show the tool calls of one crew.

    Tools that a model calls natively never reach the step callback.
    """
    if "crewai" not in sys.modules:
        yield
        return
    try:
        from crewai.hooks import register_after_tool_call_hook, unregister_after_tool_call_hook
    except ImportError:
        yield
        return

    def hook(context: Any) -> None:
        if getattr(context, "crew", None) is crew:
            record(context)

    register_after_tool_call_hook(hook)
    try:
        yield
    finally:
        unregister_after_tool_call_hook(hook)


@documented_in("sentrial.crewai")
def track_crew(
    client: SentrialClient | AsyncSentrialClient,
    agent_name: str = "crewai",
    user_id: str | None = None,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Record each call of a function that runs a crew as a session.

    Usable on functions and coroutine functions. The session has the arguments as its input and the
    result as its output; an exception makes it a failed one, and is raised again as it is.

    Args:
        client: The client.
        agent_name: The name of the agent. Default ``"crewai"``.
        user_id: The end user. Default ``"anonymous"``.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        name = f"{agent_name}: {getattr(function, '__name__', type(function).__name__)}"

        def begin(*args: Any, **kwargs: Any) -> _TrackedCall:
            return _TrackedCall(client, name, agent_name, user_id, args, kwargs)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                import asyncio

                # The session's id is waited for.
                call = await asyncio.to_thread(begin, *args, **kwargs)
                with call:
                    call.result = await function(*args, **kwargs)
                    return call.result

            return cast("Callable[P, T]", run_async)

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            with begin(*args, **kwargs) as call:
                call.result = function(*args, **kwargs)
                return cast("T", call.result)

        return run

    return decorate


class _TrackedCall:
    """One call of a function under `track_crew`."""

    def __init__(
        self,
        client: SentrialClient | AsyncSentrialClient,
        name: str,
        agent_name: str,
        user_id: str | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.result: Any = None
        session_id = client_of(client).create_session(name, agent_name, user_id)
        self._handler = SentrialCrewHandler(client, session_id)
        self._started(args, kwargs)
        self._scope = _innermost.Scope()

    def __enter__(self) -> _TrackedCall:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._scope.close()
        self._ended(error)

    def _started(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        handler = self._handler
        handler._begin()  # noqa: SLF001  one module
        handler.user_input = json.dumps({"args": cut(args, _OUTPUT), "kwargs": cut(kwargs, _OUTPUT)})[
            :_OUTPUT
        ]

    @quietly
    def _ended(self, error: BaseException | None) -> None:
        if error is not None:
            self._handler.finish(False, cut(error, _OUTPUT))
            return
        self._handler._add_result_usage(self.result, self._scope, None)  # noqa: SLF001
        self._handler.finish(output=_output_of(self.result))


def _tool_input(given: Any) -> Any:
    if isinstance(given, str):
        try:
            return json.loads(given)
        except ValueError:
            return {"input": given}
    return given if isinstance(given, dict) else {"input": cut(given, _OUTPUT)}


def _output_of(result: Any) -> str:
    raw = getattr(result, "raw", None)
    return cut(result if raw is None else raw, _OUTPUT)


def _model_of(crew: Any) -> str | None:
    """Return the model of a crew's agents; None if they use several."""
    models = {
        getattr(getattr(agent, "llm", None), "model", None)
        for agent in getattr(crew, "agents", None) or ()
    }
    model = models.pop() if len(models) == 1 else None
    return model if isinstance(model, str) else None


def _plain_name(tool: object) -> str:
    return re.sub(r"\W+", "_", str(tool)).lower()
