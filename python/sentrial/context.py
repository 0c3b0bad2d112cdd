"""The experiment in which the current code runs.

Held in a context variable: tasks inherit it, new threads do not.
"""
# The annotations are part of the documented signatures, so they keep the spelling of `typing`,
# also where the default is None.
# ruff: noqa: UP006, UP035, UP045, RUF013

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Dict, Optional

__all__ = [
    "ExperimentContext",
    "clear_experiment_context",
    "get_experiment_context",
    "get_system_prompt",
    "get_variant_name",
    "is_experiment_mode",
    "set_experiment_context",
]


@dataclass
class ExperimentContext:
    """One run of an experiment.

    Attributes:
        system_prompt: The system prompt of the variant.
        variant_name: The name of the variant.
        experiment_id: The id of the experiment.
        test_case_id: The id of the session that is the test case. Default None.
        metadata: Whatever else belongs to the run. Default None.
    """

    system_prompt: str
    variant_name: str
    experiment_id: str
    test_case_id: Optional[str] = None
    metadata: Optional[Dict[str, Any]] = None


_current: ContextVar[Optional[ExperimentContext]] = ContextVar("sentrial_experiment", default=None)


def get_system_prompt(default: str = None) -> str:  # type: ignore[assignment]
    """Return the system prompt to use.

    Args:
        default: The prompt of the agent itself. Default None.

    Returns:
        The prompt of the current experiment, or `default` outside of one and where it has none.
    """
    context = _current.get()
    return context.system_prompt if context and context.system_prompt else default


def get_experiment_context() -> Optional[ExperimentContext]:
    """Return the current experiment, or None outside of one."""
    return _current.get()


def is_experiment_mode() -> bool:
    """Tell whether the current code runs in an experiment."""
    return _current.get() is not None


def get_variant_name() -> Optional[str]:
    """Return the name of the current variant, or None outside of an experiment."""
    context = _current.get()
    return None if context is None else context.variant_name


def set_experiment_context(
    system_prompt: str,
    variant_name: str,
    experiment_id: str,
    test_case_id: str = None,  # type: ignore[assignment]
    metadata: Dict[str, Any] = None,  # type: ignore[assignment]
) -> None:
    """Enter an experiment in the current context.

    Args:
        system_prompt: The system prompt of the variant.
        variant_name: The name of the variant.
        experiment_id: The id of the experiment.
        test_case_id: The id of the session that is the test case. Default None.
        metadata: Whatever else belongs to the run. Default None.
    """
    _current.set(
        ExperimentContext(system_prompt, variant_name, experiment_id, test_case_id, metadata)
    )


def clear_experiment_context() -> None:
    """Leave the experiment in the current context."""
    _current.set(None)
