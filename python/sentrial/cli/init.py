"""``sentrial init``: the lines to add to a program, for the frameworks that are installed."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sentrial._terminal import Terminal, plain
from sentrial.cli import connection

if TYPE_CHECKING:
    import argparse


@dataclass(frozen=True)
class _Framework:
    """A package that the SDK works with.

    Attributes:
        name: What people call it.
        module: What is imported when it is installed.
        lines: What to add to a program that uses it.
    """

    name: str
    module: str
    lines: tuple[str, ...]


_BASE = (
    "import sentrial",
    "",
    'with sentrial.begin(user_id="user_123", event="my-agent", input=question) as interaction:',
    "    answer = my_agent(question)",
    "    interaction.set_output(answer)",
)

_FRAMEWORKS = (
    _Framework("OpenAI", "openai", ("client = sentrial.wrap_openai(OpenAI())",)),
    _Framework("Anthropic", "anthropic", ("client = sentrial.wrap_anthropic(Anthropic())",)),
    _Framework(
        "Google Gemini",
        "google.generativeai",
        ("model = sentrial.wrap_google(GenerativeModel(...))",),
    ),
    _Framework(
        "LangChain, LangGraph",
        "langchain_core",
        (
            "client = sentrial.SentrialClient()",
            'session_id = client.create_session(name="chat", agent_name="my-agent")',
            "handler = sentrial.SentrialCallbackHandler(client, session_id)",
            'agent.invoke(inputs, config={"callbacks": [handler]})',
            "handler.finish()",
        ),
    ),
    _Framework(
        "CrewAI",
        "crewai",
        (
            '@sentrial.track_crew(sentrial.SentrialClient(), agent_name="my-crew")',
            "def run_crew(inputs):",
            "    return crew.kickoff(inputs=inputs)",
        ),
    ),
    _Framework(
        "AutoGen",
        "autogen_agentchat",
        (
            "client = sentrial.SentrialClient()",
            'session_id = client.create_session(name="team", agent_name="my-team")',
            "handler = sentrial.SentrialAutogenHandler(client, session_id)",
            "result = await handler.run_team(team, task)",
            "handler.finish()",
        ),
    ),
    _Framework(
        "Claude Agent SDK",
        "claude_agent_sdk",
        ("query = sentrial.wrap_claude_agent(query, client=sentrial.AsyncSentrialClient())",),
    ),
    _Framework("OpenTelemetry", "opentelemetry.sdk", ("sentrial.setup_otel_tracing()",)),
    _Framework(
        "Langfuse",
        "langfuse",
        ("client = sentrial.SentrialClient(langfuse=sentrial.LangfuseIntegration())",),
    ),
)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "init",
        help="show the lines to add to your program",
        description="Show what to add to a program so that it is recorded: where the key goes, the "
        "first lines, and a line or two for each framework that is installed beside this command. "
        "Nothing is written.",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=_run, api_url=None, api_key=None)


def _run(options: argparse.Namespace) -> int:
    found = connection.of(options)
    installed = [framework for framework in _FRAMEWORKS if _is_installed(framework.module)]
    if options.json:
        shown = {
            "environment": {
                "SENTRIAL_API_KEY": "set" if found.key_source == "environment" else "not set",
                "SENTRIAL_API_URL": found.url,
            },
            "lines": list(_BASE),
            "frameworks": [
                {"name": framework.name, "module": framework.module, "lines": framework.lines}
                for framework in installed
            ],
        }
        print(json.dumps(shown, indent=2))
        return 0
    terminal = Terminal()
    _show_environment(terminal, found)
    _show(terminal, "2. Record what your agent does:", _BASE)
    for framework in installed:
        _show(terminal, f"With {framework.name} (installed):", framework.lines)
    if not installed:
        names = ", ".join(framework.name for framework in _FRAMEWORKS)
        terminal.line(f"No known framework is installed here. There are integrations for {names}.")
        terminal.line()
    terminal.line("3. Check that it works: sentrial doctor")
    return 0


def _show_environment(terminal: Terminal, found: connection.Connection) -> None:
    terminal.line(terminal.paint("1. Give the program its key, in the environment:", "bold"))
    terminal.line()
    if found.key_source == "environment":
        terminal.line("    SENTRIAL_API_KEY is set already.")
    else:
        terminal.line("    export SENTRIAL_API_KEY=sentrial_live_...")
        if found.key_source is not None:
            terminal.line("    (The key of `sentrial login` is for this command line only.)")
    if found.url != connection.DEFAULT_URL and found.url_source != "environment":
        terminal.line(f"    export SENTRIAL_API_URL={plain(found.url)}")
    if found.key is None:
        terminal.line("    No key yet? Settings → API Keys, or without an account: sentrial dev")
    terminal.line()


def _show(terminal: Terminal, title: str, lines: tuple[str, ...]) -> None:
    terminal.line(terminal.paint(title, "bold"))
    terminal.line()
    for line in lines:
        terminal.line(f"    {line}".rstrip())
    terminal.line()


def _is_installed(module: str) -> bool:
    # The parents of a module in a package are imported to find it; some fail in doing so.
    try:
        return importlib.util.find_spec(module) is not None
    except Exception:  # noqa: BLE001
        return False
