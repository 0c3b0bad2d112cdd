"""What type checkers see of the installed package: the files in ``cases`` are never run.

Mypy and Pyright read the same ones. ``assert_type`` there says what must be inferred, and every
``type: ignore`` says what must be refused: an unused one is an error.
"""

from __future__ import annotations

import json
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


def seen_by_pyright(path: Path, folder: Path) -> tuple[int, list[str]]:
    """Check files with Pyright (its build that needs no download); return their number and errors.

    An ignore that is not needed is an error here too, so what Mypy refuses must be refused.
    """
    pytest.importorskip("basedpyright", reason="needs basedpyright")
    settings = {
        "include": [str(path)],
        "typeCheckingMode": "standard",
        "pythonVersion": "3.10",
        "enableTypeIgnoreComments": True,
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "basedpyright", "--outputjson"),
            *("--project", str(folder), "--pythonpath", sys.executable),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    told = json.loads(done.stdout)
    errors = [
        f"{Path(each['file']).name}:{each['range']['start']['line'] + 1}: {each['message']}"
        for each in told["generalDiagnostics"]
        if each["severity"] == "error"
    ]
    return told["summary"]["filesAnalyzed"], errors


def test_pyright_sees_the_documented_types(tmp_path: Path) -> None:
    count, errors = seen_by_pyright(CASES, tmp_path)
    assert errors == []
    assert count == len(list(CASES.glob("*.py")))


def test_a_wrong_type_is_found_by_pyright(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import sentrial\n"
        "@sentrial.tool\n"
        "def found(query: str) -> int: return len(query)\n"
        "found(5)\n"
        "x: str = found('x')\n"
        "found('x')  # type: ignore[arg-type]\n"
    )
    count, errors = seen_by_pyright(wrong, tmp_path)
    lines = [error.split(":")[1] for error in errors]
    assert (count, lines) == (1, ["4", "5", "6"]), errors
