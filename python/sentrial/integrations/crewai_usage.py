"""What a run of a crew used, by model.

CrewAI's counters grow over the life of a model, and its own sum counts a model once for every agent
that uses it: what belongs to a run is what each model counted more than before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial.integrations.base import count, quietly
from sentrial.integrations.usage import of_parts

if TYPE_CHECKING:
    from sentrial.wrappers import Usage

__all__ = ["Meter"]

_COUNTERS = (
    "prompt_tokens",
    "completion_tokens",
    "cached_prompt_tokens",
    "cache_creation_tokens",
    "reasoning_tokens",
)
_Figures = tuple[int, ...]
_NONE: _Figures = (0,) * len(_COUNTERS)


class Meter:
    """Reads the counters of a crew around its runs, one run at a time."""

    def __init__(self) -> None:
        self._before: dict[int, _Figures] = {}
        self._last_result = _NONE

    @quietly
    def begin(self, crew: Any) -> None:
        """Read the counters before a run."""
        self._before = {id(model): _counters(model) for model in _models(crew)}

    def end(self, crew: Any, result: Any) -> list[tuple[str | None, Usage]]:
        """Return what the run used: pairs of a model's name, if it is known, and its usage."""
        return self._end(crew, result) or []

    @quietly
    def _end(self, crew: Any, result: Any) -> list[tuple[str | None, Usage]]:
        models = _models(crew)
        if not models:
            # Versions whose models do not count, and what is only like a crew.
            figures = _figures(getattr(result, "token_usage", None))
            used = _difference(figures, self._last_result)
            self._last_result = figures
            return [(None, _usage(used))] if any(used) else []
        found = []
        for model in models:
            used = _difference(_counters(model), self._before.get(id(model), _NONE))
            name = getattr(model, "model", None)
            if any(used):
                found.append((name if isinstance(name, str) else None, _usage(used)))
        return found


def _models(crew: Any) -> list[Any]:
    """Return the models of a crew that count, each once."""
    agents = [
        *(getattr(crew, "agents", None) or ()),
        *(getattr(task, "agent", None) for task in getattr(crew, "tasks", None) or ()),
        getattr(crew, "manager_agent", None),
    ]
    models = [getattr(agent, "llm", None) for agent in agents]
    models.append(getattr(crew, "manager_llm", None))
    counting = {id(m): m for m in models if callable(getattr(m, "get_token_usage_summary", None))}
    return list(counting.values())


def _counters(model: Any) -> _Figures:
    return _figures(model.get_token_usage_summary())


def _figures(summary: Any) -> _Figures:
    return tuple(count(getattr(summary, name, 0)) for name in _COUNTERS)


def _difference(after: _Figures, before: _Figures) -> _Figures:
    return tuple(max(0, now - then) for now, then in zip(after, before, strict=True))


def _usage(figures: _Figures) -> Usage:
    prompt, completion, cache_read, cache_write, reasoning = figures
    return of_parts(
        prompt=prompt,
        completion=completion,
        cache_read=cache_read,
        cache_write=cache_write,
        reasoning=reasoning,
    )
