"""Lines of the core in `logging.getLogger("sentrial")`. Loaded with the first line."""

from __future__ import annotations

import os
import sys

from sentrial import _lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from logging import Handler, Logger

_ON = ("1", "true", "yes", "on")
_WARNING = 30
_NAMES = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR"}

_ready: list[Logger] = []


def _logger() -> Logger:
    if not _ready:
        import logging

        logger = logging.getLogger("sentrial")
        _show_debug_lines(logger)
        _ready.append(logger)
    return _ready[0]


def _debugging() -> bool:
    return os.environ.get("SENTRIAL_DEBUG", "").strip().lower() in _ON


def _show_debug_lines(logger: Logger) -> None:
    """`SENTRIAL_DEBUG`: everything is logged, to stderr unless the program has its own handler."""
    import logging

    if not _debugging():
        return
    logger.setLevel(logging.DEBUG)
    if not logger.hasHandlers():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)


def _print(lines: list[tuple[int, str]]) -> None:
    """Print what logging would, without loading it."""
    if sys.stderr is None:
        return
    if _debugging():
        import time

        now = time.strftime("%Y-%m-%d %H:%M:%S")
        shown = [f"{now} sentrial {_NAMES.get(level, level)} {line}\n" for level, line in lines]
    else:
        shown = [f"{line}\n" for level, line in lines if level >= _WARNING]
    try:
        sys.stderr.write("".join(shown))
    except (OSError, ValueError):  # closed, as at the end of a program whose output was captured
        return


def _handlers(logger: Logger) -> Iterator[Handler]:
    at: Logger | None = logger
    found = False
    while at is not None:
        for handler in at.handlers:
            found = True
            yield handler
        at = at.parent if at.propagate else None
    if not found:
        import logging

        if logging.lastResort is not None:
            yield logging.lastResort


def _is_closed(handler: Handler) -> bool:
    return bool(getattr(getattr(handler, "stream", None), "closed", False))


def _log(logger: Logger, level: int, text: str) -> None:
    """Log a line, not to streams that are closed: logging would print a traceback for each.

    Those that pytest captures with are closed before the end of the process.
    """
    handlers = list(_handlers(logger))
    if not any(map(_is_closed, handlers)):
        logger.log(level, "%s", text)
    elif logger.isEnabledFor(level):
        record = logger.makeRecord(logger.name, level, __file__, 0, "%s", (text,), None)
        if logger.filter(record):
            for handler in handlers:
                if level >= handler.level and not _is_closed(handler):
                    handler.handle(record)


def emit(lines: list[tuple[int, str]]) -> None:
    """Log lines of (level, text)."""
    if _lifecycle.ending and "logging" not in sys.modules:
        # Importing logging now would change how the program ends: code that evaluates text makes
        # the interpreter forget that it was interrupted, and exit with 1 instead of by SIGINT. A
        # program that never loaded logging has no handlers either: this is what it would print.
        _print(lines)
        return
    logger = _logger()
    for level, text in lines:
        _log(logger, level, text)
