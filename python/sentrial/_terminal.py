"""What a stream can show: colours, box characters, any text at all."""

from __future__ import annotations

import os
import sys
from typing import TextIO

_ASCII = str.maketrans(
    {
        "│": "|",
        "├": "|",
        "└": "`",
        "─": "-",
        "…": "...",
        "·": "-",
        "✓": "+",
        "✗": "x",
        "Σ": "sum ",
        "→": "->",
    }
)
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Terminal:
    """Writes lines to a stream in the form that it can show."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        # A stream in memory has no encoding: it holds text as it is.
        self._encoding = self._stream.encoding or "utf-8"
        self._colour = _wants_colour(self._stream)
        self._unicode = _can_encode("│├└─…·✓✗Σ→", self._encoding)

    @property
    def stream(self) -> TextIO:
        """What it writes to."""
        return self._stream

    def paint(self, text: str, *styles: str) -> str:
        """Return ``text`` in these styles, on a terminal; anywhere else as it is."""
        if not self._colour or not text:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"

    def showable(self, text: str) -> str:
        """Return ``text`` as the stream can show it: characters the encoding lacks are escaped."""
        if not self._unicode:
            text = text.translate(_ASCII)
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def line(self, text: str = "") -> None:
        """Write one line, as the stream can show it."""
        self._stream.write(f"{self.showable(text)}\n")

    @property
    def is_interactive(self) -> bool:
        """Whether somebody watches, so that a line may be written over."""
        return self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def status(self, text: str) -> None:
        """Write over the last line, without ending it; only where `is_interactive`."""
        self._stream.write(f"\r\x1b[K{text}")

    def flush(self) -> None:
        """Let the reader see what has been written."""
        self._stream.flush()


def plain(value: object) -> str:
    """Return recorded text as one line that cannot control the terminal."""
    return "".join(
        character if character.isprintable() else _escaped(character) for character in str(value)
    )


def _escaped(character: str) -> str:
    return " " if character in "\n\t\r" else character.encode("unicode_escape").decode("ascii")


def shortened(text: str, limit: int) -> str:
    """Return at most ``limit`` characters of ``text``."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _wants_colour(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
