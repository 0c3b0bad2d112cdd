"""Lines of the core in `logging.getLogger("sentrial")`. Loaded with the first line."""

from __future__ import annotations

import logging
import os
import sys

_ON = ("1", "true", "yes", "on")

_logger = logging.getLogger("sentrial")


def _show_debug_lines() -> None:
    """`SENTRIAL_DEBUG`: everything is logged, to stderr unless the program has its own handler."""
    if os.environ.get("SENTRIAL_DEBUG", "").strip().lower() not in _ON:
        return
    _logger.setLevel(logging.DEBUG)
    if not _logger.hasHandlers():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        _logger.addHandler(handler)


_show_debug_lines()


def emit(lines: list[tuple[int, str]]) -> None:
    """Log lines of (level, text)."""
    for level, text in lines:
        _logger.log(level, "%s", text)
