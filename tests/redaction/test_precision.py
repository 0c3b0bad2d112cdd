"""Ordinary text is left alone: secrets are found by precise rules."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import sentrial

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 10_000_000
PER_MEGABYTE = 1.0
#: Folders whose files hold keys on purpose.
MADE_OF_KEYS = {"test", "tests", "idlelib", "certs", "sentrial"}


def ordinary_texts() -> Iterator[str]:
    """Give the prose, code and JSON of this Python and of the packages in it."""
    roots = [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]
    for root in roots:
        for path in sorted(root.rglob("*")):
            inside = path.relative_to(root).parts
            if path.suffix not in {".py", ".pyi", ".json", ".md", ".rst", ".txt", ".toml"}:
                continue
            if MADE_OF_KEYS & set(inside) or not path.is_file():
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            # As it would come: in pieces of the size of tool outputs.
            for at in range(0, len(text), 20_000):
                yield text[at : at + 20_000]


def test_ten_megabytes_of_prose_and_code_are_left_alone() -> None:
    client = sentrial.SentrialClient("http://127.0.0.1:9", "sentrial_test_0123456789")
    seen = 0
    hits = 0
    for text in ordinary_texts():
        seen += len(text)
        hits += client.redact(text, "value") != text
        if seen >= SIZE:
            break
    assert seen >= SIZE / 2, f"only {seen} characters to look at in {sys.prefix}"
    rules = client.redaction_report()["rules"]
    allowed = PER_MEGABYTE * seen / 1_000_000
    assert hits <= allowed, (hits, rules)
