"""LangChain and LangGraph: a callback handler that records tools, models, decisions and errors."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any

from sentrial.integrations import versions
from sentrial.integrations.base import Handler, cost_of, cut, documented_in, quietly, text_of
from sentrial.integrations.langchain_messages import (
    Answer,
    answer_of,
    plain_messages,
    provider_and_model,
    tool_output,
)
from sentrial.integrations.langchain_runs import Place, RunTree
from sentrial.wrappers import _innermost

if TYPE_CHECKING:
    from uuid import UUID

    from sentrial._core import SentrialClient
    from sentrial.async_client import AsyncSentrialClient

__all__ = ["BaseCallbackHandler", "SentrialCallbackHandler"]

try:
    from langchain_core.callbacks import BaseCallbackHandler
except ImportError:
    try:  # langchain 0.0
        from langchain.callbacks.base import BaseCallbackHandler
    except ImportError:
        BaseCallbackHandler = None

_THOUGHT = re.compile(r"Thought:(.*?)(?:Action:|Final Answer:|$)", re.DOTALL)
_PROMPT_VARIABLE = "SENTRIAL_EXPERIMENT_SYSTEM_PROMPT"


class _LlmRun:
    """One call of a model that has started."""

    def __init__(self, messages: Any, provider: str | None, model: str | None) -> None:
        self.messages = plain_messages(messages)
        self.provider = provider
        self.model = model
        self.started = time.perf_counter()
        self.first_token: float | None = None
        # A wrapped client inside the call sees the same usage.
        self.scope = _innermost.Scope()


@documented_in("sentrial.langchain")
class SentrialCallbackHandler(Handler, BaseCallbackHandler or object):  # type: ignore[misc]
    """Records what an agent of LangChain or LangGraph does for one session.

    Give it as a callback (``config={"callbacks": [handler]}``) and call `finish` in the end. In
    code with asyncio, `AsyncSentrialCallbackHandler` is called without a thread.

    Each tool call, model call and decision is an event. What runs inside a chain or graph says
    where it stands: ``traceId`` is the outermost run, ``spanId`` the run itself, and
    ``metadata.path`` the names in between.

    Attributes:
        track_llm_calls: Whether calls of models are sent as events; their usage counts anyway.
        tool_runs: The tools that run, by run id.
        pending_actions: The last action of each agent, by run id.
        step_count: Actions of agents so far.
        last_llm_reasoning: The last thought, until a tool call takes it as its reasoning.
        llm_calls: Model calls so far.
    """

    def __init__(
        self,
        client: SentrialClient | AsyncSentrialClient,
        session_id: str | None,
        track_llm_calls: bool = True,
        verbose: bool = False,
    ) -> None:
        if BaseCallbackHandler is None:
            raise versions.missing("langchain", "SentrialCallbackHandler")
        super().__init__(client, session_id, verbose)
        versions.check("langchain")
        self.track_llm_calls = track_llm_calls
        self.tool_runs: dict[Any, dict[str, Any]] = {}
        self.pending_actions: dict[Any, dict[str, Any]] = {}
        self.step_count = 0
        self.last_llm_reasoning: str | None = None
        self.llm_calls = 0
        self._llm_runs: dict[Any, _LlmRun] = {}
        self._tree = RunTree()

    # -- models

    @quietly
    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Note the start of a completion; see `SENTRIAL_EXPERIMENT_SYSTEM_PROMPT`."""
        self._begin()
        prompt = os.environ.get(_PROMPT_VARIABLE)
        if prompt and prompts:
            prompts[0] = f"{prompt}\n\n{prompts[0]}"
            self._say("Injected experiment system prompt")
        self._say(f"LLM call started: {len(prompts)} prompts")
        self._llm_started(serialized, list(prompts), run_id, parent_run_id, kwargs)

    @quietly
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Note the start of a call of a chat model."""
        self._begin()
        self._say(f"LLM call started: {len(messages)} prompts")
        self._llm_started(serialized, messages, run_id, parent_run_id, kwargs)

    @quietly
    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002  LangChain's signature
        """Note when a stream began."""
        run = self._llm_runs.get(run_id)
        if run is not None and run.first_token is None:
            run.first_token = time.perf_counter()

    @quietly
    def on_llm_end(
        self,
        response: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Record a call of a model with its usage, and remember its text and its thought."""
        run = self._llm_runs.pop(run_id, None)
        place = self._tree.place(run_id, parent_run_id)
        self._tree.end(run_id)
        answer = answer_of(response)
        self.llm_calls += 1
        if answer.text:
            self._last_text = answer.text
            thought = _THOUGHT.search(answer.text)
            if thought is not None:
                self.last_llm_reasoning = thought[1].strip()
        self._llm_ended(answer, run or _LlmRun(None, None, None), place)

    @quietly
    def on_llm_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Record that a call of a model failed."""
        run = self._llm_runs.pop(run_id, None) or _LlmRun(None, None, None)
        run.scope.close()
        place = self._tree.place(run_id, parent_run_id)
        provider, model = run.provider or "unknown", run.model or "unknown"
        self._say(f"LLM error: {cut(error, 200)}")
        if self._tree.is_news(run_id, parent_run_id, error):
            self._error(
                error,
                f"llm:{provider}:{model}",
                place,
                {"provider": provider, "model": model, "duration_ms": _since(run.started)},
            )
        self._tree.end(run_id)

    def _llm_started(
        self, serialized: Any, messages: Any, run_id: Any, parent_run_id: Any, kwargs: Any
    ) -> None:
        provider, model = provider_and_model(serialized, kwargs)
        self._llm_runs[run_id] = _LlmRun(messages, provider, model)
        self._tree.start(run_id, parent_run_id, model or "model")

    def _llm_ended(self, answer: Answer, run: _LlmRun, place: Place) -> None:
        model = answer.model or run.model
        self.model_name = model or self.model_name
        prompt, completion = answer.prompt_tokens, answer.completion_tokens
        cost = cost_of(model, prompt, completion) if prompt + completion else None
        self._add_totals(prompt, completion, cost)
        carries = run.scope.claim()
        run.scope.close()
        if self.session_id is None:
            return
        if not self.track_llm_calls:
            if carries:
                self._add_usage(prompt, completion, cost)
            return
        metadata: dict[str, Any] = {**place.metadata, **answer.details}
        if answer.tool_calls:
            metadata["tool_calls"] = answer.tool_calls
        if run.first_token is not None:
            metadata["time_to_first_token_ms"] = int((run.first_token - run.started) * 1000)
        if not carries:
            metadata["usage_in"] = "inner call"
        elif not prompt + completion:
            metadata["cost_unknown"] = True
        self._client.track_llm_call(
            self.session_id,
            model or "unknown",
            run.messages,
            answer.text,
            provider=answer.provider or run.provider,
            prompt_tokens=prompt if carries else None,
            completion_tokens=completion if carries else None,
            estimated_cost=cost if carries else 0.0,
            duration_ms=_since(run.started),
            metadata=metadata,
            trace_id=place.trace_id,
            span_id=place.span_id,
        )

    # -- tools and agents

    @quietly
    def on_agent_action(
        self,
        action: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Remember why the next tool is called."""
        self._begin()
        self.step_count += 1
        tool = text_of(getattr(action, "tool", "unknown_tool"))
        self.pending_actions[run_id] = {
            "tool": tool,
            "input": getattr(action, "tool_input", None),
            "log": getattr(action, "log", None),
        }
        self._say(f"Agent action: {tool}")

    @quietly
    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Note the start of a tool."""
        self._begin()
        named = serialized.get("name") if isinstance(serialized, dict) else None
        name = text_of(named or kwargs.get("name") or "unknown_tool")
        inputs = kwargs.get("inputs")
        self.tool_runs[run_id] = {
            "name": name,
            "input": inputs if isinstance(inputs, dict) else _tool_input(input_str),
            "started": time.perf_counter(),
        }
        self._tree.start(run_id, parent_run_id, name)
        self._say(f"Tool started: {name}")

    @quietly
    def on_tool_end(
        self,
        output: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Record a tool call."""
        run = self.tool_runs.pop(run_id, None)
        action = self._action_for(run, parent_run_id)
        place = self._tree.place(run_id, parent_run_id)
        self._tree.end(run_id)
        if run is None and action is None:
            return
        text, failure = tool_output(output)
        if action is None:
            reasoning, self.last_llm_reasoning = self.last_llm_reasoning, None
        else:
            reasoning = action["log"] or f"Action: {action['tool']}"
        called = self._tool_call(run, action, {"output": text}, reasoning, failure, place)
        without = " (no agent_action)" if action is None else ""
        self._say(f"Tool completed{without}: {called}")

    @quietly
    def on_tool_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Record a tool call that failed."""
        run = self.tool_runs.pop(run_id, None)
        action = self._action_for(run, parent_run_id)
        place = self._tree.place(run_id, parent_run_id)
        if run is not None and self._tree.is_news(run_id, parent_run_id, error):
            output = {"error": text_of(error), "error_type": type(error).__name__}
            reasoning = action["log"] if action else None
            self._say(f"Tool error: {run['name']} - {text_of(error)}")
            self._tool_call(run, action, output, reasoning, error, place)
        self._tree.end(run_id)

    @quietly
    def on_agent_finish(
        self,
        finish: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Record the answer of an agent."""
        values = getattr(finish, "return_values", None)
        output = values.get("output") if isinstance(values, dict) else values
        self.assistant_output = "No output" if output is None else text_of(output)
        self.pending_actions.pop(run_id, None)
        self._say("Agent finished")
        if self.session_id is not None:
            place = self._tree.place(run_id, parent_run_id)
            self._client.track_decision(
                self.session_id,
                f"Agent completed: {self.assistant_output}",
                confidence=1.0,
                trace_id=place.trace_id,
                span_id=place.span_id,
                metadata=place.metadata or None,
            )

    def _action_for(self, run: dict[str, Any] | None, agent_run: Any) -> dict[str, Any] | None:
        """Return the action that led to a tool: an agent that acts at once in parallel has more."""
        action = self.pending_actions.get(agent_run)
        if action is None or (run is not None and run["name"] != action["tool"]):
            return None
        return action

    def _tool_call(
        self,
        run: dict[str, Any] | None,
        action: dict[str, Any] | None,
        output: dict[str, Any],
        reasoning: str | None,
        error: BaseException | str | None,
        place: Place,
    ) -> str:
        name = action["tool"] if action else run["name"] if run else "unknown_tool"
        tool_input = action["input"] if action else None
        if not isinstance(tool_input, dict):
            tool_input = run["input"] if run else {"input": text_of(tool_input)}
        if self.session_id is not None:
            self._client.track_tool_call(
                self.session_id,
                name,
                tool_input,
                output,
                reasoning,
                tool_error=error,
                trace_id=place.trace_id,
                span_id=place.span_id,
                metadata=place.metadata or None,
                duration_ms=_since(run["started"]) if run else None,
            )
        return str(name)

    # -- chains

    @quietly
    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: Any,  # noqa: ARG002
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Note what runs inside what."""
        self._begin()
        named = kwargs.get("name")
        if not named and isinstance(serialized, dict):
            named = serialized.get("name") or (serialized.get("id") or ["chain"])[-1]
        self._tree.start(run_id, parent_run_id, text_of(named or "chain"))

    @quietly
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """Forget a chain."""
        self._tree.end(run_id)
        self.pending_actions.pop(run_id, None)

    @quietly
    def on_chain_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Record an error, where it comes from: not again in every chain it passes through."""
        if self._tree.is_news(run_id, parent_run_id, error):
            self._error(error, None, self._tree.place(run_id, parent_run_id), {})
        self._tree.end(run_id)
        self.pending_actions.pop(run_id, None)

    def _error(
        self, error: BaseException, tool_name: str | None, place: Place, about: dict[str, Any]
    ) -> None:
        if self.session_id is not None:
            self._client.track_error(
                self.session_id,
                text_of(error),
                type(error).__name__,
                tool_name,
                trace_id=place.trace_id,
                span_id=place.span_id,
                metadata={**place.metadata, **about} or None,
            )

    # -- the end

    _last_text: str | None = None

    def get_usage_summary(self) -> dict[str, Any]:
        """Return the number of model calls, and the totals."""
        return {"llm_calls": self.llm_calls, **self._usage()}

    def finish(
        self,
        success: bool = True,
        failure_reason: str | None = None,
        custom_metrics: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Complete the session.

        Its costs and tokens are the sums of everything recorded for the session, by this handler
        or otherwise; its output is the answer of the agent, else the last text of a model.

        Args:
            success: Whether the agent did what it should. Default True.
            failure_reason: Why not.
            custom_metrics: Numbers of your own.

        Returns:
            The server's answer; ``{}`` without a session.

        Raises:
            SentrialError: The completion failed, and the client is loud and waits.
        """
        if self.assistant_output is None:
            self.assistant_output = self._last_text
        return self._complete(success, failure_reason, custom_metrics)


def _tool_input(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {"input": text_of(given)}


def _since(started: float) -> int:
    return int((time.perf_counter() - started) * 1000)
