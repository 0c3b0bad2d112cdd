"""The kinds of events."""

from enum import Enum

__all__ = ["EventType"]


class EventType(str, Enum):
    """The kind of an event, equal to its name on the wire."""

    TOOL_CALL = "tool_call"
    """A tool was called."""
    LLM_DECISION = "llm_decision"
    """A model decided or answered something."""
    ERROR = "error"
    """Something failed."""
    STATE_CHANGE = "state_change"
    """The state of the agent changed."""
