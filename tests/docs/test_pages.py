"""The pages fit together: blocks are known, links lead somewhere, tables are complete."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import PAGES, ROOT, Block, blocks, table_column

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = ROOT / "docs" / "configuration.md"


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.name)
def test_every_block_has_a_language_and_known_orders(block: Block) -> None:
    assert block.language in {"python", "bash", "json", "text"}
    assert re.fullmatch(r"|not run: .{10,}|answer: \d{3}|file: \w+\.py", block.order)
    if block.language == "json":
        json.loads(block.code)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings]
            assert anchor in anchors, target


def test_the_readme_begins_with_the_install_and_a_first_agent() -> None:
    install, agent, run, clone = [b for b in blocks() if b.page == "README.md"][:4]
    assert install.code == "pip install sentrial\n"
    assert len(agent.code.splitlines()) <= 6
    assert agent.order == f"file: {run.code.split()[4]}"
    # Without the environment of the clone the next command would not be found.
    commands = [line.split("  ")[0] for line in clone.code.splitlines()]
    assert commands == [
        "make demo",
        ". .venv/bin/activate",
        "sentrial sessions list",
        "make test",
    ]


@pytest.mark.parametrize("callable_name", ["configure", "SentrialClient"])
def test_the_configuration_tables_have_every_option(callable_name: str) -> None:
    given = set(
        inspect.signature(getattr(importlib.import_module("sentrial"), callable_name)).parameters
    )
    assert given == set(table_column(CONFIGURATION, "option"))


def test_the_short_table_agrees_with_the_long_one() -> None:
    readme = ROOT / "README.md"
    for column in (0, 2):
        short, long = (table_column(page, "option", column) for page in (readme, CONFIGURATION))
        assert short == long


def test_the_version_stands_in_one_place() -> None:
    cargo = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"$', cargo, re.MULTILINE)
    assert version is not None
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{version[1]}]" in changes
    assert not re.search(r'^version\s*=\s*"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert importlib.metadata.version("sentrial") == version[1]
    assert importlib.import_module("sentrial").__version__ == version[1]
