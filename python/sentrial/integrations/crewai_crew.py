"""What `SentrialCrewHandler.wrap_crew` puts into a crew."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any

from sentrial.integrations.base import Hook, quietly
from sentrial.integrations.crewai_usage import Meter
from sentrial.wrappers import _innermost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sentrial.integrations.crewai import SentrialCrewHandler

__all__ = ["CrewHook"]

_KICKOFFS = ("kickoff", "kickoff_async", "akickoff")


class _Run:
    """What a run of a crew came to."""

    result: Any = None


class CrewHook(Hook):
    """What `wrap_crew` puts into a crew."""

    handler: SentrialCrewHandler

    def __init__(self, handler: SentrialCrewHandler) -> None:
        super().__init__(handler)
        self._meter = Meter()
        self._running = False

    @classmethod
    def of(cls, crew: object) -> CrewHook | None:
        """Return the hook of a crew, if it has one."""
        hook = cls.on(crew, _KICKOFFS[0])
        return hook if isinstance(hook, cls) else None

    def install(self, crew: Any) -> None:
        """Set the callbacks that are free, and wrap the ways to run the crew."""
        self._set_callbacks(crew)
        for name in _KICKOFFS:
            self.into(crew, name, functools.partial(self._wrapped, crew))

    def remove(self, crew: Any) -> None:
        """Take everything back, also from agents and tasks to which the crew has handed it on."""
        self.undo()
        holders = [
            crew,
            *(getattr(crew, "agents", None) or ()),
            *(getattr(crew, "tasks", None) or ()),
        ]
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
        run = _Run()
        if self._running:
            # A kickoff that another one makes, of which this is the work.
            yield run
            return
        handler = self.handler
        handler.run_begins(inputs)
        self._meter.begin(crew)
        self._running = True
        try:
            with _innermost.Scope() as scope, _tool_hook(crew, handler.on_tool):
                yield run
        finally:
            self._running = False
            handler.run_used(self._meter.end(crew, run.result), scope)
        handler.run_ended(run.result)


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
