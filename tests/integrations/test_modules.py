"""The documented modules: importable without any framework, clear where one is needed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest
import sentrial

if TYPE_CHECKING:
    from tests.conftest import RunPython

#: Makes every framework look as if it were not installed.
BARE = """
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    names = ("langchain", "langchain_core", "langgraph", "crewai", "autogen", "autogen_agentchat",
             "autogen_core", "claude_agent_sdk")

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""

NAMES = {
    "sentrial.langchain": (
        "SentrialCallbackHandler",
        "create_agent_with_sentrial",
        "get_agent_executor",
        "get_openai_tools_agent_creator",
        "get_react_agent",
        "LANGCHAIN_MAJOR_VERSION",
        "LANGCHAIN_VERSION",
    ),
    "sentrial.crewai": ("SentrialCrewHandler", "track_crew"),
    "sentrial.autogen": ("SentrialAutogenHandler",),
    "sentrial.claude_code": ("wrap_claude_agent", "wrap_claude_client", "TrackedClaudeClient"),
}


@pytest.mark.parametrize(("module", "name"), [(m, n) for m, names in NAMES.items() for n in names])
def test_names_are_in_their_module_and_at_the_top(module: str, name: str) -> None:
    found = getattr(importlib.import_module(module), name)
    assert getattr(sentrial, name) == found
    if hasattr(found, "__module__"):
        assert found.__module__ == module


def test_modules_are_importable_without_any_framework(run_python: RunPython) -> None:
    code = BARE + (
        "import sentrial, sentrial.langchain, sentrial.crewai, sentrial.autogen\n"
        "import sentrial.claude_code\n"
        "from sentrial import *\n"
        "print(LANGCHAIN_VERSION, sentrial.crewai.CREWAI_VERSION, "
        "sentrial.autogen.AUTOGEN_VERSION)\n"
    )
    done = run_python(code)
    assert done.stdout.split() == ["unknown", "none", "none"]


@pytest.mark.parametrize(
    ("use", "command"),
    [
        ("sentrial.SentrialCallbackHandler(client, 's')", "'sentrial[langchain]'"),
        ("sentrial.AsyncSentrialCallbackHandler(client, 's')", "'sentrial[langchain]'"),
        ("sentrial.create_agent_with_sentrial(0, [], client, 'a')", "'sentrial[langchain]'"),
        ("sentrial.get_react_agent()", "langgraph"),
        ("sentrial.get_agent_executor()", "langchain-classic"),
        (
            "asyncio.run(sentrial.SentrialAutogenHandler(client, 's').run_team(0, 'task'))",
            "'sentrial[autogen]'",
        ),
    ],
)
def test_using_what_needs_a_framework_says_what_to_install(
    run_python: RunPython, use: str, command: str
) -> None:
    code = BARE + (
        "import asyncio, sentrial\n"
        "client = sentrial.SentrialClient('http://127.0.0.1:9', 'k')\n"
        f"try:\n    {use}\nexcept ImportError as error:\n    print(error)\n"
    )
    assert run_python(code).stdout.strip().endswith(f"pip install -U {command}")


def test_a_framework_that_is_broken_breaks_nothing(run_python: RunPython) -> None:
    code = (
        "import sys, types\n"
        "class Broken(types.ModuleType):\n"
        "    def __getattr__(self, name):\n"
        "        raise TypeError('broken')\n"
        "sys.modules['langchain_core.callbacks'] = Broken('langchain_core.callbacks')\n"
        "sys.modules['langchain_core'] = types.ModuleType('langchain_core')\n"
        "import sentrial\n"
        "from sentrial import *\n"
        "try:\n    SentrialCallbackHandler(None, 's')\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = run_python(code)
    assert "pip install" in done.stdout
    assert done.stderr.count("langchain_core.callbacks cannot be imported: TypeError") == 1


def test_importing_the_package_loads_no_integration(run_python: RunPython) -> None:
    code = (
        "import sys, sentrial\n"
        "print([name for name in sys.modules if 'integrations' in name or 'langchain' in name])\n"
    )
    assert run_python(code).stdout.strip() == "[]"
