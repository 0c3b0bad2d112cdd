"""CrewAI: the steps and tasks of a crew, as its callbacks and its tool hooks show them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sentrial.integrations import versions
from sentrial.integrations.base import (
    Handler,
    cost_of,
    count,
    cut,
    documented_in,
    quietly,
    text_of,
)
from sentrial.integrations.crewai_crew import CrewHook
from sentrial.wrappers import Usage

if TYPE_CHECKING:
    from sentrial._core import Interaction, SentrialClient
    from sentrial.async_client import AsyncSentrialClient
    from sentrial.wrappers import _innermost

__all__ = ["CREWAI_VERSION", "SentrialCrewHandler", "output_of"]

CREWAI_VERSION = "modern" if versions.is_importable("crewai") else "none"
"""``"modern"`` where CrewAI is installed, else ``"none"``."""

_OUTPUT = 500


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
        session_id: str | Interaction | None,
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
        usage = Usage(count(prompt_tokens), output_tokens=count(completion_tokens))
        self.model_name = model or self.model_name
        cost = cost_of(None, model, usage)
        self._add_totals(usage, cost)
        self._add_usage(usage, cost)

    def wrap_crew(self, crew: Any) -> Any:
        """Record every run of a crew from now on, until another handler wraps it.

        Callbacks that the crew has of its own are left as they are.

        Args:
            crew: A `Crew`, or what has its ``kickoff`` methods.

        Returns:
            The same crew.
        """
        hook = CrewHook.of(crew)
        if hook is None:
            CrewHook(self).install(crew)
        else:
            hook.handler = self
        return crew

    def unwrap_crew(self, crew: Any) -> None:
        """Take back what `wrap_crew` did."""
        hook = CrewHook.of(crew)
        if hook is not None:
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
            self.assistant_output = cut(output, _OUTPUT)
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
    def run_begins(self, inputs: Any) -> None:
        """Note the input of a run; called by what `wrap_crew` puts in place."""
        self._begin()
        if inputs:
            self.user_input = _json(inputs)[:_OUTPUT]

    @quietly
    def run_used(self, used: list[tuple[str | None, Usage]], scope: _innermost.Scope) -> None:
        """Add what a run used, unless calls inside its scope carry that."""
        carries = bool(used) and scope.claim()
        for model, usage in used:
            self.model_name = model or self.model_name
            cost = cost_of(None, model, usage)
            self._add_totals(usage, cost)
            if carries:
                self._add_usage(usage, cost)

    @quietly
    def run_ended(self, result: Any) -> None:
        """Note what a run came to."""
        # A stream has no result yet; the kickoff inside it records what it comes to.
        if not type(result).__name__.endswith("StreamingOutput"):
            self.assistant_output = output_of(result)

    @quietly
    def on_tool(self, context: Any) -> None:
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


def _tool_input(given: Any) -> Any:
    if isinstance(given, str):
        try:
            return json.loads(given)
        except ValueError:
            return {"input": given}
    return given if isinstance(given, dict) else {"input": cut(given, _OUTPUT)}


def _json(value: Any) -> str:
    try:
        return json.dumps(value, default=text_of)
    except (TypeError, ValueError):
        return text_of(value)


def output_of(result: Any) -> str:
    """Return the text of a result, cut."""
    raw = getattr(result, "raw", None)
    return cut(result if raw is None else raw, _OUTPUT)


def _plain_name(tool: object) -> str:
    return re.sub(r"\W+", "_", str(tool)).lower()
