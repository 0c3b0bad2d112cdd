"""LangChain and LangGraph: a callback handler that records tools, models, decisions and errors."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sentrial.integrations import versions
from sentrial.integrations.base import documented_in, quietly, text_of
from sentrial.integrations.langchain_messages import tool_output
from sentrial.integrations.langchain_models import ModelCallbacks, since

if TYPE_CHECKING:
    from uuid import UUID

    from sentrial._core import Interaction, SentrialClient
    from sentrial.async_client import AsyncSentrialClient
    from sentrial.integrations.langchain_runs import Place

__all__ = ["BaseCallbackHandler", "SentrialCallbackHandler"]

BaseCallbackHandler = versions.attribute(
    "langchain_core.callbacks", "BaseCallbackHandler"
) or versions.attribute("langchain.callbacks.base", "BaseCallbackHandler")  # langchain 0.0


@documented_in("sentrial.langchain")
class SentrialCallbackHandler(ModelCallbacks, BaseCallbackHandler or object):  # type: ignore[misc]
    """Records what an agent of LangChain or LangGraph does for one session.

    Give it as a callback (``config={"callbacks": [handler]}``) and call `finish` in the end. In
    code with asyncio, `AsyncSentrialCallbackHandler` is called without a thread.

    Each tool call, model call and decision is an event. What runs inside a chain or graph says
    where it stands: ``traceId`` is the outermost run, ``spanId`` the run itself, and
    ``metadata.path`` the names in between.

    Attributes:
        tool_runs: The tools that run, by run id.
        pending_actions: The last action of each agent, by run id.
        step_count: Actions of agents so far.
    """

    def __init__(
        self,
        client: SentrialClient | AsyncSentrialClient,
        session_id: str | Interaction | None,
        track_llm_calls: bool = True,
        verbose: bool = False,
    ) -> None:
        if BaseCallbackHandler is None:
            raise versions.missing("langchain", "SentrialCallbackHandler")
        super().__init__(client, session_id, track_llm_calls, verbose)
        versions.check("langchain")
        self.tool_runs: dict[Any, dict[str, Any]] = {}
        self.pending_actions: dict[Any, dict[str, Any]] = {}
        self.step_count = 0

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
        serialized: dict[str, Any] | None,
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
        name = action["tool"] if action else run["name"] if run else "unknown_tool"
        without = " (no agent_action)" if action is None else ""
        self._say(f"Tool completed{without}: {name}")
        self._tool_call(name, run, action, {"output": text}, reasoning, failure, place)

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
            self._tool_call(run["name"], run, action, output, reasoning, error, place)
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
        name: str,
        run: dict[str, Any] | None,
        action: dict[str, Any] | None,
        output: dict[str, Any],
        reasoning: str | None,
        error: BaseException | str | None,
        place: Place,
    ) -> None:
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
                duration_ms=since(run["started"]) if run else None,
            )

    # -- retrievers

    @quietly
    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Note the start of a search for documents."""
        self._begin()
        named = kwargs.get("name") or (serialized or {}).get("name")
        name = text_of(named or "retriever")
        started = time.perf_counter()
        self.tool_runs[run_id] = {"name": name, "input": {"query": query}, "started": started}
        self._tree.start(run_id, parent_run_id, name)

    @quietly
    def on_retriever_end(
        self,
        documents: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Record a search with the documents it has found."""
        found = [_document(document) for document in documents or ()]
        self._retrieved(run_id, parent_run_id, {"documents": found}, None)

    @quietly
    def on_retriever_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Record a search that failed."""
        if self._tree.is_news(run_id, parent_run_id, error):
            output = {"error": text_of(error), "error_type": type(error).__name__}
            self._retrieved(run_id, parent_run_id, output, error)
        else:
            self.tool_runs.pop(run_id, None)
            self._tree.end(run_id)

    def _retrieved(
        self, run_id: Any, parent_run_id: Any, output: dict[str, Any], error: BaseException | None
    ) -> None:
        run = self.tool_runs.pop(run_id, None)
        place = self._tree.place(run_id, parent_run_id)
        self._tree.end(run_id)
        if run is not None:
            metadata = {**place.metadata, "retriever": run["name"]}
            place = place._replace(metadata=metadata)
            self._tool_call("retriever", run, None, output, None, error, place)

    # -- chains

    @quietly
    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
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

    # -- the end

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


def _document(document: Any) -> dict[str, Any]:
    return {
        "content": getattr(document, "page_content", None),
        "metadata": getattr(document, "metadata", None),
    }


def _tool_input(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {"input": text_of(given)}
