"""What ``sentrial experiment`` writes about experiments, agents and results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial._terminal import plain, shortened
from sentrial.cli import figures
from sentrial.cli.table import show_table

if TYPE_CHECKING:
    from sentrial._terminal import Terminal
    from sentrial.experiment import Experiment

_PROMPT_WIDTH = 50
_CELL_WIDTH = 60
_FAILURES = 10

_HOW_TO_RUN = """\
No agent specified. Use --agent to specify your agent file.

Example:
  sentrial experiment run {id} --agent my_agent.py

Your agent should use get_system_prompt() to receive experiment prompts:

    from sentrial import get_system_prompt

    def run_agent(query: str) -> str:
        prompt = get_system_prompt('Your default prompt')
        # ... rest of your agent code
"""
_NO_AGENT = """\
Error: Could not find agent function in module.

Option 1 (recommended): Use the @session decorator:
    from sentrial import session, get_system_prompt

    @session('my-agent')
    def my_agent(query: str):
        prompt = get_system_prompt('default')
        return response

Option 2: Name your function one of: run_agent, agent"""


def cut(text: str, width: int) -> str:
    """Return the first ``width`` characters of a text, with dots if there are more."""
    text = plain(text)
    return text if len(text) <= width else f"{text[:width]}..."


def show_head(terminal: Terminal, experiment: Experiment) -> None:
    """Write what an experiment consists of."""
    terminal.line(f"Loading experiment {plain(experiment.experiment_id)}...")
    terminal.flush()
    terminal.line(f"Experiment: {plain(experiment.name)}")
    terminal.line(f"Variants: {len(experiment.variants)}")
    terminal.line(f"Test cases: {len(experiment.test_cases)}")
    terminal.line()
    for variant in experiment.variants:
        prompt = cut(variant.system_prompt, _PROMPT_WIDTH)
        terminal.line(f"  - {plain(variant.name)}: {prompt}")
    terminal.line()


def show_how_to_run(terminal: Terminal, experiment_id: str) -> None:
    """Write how an agent is run in an experiment."""
    terminal.line(_HOW_TO_RUN.format(id=plain(experiment_id)))


def show_no_agent(terminal: Terminal) -> None:
    """Write what an agent's file must have."""
    terminal.line(_NO_AGENT)


def described(experiment: Experiment) -> dict[str, Any]:
    """Return an experiment in the API's names."""
    return {
        "id": experiment.experiment_id,
        "name": experiment.name,
        "status": experiment.status,
        "variants": [
            {
                "name": variant.name,
                "systemPrompt": variant.system_prompt,
                "description": variant.description,
            }
            for variant in experiment.variants
        ],
        "testCases": [
            {"sessionId": case.session_id, "userInput": case.user_input}
            for case in experiment.test_cases
        ],
    }


def show_results(terminal: Terminal, results: dict[str, Any]) -> None:
    """Write a table with a row per variant, and why runs failed."""
    experiment = results.get("experiment") or {}
    terminal.line(f"Experiment: {plain(experiment.get('name') or '')}")
    terminal.line()
    columns = ["VARIANT", "RUNS", "SUCCEEDED", "FAILED", "SUCCESS", "DURATION", "COST", "TOKENS"]
    show_table(terminal, columns, [_row(variant) for variant in results["variants"]])
    failed = [run for run in results.get("runs") or [] if run.get("status") == "failed"]
    if failed:
        terminal.line()
        terminal.line("Failed runs:")
    for run in failed[:_FAILURES]:
        why = shortened(plain(run.get("errorMessage") or "no reason given"), _CELL_WIDTH * 2)
        where = f"{plain(run.get('variantName'))} x {plain(run.get('baseSessionId'))}"
        terminal.line(f"  {where}: {why}")
    if len(failed) > _FAILURES:
        terminal.line(f"  … and {len(failed) - _FAILURES} more: see --json")


def _row(variant: dict[str, Any]) -> list[str]:
    rate = variant.get("successRate")
    tokens = variant.get("averageTokens")
    return [
        shortened(plain(variant.get("name") or ""), _CELL_WIDTH),
        str(variant.get("runs", "")),
        str(variant.get("completed", "")),
        str(variant.get("failed", "")),
        "-" if rate is None else f"{rate:.0%}",
        figures.duration(variant.get("averageDurationMs")) or "-",
        figures.cost(variant.get("averageCost")) or "-",
        "-" if tokens is None else f"{tokens:,.0f}",
    ]
