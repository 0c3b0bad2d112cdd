"""Sub-interpreters: the first that imports the package has it, others are refused in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sdk import KEY

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector
    from tests.support.processes import Finished

SUB = """
import os
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

def make():
    # One that shares the lock of the main one, as mod_wsgi and uWSGI have them.
    try:
        return interpreters.create(isolated=False)
    except TypeError:
        return interpreters.create("legacy")

USE = '''
import os
try:
    import sentrial
except ImportError as error:
    os.write(1, f"refused: {error}\\\\n".encode())
else:
    with sentrial.begin("u", "sub") as interaction:
        interaction.track_tool_call("t", {"a": [1, (2,)]}, {})
    sentrial.flush(5)
    os.write(1, b"works\\\\n")
'''

def use(*subs):
    for sub in subs:
        interpreters.run_string(sub, USE)
"""

#: What happens, and in which of its steps the package works.
WAYS = {
    "one": ("a = make(); use(a, a); interpreters.destroy(a)", "ww"),
    "one after the other": (
        "for _ in range(4):\n    a = make(); use(a); interpreters.destroy(a)",
        "wrrr",
    ),
    "two at once": (
        "a, b = make(), make(); use(a, b, a, b)\nfor x in (a, b): interpreters.destroy(x)",
        "wrwr",
    ),
    "the main one first": (
        "exec(USE); a = make(); use(a); exec(USE); interpreters.destroy(a); exec(USE)",
        "wrww",
    ),
    "the main one after one that has ended": (
        "a = make(); use(a); interpreters.destroy(a); exec(USE)",
        "wr",
    ),
}


def run_ways(run_python: RunPython, collector: Collector, code: str) -> Finished:
    env = {"SENTRIAL_API_URL": collector.url, "SENTRIAL_API_KEY": KEY}
    return run_python(SUB + code, env=env).ok()


@pytest.mark.parametrize(("code", "expected"), WAYS.values(), ids=WAYS.keys())
def test_the_first_interpreter_works_and_the_others_are_refused_in_words(
    run_python: RunPython, collector: Collector, code: str, expected: str
) -> None:
    lines = run_ways(run_python, collector, code).stdout.splitlines()
    assert "".join(line[0] for line in lines) == expected
    for line in lines:
        assert line == "works" or "one interpreter of a process" in line
    assert len(collector.events("tool_call")) == expected.count("w")


def test_an_isolated_interpreter_is_refused_too(
    run_python: RunPython, collector: Collector
) -> None:
    code = "exec(USE); a = interpreters.create(); use(a); interpreters.destroy(a)"
    first, second = run_ways(run_python, collector, code).stdout.splitlines()
    assert first == "works"
    assert second.startswith("refused: ")
