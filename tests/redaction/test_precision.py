"""Ordinary text is left alone: secrets are found by precise rules."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import random
import sys
import sysconfig
import uuid
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Characters of each kind of text, if this Python has so many.
SIZE = {"code": 10_000_000, "prose": 3_000_000, "JSON": 10_000_000, "ids": 5_000_000}
LEAST = {"code": 5_000_000, "prose": 1_000_000, "JSON": 5_000_000, "ids": 5_000_000}
PER_MEGABYTE = 1.0
#: As it would come: in pieces of the size of tool outputs.
PIECE = 20_000
#: Folders whose files hold keys on purpose.
MADE_OF_KEYS = {"test", "tests", "idlelib", "certs", "sentrial"}
#: Documentation marks the keys that it shows in this way.
MADE_UP = "EXAMPLE"


def texts(*endings: str) -> Iterator[tuple[Path, str]]:
    """Give the files of this Python and of the packages in it."""
    for root in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")):
        for path in sorted(Path(root).rglob("*")):
            ordinary = not MADE_OF_KEYS & set(path.relative_to(root).parts)
            if path.suffix in endings and ordinary and path.is_file():
                yield path, path.read_text(encoding="utf-8", errors="replace")


def pieces(text: str) -> Iterator[str]:
    return (text[at : at + PIECE] for at in range(0, len(text), PIECE))


def code() -> Iterator[str]:
    for _, text in texts(".py", ".pyi", ".toml"):
        yield from pieces(text)


def described(path: Path, text: str) -> Iterator[dict[str, Any]]:
    """Describe a module as a tool would: names, numbers, times, ids, digests, and its own words."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            source = (ast.get_source_segment(text, node) or "")[:2_000]
            yield {
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{path}#{node.name}")),
                "file": str(path),
                "url": f"https://example.com:8443/{path.name}?line={node.lineno}&q={node.name}",
                "name": node.name,
                "line": node.lineno,
                "modified": f"2026-01-{node.lineno % 28 + 1:02}T12:34:56.789Z",
                "sha256": hashlib.sha256(source.encode()).hexdigest(),
                "score": node.lineno / 7,
                "doc": ast.get_docstring(node),
                "source": source,
                "tokens": {"input": len(source), "output": None},
            }


def prose() -> Iterator[str]:
    """Give the documentation of packages, and what modules say of themselves."""
    for _, text in texts(".md", ".rst", ".txt"):
        yield from pieces(text)
    for path, text in texts(".py"):
        words = [each["doc"] for each in described(path, text) if each["doc"]]
        yield from pieces("\n\n".join(words))


def values() -> Iterator[str]:
    """Give JSON as files have it and as tools return it."""
    for _, text in texts(".json"):
        yield from pieces(text)
    for path, text in texts(".py"):
        found = list(described(path, text))
        for at in range(0, len(found), 10):
            yield json.dumps(found[at : at + 10])


def ids() -> Iterator[str]:
    """Give lines of a log: digests, base64 of both kinds, UUIDs, paths and addresses of pages."""
    chance = random.Random(7)  # noqa: S311  the same text every time
    while True:
        raw = chance.randbytes(48)
        digest = hashlib.sha256(raw).hexdigest()
        yield "\n".join(
            f"2026-01-02T03:04:05.{at:06} INFO worker-{at} {word}"
            for at, word in enumerate(
                (
                    digest,
                    hashlib.md5(raw, usedforsecurity=False).hexdigest(),
                    base64.b64encode(raw).decode(),
                    base64.urlsafe_b64encode(raw).decode(),
                    base64.b32encode(raw).decode(),
                    str(uuid.UUID(bytes=raw[:16])),
                    f"/var/lib/{digest[:12]}/{digest[12:30]}/file-{raw[0]}.tar.gz",
                    f"https://cdn.example.com/{digest[:32]}?v={raw.hex()[:20]}&id=key-{digest[:32]}",
                    f"sess-{digest[:40]} req_{raw.hex()[:24]} trace={digest[:32]}-{digest[:16]}-01",
                )
            )
        )


KINDS: dict[str, Callable[[], Iterator[str]]] = {
    "code": code,
    "prose": prose,
    "JSON": values,
    "ids": ids,
}


def found(client: sentrial.SentrialClient) -> int:
    """Count what was found in texts. Fields with a name that is on the deny list are no finds."""
    rules: dict[str, dict[str, int]] = client.redaction_report()["rules"]
    return sum(sum(fields.values()) for rule, fields in rules.items() if rule != "denied_field")


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_text_is_left_alone(kind: str) -> None:
    client = sentrial.SentrialClient("http://127.0.0.1:9", "sentrial_test_0123456789")
    seen = 0
    for text in islice(KINDS[kind](), 100_000):
        if MADE_UP in text:
            continue
        seen += len(text)
        client.redact(text, "value")
        if seen >= SIZE[kind]:
            break
    assert seen >= LEAST[kind], f"only {seen} characters to look at in {sys.prefix}"
    assert found(client) <= PER_MEGABYTE * seen / 1_000_000, client.redaction_report()["rules"]
