"""Which versions of which packages the integrations need: the one table, and what is installed."""

from __future__ import annotations

import importlib
import importlib.util
import re
from typing import Any, NamedTuple

from sentrial import _log

__all__ = [
    "REQUIREMENTS",
    "Requirement",
    "attribute",
    "check",
    "installed",
    "is_importable",
    "missing",
]


class Requirement(NamedTuple):
    """What an integration needs.

    Attributes:
        distribution: The package as pip knows it.
        minimum: The oldest version that is known to work.
        extra: The extra of `sentrial` that installs it.
    """

    distribution: str
    minimum: tuple[int, ...]
    extra: str


REQUIREMENTS = {
    "langchain": Requirement("langchain-core", (0, 1), "langchain"),
    "langgraph": Requirement("langgraph", (0, 1), "langchain"),
    "langchain-agents": Requirement("langchain", (0, 1), "langchain-legacy"),
    "crewai": Requirement("crewai", (0, 28), "crewai"),
    "autogen": Requirement("autogen-agentchat", (0, 4), "autogen"),
    "autogen-legacy": Requirement("pyautogen", (0, 2), "autogen-legacy"),
    "claude-agent-sdk": Requirement("claude-agent-sdk", (0, 1), "claude-agent-sdk"),
    "opentelemetry": Requirement("opentelemetry-sdk", (1, 20), "otel"),
    "langfuse": Requirement("langfuse", (2,), "langfuse"),
}
"""The requirements by the identifier of the integration."""

_WARNING = 30
_checked: set[str] = set()
_broken: set[str] = set()


def installed(identifier: str) -> tuple[int, ...] | None:
    """Return the installed version of what an integration needs, as numbers; None without one."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        text = version(REQUIREMENTS[identifier].distribution)
    except PackageNotFoundError:
        return None
    return tuple(int(number) for number in re.match(r"[\d.]*", text).group().split(".") if number)  # type: ignore[union-attr]  # matches any text


def is_importable(module: str) -> bool:
    """Tell whether a top-level module can be found, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def attribute(module: str, name: str) -> Any:
    """Return what a module has under a name; None if either is not there.

    A module that is there and cannot be imported, for whatever reason, gives one warning and None:
    listing the names of `sentrial` must not fail because a framework is broken.
    """
    try:
        return getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001
        if module not in _broken:
            _broken.add(module)
            _log.emit([(_WARNING, f"{module} cannot be imported: {type(error).__name__}: {error}")])
        return None


def check(identifier: str) -> None:
    """Warn, once, if what is installed is older than what is known to work."""
    if identifier in _checked:
        return
    _checked.add(identifier)
    found = installed(identifier)
    needed = REQUIREMENTS[identifier]
    if found is not None and found < needed.minimum:
        text = (
            f"{needed.distribution} {_dotted(found)} is older than {_dotted(needed.minimum)}, the "
            f"oldest version the integration is made for; what it shows is recorded as far as "
            f"possible: {_command(needed)}"
        )
        _log.emit([(_WARNING, text)])


def missing(identifier: str, what: str) -> ImportError:
    """Return the error for a use of something whose package is not installed.

    Args:
        identifier: The integration.
        what: The name that was used.
    """
    needed = REQUIREMENTS[identifier]
    return ImportError(
        f"{what} needs {needed.distribution}, which is not installed: {_command(needed)}",
        name=needed.distribution,
    )


def _command(needed: Requirement) -> str:
    return f"pip install -U 'sentrial[{needed.extra}]'"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
