"""Code blocks of the documentation, and the orders to the tests that stand before them.

An HTML comment directly before a block says what the tests do with it: ``not run: REASON``,
``answer: STATUS`` (a body that the local server must give), ``file: NAME`` (as it is to be saved).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))

_BLOCK = re.compile(
    r"(?:^<!-- (?P<order>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    language: str
    code: str
    order: str

    @property
    def name(self) -> str:
        """Where to find it."""
        return f"{self.page}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether it is to be executed."""
        return not self.order.startswith("not run: ")

    @property
    def promised_output(self) -> list[str]:
        """Lines that the block says it prints, in comments like ``# -> 42``."""
        return re.findall(r"^\s*# -> (.*)$", self.code, re.MULTILINE)


def blocks(*languages: str) -> list[Block]:
    """Return all blocks of the documentation in one of these languages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start("language")) + 1
            name = page.relative_to(ROOT).as_posix()
            found.append(Block(name, line, match["language"], match["code"], match["order"] or ""))
    return [block for block in found if not languages or block.language in languages]


def table_column(page: Path, heading: str, column: int = 0) -> list[str]:
    """Return the code words of one column of the table whose first heading is this."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    words = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        words += re.findall(r"`([^`]+)`", cells[column])
    return words
