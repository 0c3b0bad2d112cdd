"""What type checkers see of the installed package: the files in ``cases`` are never run.

``assert_type`` there says what must be inferred, and every ``type: ignore`` says what must be
refused: an unused one is an error.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).parent / "cases"

pytest.importorskip("mypy")


def checked(path: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    # No configuration file: that of the repository points at the source tree.
    command = [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--no-color-output"]
    return subprocess.run(
        [*command, "--show-traceback", f"--cache-dir={cache}", str(path)],
        cwd=cache,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_a_type_checker_sees_the_documented_types(tmp_path: Path) -> None:
    result = checked(CASES, tmp_path)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout + result.stderr
    assert f"in {len(list(CASES.glob('*.py')))} source files" in result.stdout


def test_the_stub_says_what_the_extension_module_has(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "sentrial._core"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_wrong_type_is_found_in_this_way(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import sentrial\nx: int = sentrial.begin('u', 'e').session_id\n")
    result = checked(wrong, tmp_path)
    assert result.returncode == 1
    assert 'has type "str | None", variable has type "int"' in result.stdout
