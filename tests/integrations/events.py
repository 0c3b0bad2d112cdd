"""What tests of integrations ask of the requests of one session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.sdk import bodies_sent

if TYPE_CHECKING:
    import sentrial

    from tests.support.collector import Collector


class Sent:
    """The requests so far, in order of arrival."""

    def __init__(self, client: sentrial.SentrialClient, collector: Collector) -> None:
        self.bodies: list[dict[str, Any]] = bodies_sent(client, collector)

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the events, of one type or of all."""
        events = [body for body in self.bodies if "eventType" in body]
        return [event for event in events if kind in (None, event["eventType"])]

    def tools(self) -> list[dict[str, Any]]:
        """Return the tool calls that are no model calls."""
        return [e for e in self.events("tool_call") if not e["toolName"].startswith("llm:")]

    def models(self) -> list[dict[str, Any]]:
        """Return the calls of models."""
        return [e for e in self.events("tool_call") if e["toolName"].startswith("llm:")]

    def errors(self) -> list[dict[str, Any]]:
        """Return the error events."""
        return self.events("error")

    def decisions(self) -> list[str]:
        """Return the texts of the decisions."""
        return [event["reasoning"] for event in self.events("llm_decision")]

    def completions(self) -> list[dict[str, Any]]:
        """Return the completions of sessions."""
        return [body for body in self.bodies if "success" in body]

    def completion(self) -> dict[str, Any]:
        """Return the one completion."""
        (completion,) = self.completions()
        return completion
