"""The runs that LangChain reports, as a tree: what runs inside what."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Place", "RunTree"]

_DEEPEST = 64
# How a graph pauses or hands over: raised, but no error.
_CONTROL_FLOW = ("GraphBubbleUp", "GraphInterrupt", "ParentCommand")


class Place(NamedTuple):
    """Where an event stands.

    Attributes:
        trace_id: The outermost run; None for a run that stands alone.
        span_id: The run itself; None for a run that stands alone.
        metadata: The run it stands in, and the names of the runs from the outermost to that one.
    """

    trace_id: str | None
    span_id: str | None
    metadata: dict[str, Any]


class _Run(NamedTuple):
    parent: Any
    name: str


class RunTree:
    """The runs that are open."""

    def __init__(self) -> None:
        self._open: dict[Any, _Run] = {}
        # The exception that each outermost run has been recorded to fail with, by its identity.
        self._failed: dict[Any, int] = {}

    def start(self, run_id: Any, parent_run_id: Any, name: str) -> None:
        """Open a run."""
        self._open[run_id] = _Run(parent_run_id, name)

    def end(self, run_id: Any) -> None:
        """Close a run."""
        self._open.pop(run_id, None)
        self._failed.pop(run_id, None)

    def place(self, run_id: Any, parent_run_id: Any) -> Place:
        """Return where a run stands."""
        above = self._above(parent_run_id)
        if not above:
            return Place(None, None, {})
        names = [name for _, name in reversed(above)]
        metadata = {"parent_span_id": str(parent_run_id), "path": names}
        return Place(str(above[-1][0]), str(run_id), metadata)

    def is_news(self, run_id: Any, parent_run_id: Any, error: BaseException) -> bool:
        """Tell whether an error has not been recorded yet: it passes through every run above."""
        if any(kind.__name__ in _CONTROL_FLOW for kind in type(error).__mro__):
            return False
        above = self._above(parent_run_id)
        root = above[-1][0] if above else run_id
        if self._failed.get(root) == id(error):
            return False
        self._failed[root] = id(error)
        return True

    def _above(self, run_id: Any) -> list[tuple[Any, str]]:
        """Return the open runs from this one to the outermost: their ids and names."""
        above: list[tuple[Any, str]] = []
        # Other threads close runs meanwhile.
        while (run := self._open.get(run_id)) is not None and len(above) < _DEEPEST:
            above.append((run_id, run.name))
            run_id = run.parent
        return above
