"""The agent of a file: loaded, and found in it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

MODULE = "agent_module"
NAMES = ("run_agent", "run_weather_agent", "run_experiment_agent", "agent")


def load(agent_path: str) -> ModuleType:
    """Load a file; see `sentrial.cli.load_agent_module`."""
    path = Path(agent_path)
    if not path.is_file():
        raise FileNotFoundError(f"Agent file not found: {agent_path}")
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"Agent file is no Python file: {agent_path}")
    module = importlib.util.module_from_spec(spec)
    # As for a script that is run: its own folder comes first.
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    return module


def agent_in(module: ModuleType) -> tuple[Callable[[str], Any], str] | None:
    """Return the agent of a module and how it was found; None if it has none.

    The first ``@session`` function defined in it counts, else the first function with one of the
    usual names.
    """
    from sentrial import decorators

    for function in decorators.get_session_entry_points():
        # What the file imports from elsewhere is a part of the agent, not the agent.
        if getattr(function, "__module__", None) == module.__name__:
            return function, f"Found @session-decorated agent: {function.__name__}"
    for name in NAMES:
        named = getattr(module, name, None)
        if callable(named):
            return named, f"Found agent function by name: {name}"
    return None
