"""AutoGen: the messages of a team of `autogen-agentchat`, and of the agents of `pyautogen` 0.2."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from sentrial.integrations import autogen_legacy, versions
from sentrial.integrations.base import (
    Handler,
    cost_of,
    count,
    cut,
    documented_in,
    quietly,
    text_of,
)
from sentrial.wrappers import Usage, _innermost

if TYPE_CHECKING:
    from sentrial._core import Interaction, SentrialClient
    from sentrial.async_client import AsyncSentrialClient

__all__ = ["AUTOGEN_VERSION", "SentrialAutogenHandler"]


def _found() -> str:
    if versions.is_importable("autogen_agentchat"):
        return "agentchat"
    return "legacy" if versions.is_importable("autogen") else "none"


AUTOGEN_VERSION = _found()
"""What is installed: ``"agentchat"``, ``"legacy"`` (the API of 0.2) or ``"none"``."""

_TEXT = 200
_OUTPUT = 500
# Messages whose content another event shows, or that only say that it is over.
_SKIPPED = ("ToolCallSummaryMessage", "StopMessage")


@documented_in("sentrial.autogen")
class SentrialAutogenHandler(Handler):
    """Records what a team of agents does for one session.

    With `autogen-agentchat`: ``await handler.run_team(team, task)``. With the API of 0.2:
    ``handler.register_agents([...])`` before the chat. Call `finish` in the end.

    Messages of `autogen-agentchat` say how many tokens they took, but not of which model: set
    `model_name` before the run to get costs.

    Attributes:
        message_count: Messages so far.
        tool_calls: Tool calls so far.
    """

    def __init__(
        self,
        client: SentrialClient | AsyncSentrialClient,
        session_id: str | Interaction | None,
        verbose: bool = False,
    ) -> None:
        super().__init__(client, session_id, verbose)
        versions.check("autogen-legacy" if _version() == "legacy" else "autogen")
        self.message_count = 0
        self.tool_calls = 0
        self._registered_agents: list[Any] = []
        # Calls that the model asked for and that have no result yet: id → (name, input).
        self._requested: dict[str, tuple[str, dict[str, Any]]] = {}
        # What the messages of the current run took.
        self._uncarried: list[tuple[Usage, float | None]] = []

    async def run_team(self, team: Any, task: Any, **kwargs: Any) -> Any:
        """Run a team, or one agent, on a task, and record its messages.

        Args:
            team: What has `run_stream`.
            task: What to do: a text, a message or several.
            **kwargs: Passed on to `run_stream`.

        Returns:
            The `TaskResult`; None if the stream ended without one.

        Raises:
            ImportError: AutoGen is not installed.
            Exception: Whatever the team raises, as it is.
        """
        if _version() == "none":
            raise versions.missing("autogen", "SentrialAutogenHandler.run_team")
        self._begin()
        if self.user_input is None:
            self.user_input = _content(task)
        result = None
        with _innermost.Scope() as scope:
            try:
                async for item in team.run_stream(task=task, **kwargs):
                    if _is_result(item):
                        result = item
                        self._ended(item)
                    else:
                        self._on_message(item)
            finally:
                self._flush_requested()
                self._carry_usage(scope)
        return result

    def register_agents(self, agents: list[Any]) -> None:
        """Record the messages that agents of the API of 0.2 receive, and their functions.

        Agents without that API are passed over. An agent belongs to the handler that registered
        it last.

        Args:
            agents: The agents.
        """
        for agent in agents:
            if autogen_legacy.attach(self, agent) and not any(
                agent is known for known in self._registered_agents
            ):
                self._registered_agents.append(agent)

    def unregister_agents(self) -> None:
        """Take back what `register_agents` did."""
        agents, self._registered_agents = self._registered_agents, []
        for agent in agents:
            autogen_legacy.detach(agent)

    def get_usage_summary(self) -> dict[str, Any]:
        """Return counts and totals."""
        return {
            "messages": self.message_count,
            "tool_calls": self.tool_calls,
            **self._usage(),
            "autogen_version": _version(),
        }

    def finish(
        self,
        success: bool = True,
        failure_reason: str | None = None,
        custom_metrics: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Complete the session.

        Args:
            success: Whether the team did what it should. Default True.
            failure_reason: Why not.
            custom_metrics: Numbers of your own, beside those of the team.

        Returns:
            The server's answer; ``{}`` without a session.
        """
        metrics = {
            **(custom_metrics or {}),
            "autogen_messages": self.message_count,
            "autogen_tool_calls": self.tool_calls,
        }
        return self._complete(success, failure_reason, metrics)

    @quietly
    def _on_message(self, message: Any) -> None:
        kind = type(message).__name__
        self._count_usage(message)
        if kind == "ToolCallRequestEvent":
            for call in _items(message):
                name = cut(getattr(call, "name", None), _TEXT)
                key = text_of(getattr(call, "id", None))
                self._requested[key] = (name, _arguments(getattr(call, "arguments", None)))
        elif kind == "ToolCallExecutionEvent":
            for result in _items(message):
                self._executed(result)
        elif kind == "ThoughtEvent":
            self._decision(_source(message), f"thinks: {_content(message)}")
        elif kind.endswith("Message") and not kind.startswith(_SKIPPED):
            self.message_count += 1
            self._decision(_source(message), _content(message))

    def _executed(self, result: Any) -> None:
        key = text_of(getattr(result, "call_id", None))
        name, tool_input = self._requested.pop(key, (None, {}))
        output = cut(getattr(result, "content", None), _OUTPUT)
        self._tool_call(
            name or cut(getattr(result, "name", None) or f"result_{key}", _TEXT),
            tool_input,
            {"result": output},
            output if getattr(result, "is_error", False) else None,
            key,
        )

    @quietly
    def _flush_requested(self) -> None:
        requested, self._requested = self._requested, {}
        for key, (name, tool_input) in requested.items():
            self._tool_call(name, tool_input, {"status": "requested"}, None, key)

    def _tool_call(
        self, name: str, tool_input: Any, output: dict[str, Any], error: object, call_id: str | None
    ) -> None:
        self.tool_calls += 1
        self._say(f"Tool: {name}")
        if self.session_id is not None:
            self._client.track_tool_call(
                self.session_id,
                name,
                tool_input,
                output,
                tool_error=error,  # type: ignore[arg-type]  # None, text or an exception
                metadata=None if call_id is None else {"call_id": call_id},
            )

    def _decision(self, speaker: str, content: str) -> None:
        self._say(f"[{speaker}] {content[:_TEXT]}")
        if self.session_id is not None:
            reasoning = f"[{speaker}] {content[:_TEXT]}"
            self._client.track_decision(self.session_id, reasoning, confidence=1.0)

    def _count_usage(self, message: Any) -> None:
        response = getattr(message, "response", None)
        usage = getattr(message, "models_usage", None) or getattr(response, "usage", None)
        model = getattr(response, "model", None)
        if isinstance(model, str):
            self.model_name = model
        used = Usage(
            count(getattr(usage, "prompt_tokens", 0)),
            output_tokens=count(getattr(usage, "completion_tokens", 0)),
        )
        if any(used):
            cost = cost_of(None, self.model_name, used)
            self._add_totals(used, cost)
            self._uncarried.append((used, cost))

    @quietly
    def _carry_usage(self, scope: _innermost.Scope) -> None:
        """Add to the session what a run took, unless wrapped clients inside it have done so."""
        uncarried, self._uncarried = self._uncarried, []
        if uncarried and scope.claim():
            for usage, cost in uncarried:
                self._add_usage(usage, cost)

    @quietly
    def _ended(self, result: Any) -> None:
        messages = getattr(result, "messages", None)
        if messages:
            self.assistant_output = _content(messages[-1])


def _version() -> str:
    """Return `sentrial.autogen.AUTOGEN_VERSION`, which programs set to choose the API."""
    documented = sys.modules.get("sentrial.autogen")
    return str(getattr(documented, "AUTOGEN_VERSION", AUTOGEN_VERSION))


def _is_result(item: Any) -> bool:
    return type(item).__name__ == "TaskResult" or hasattr(item, "stop_reason")


def _items(message: Any) -> list[Any]:
    content = getattr(message, "content", None)
    return list(content) if isinstance(content, (list, tuple)) else []


def _source(message: Any) -> str:
    return cut(getattr(message, "source", None) or "unknown", _TEXT)


def _content(message: Any) -> str:
    content = message if isinstance(message, str) else getattr(message, "content", None)
    if isinstance(content, str):
        return content
    to_text = getattr(message, "to_text", None)
    return text_of(to_text() if callable(to_text) else "" if content is None else content)


def _arguments(text: Any) -> dict[str, Any]:
    if isinstance(text, dict):
        return text
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return {"raw": text}
    return found if isinstance(found, dict) else {"raw": text}
