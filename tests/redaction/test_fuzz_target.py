"""The fuzz target compiles redaction from its source: it must know the same crates."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def dependencies(manifest: Path) -> dict[str, str]:
    """Give the crates of a manifest by their names in Rust, with their versions."""
    section = manifest.read_text().split("\n[dependencies]\n", 1)[1].split("\n[", 1)[0]
    found = re.findall(r'^([a-z0-9_-]+) = .*?"(\d[^"]*)"', section, re.MULTILINE)
    return {name.replace("-", "_"): version for name, version in found}


def test_the_fuzz_target_has_every_crate_that_redaction_uses() -> None:
    ours = dependencies(ROOT / "Cargo.toml")
    theirs = dependencies(ROOT / "fuzz" / "Cargo.toml")
    files = list((ROOT / "src/core/redact").glob("*.rs"))
    sources = "".join(path.read_text() for path in files)
    crates = ours.keys() - {path.stem for path in files}
    used = {name for name in crates if re.search(rf"\b{name}::", sources)}
    assert {"aho_corasick", "arc_swap", "regex", "serde_json"} <= used
    assert {name: ours[name] for name in used} == {name: theirs.get(name) for name in used}
