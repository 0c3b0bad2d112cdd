"""The table of figures: a line as soon as a figure is known, all of them at the end, and as JSON.

A lost target is a line, not a failure: figures depend on the machine. What fails is what is broken.
"""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from benches.support import HERE, Figure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_figures = pytest.StashKey[list[Figure]]()
_skipped = pytest.StashKey[list[str]]()


@pytest.fixture
def figure(pytestconfig: pytest.Config) -> Callable[[Figure], None]:
    """Record a figure and print its line."""
    reporter = pytestconfig.pluginmanager.getplugin("terminalreporter")
    figures = pytestconfig.stash.setdefault(_figures, [])

    def record(measured: Figure) -> None:
        figures.append(measured)
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(measured.line())

    return record


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return an empty folder that is home to the measured programs."""
    return tmp_path


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the whole table, and keep it as JSON."""
    figures = config.stash.get(_figures, [])
    if not figures:
        return
    terminalreporter.section("figures")
    for measured in figures:
        terminalreporter.write_line(measured.line())
    lost = sum(not measured.reached for measured in figures)
    summary = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "machine": platform.platform(),
        "lost": lost,
        "figures": [{**asdict(measured), "reached": measured.reached} for measured in figures],
    }
    results = HERE / ".results"
    results.mkdir(exist_ok=True)
    path = results / "summary.json"
    path.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    terminalreporter.write_line(f"  {len(figures) - lost} reached, {lost} lost; kept in {path}")
