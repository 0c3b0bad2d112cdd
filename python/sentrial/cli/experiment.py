"""``sentrial experiment``: set experiments up, run an agent in them, compare the variants."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sentrial._terminal import Terminal, plain
from sentrial.cli import connection, experiment_texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentrial._core import SentrialClient
    from sentrial.experiment import Experiment

_WORKERS = 4


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its sub-commands."""
    parser = commands.add_parser(
        "experiment",
        help="run an agent with variants of its prompt and compare them",
        description="Experiments: every variant of a prompt on every test case.",
    )
    parser.set_defaults(group=parser)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND")

    create = actions.add_parser(
        "create",
        help="set an experiment up from a JSON file",
        description="Set an experiment up from a JSON file with name, variants (name, "
        "systemPrompt, description) and testCases (userInput, sessionId). The id alone goes to "
        "stdout. The local server of `sentrial dev` has this; a server without it says so.",
    )
    create.add_argument("file", metavar="FILE", help="the JSON file, - for standard input")
    create.set_defaults(run=_guarded(_create))

    running = actions.add_parser(
        "run",
        help="run an agent in an experiment",
        description="Run the agent in a Python file with every variant on every test case. The "
        "agent is the first @session function of the file, else the function run_agent or agent; "
        "it gets the user's input, may be a coroutine function, and calls get_system_prompt() for "
        "the prompt of the variant. Exit status: 0 if all runs succeeded, 1 otherwise.",
    )
    running.add_argument("experiment_id", help="the id of the experiment")
    running.add_argument("--agent", "-a", metavar="FILE", help="the Python file with the agent")
    running.add_argument("--parallel", action="store_true", help="run several at the same time")
    running.add_argument(
        "--max-workers",
        metavar="N",
        type=_workers,
        default=_WORKERS,
        help=f"with --parallel: at most N at the same time (default: {_WORKERS})",
    )
    running.set_defaults(run=_guarded(_run))

    info = actions.add_parser("info", help="show an experiment: its variants and test cases")
    info.add_argument("experiment_id", help="the id of the experiment")
    info.set_defaults(run=_guarded(_info))

    results = actions.add_parser("results", help="compare the variants in a table")
    results.add_argument("experiment_id", help="the id of the experiment")
    results.set_defaults(run=_guarded(_results))

    for action in (create, running, info, results):
        action.add_argument("--json", action="store_true", help="as JSON")
        connection.add_options(action)


def _workers(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"not a positive number: {text}")


def _guarded(command: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Report an error as one line on stderr: stdout is for what a script reads."""

    def run(options: argparse.Namespace) -> int:
        from sentrial.exceptions import SentrialError

        try:
            return command(options)
        except BrokenPipeError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  a file's code raises anything
            Terminal(sys.stderr).line(f"Error: {error}")
            # What came out of the agent's file needs its place; the rest says all in one line.
            if not isinstance(error, (SentrialError, OSError, ValueError)):
                traceback.print_exc()
            return 1

    return run


def _experiment(options: argparse.Namespace) -> Experiment:
    """Return the experiment; the agent's own clients talk to the same server."""
    from sentrial.experiment import Experiment

    found = connection.of(options)
    found.required_key()
    found.export()
    experiment = Experiment(options.experiment_id, found.key, found.url)
    _refuse_disabled(experiment._client)
    return experiment


def _client(options: argparse.Namespace) -> SentrialClient:
    from sentrial._core import SentrialClient

    found = connection.of(options)
    client = SentrialClient(found.url, found.required_key(), fail_silently=False)
    _refuse_disabled(client)
    return client


def _refuse_disabled(client: SentrialClient) -> None:
    """Say why there is nothing, instead of showing an experiment without variants."""
    if client.stats()["state"] == "disabled":
        raise ValueError("SENTRIAL_DISABLED is set: nothing is sent or fetched; unset it")


def _create(options: argparse.Namespace) -> int:
    from sentrial.exceptions import NotFoundError
    from sentrial.experiment import Experiment

    text = sys.stdin.read() if options.file == "-" else Path(options.file).read_text("utf-8")
    try:
        described = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{options.file} is not valid JSON: {error}") from None
    found = connection.of(options)
    # Refuses what cannot work, in words of its own.
    _client(options)
    try:
        experiment = Experiment.create(described, found.required_key(), found.url)
    except NotFoundError:
        raise ValueError(
            f"{found.url} cannot set experiments up; do it in its web interface"
        ) from None
    if options.json:
        print(json.dumps(experiment_texts.described(experiment), indent=2))
        return 0
    notes = Terminal(sys.stderr)
    notes.line(f"Experiment {plain(experiment.name)}:")
    notes.flush()
    print(experiment.experiment_id, flush=True)
    notes.line(f"Run it: sentrial experiment run {experiment.experiment_id} --agent FILE")
    return 0


def _info(options: argparse.Namespace) -> int:
    experiment = _experiment(options)
    if options.json:
        print(json.dumps(experiment_texts.described(experiment), indent=2))
        return 0
    terminal = Terminal()
    experiment_texts.show_head(terminal, experiment)
    experiment_texts.show_how_to_run(terminal, experiment.experiment_id)
    return 0


def _run(options: argparse.Namespace) -> int:
    return _run_with(
        _experiment(options),
        options.agent,
        options.max_workers if options.parallel else 1,
        as_json=options.json,
    )


def run(experiment_id: str, agent_path: str | None, workers: int) -> int:
    """Run an agent in an experiment, with the key and the server of the environment."""
    options = argparse.Namespace(experiment_id=experiment_id, api_url=None, api_key=None)
    return _run_with(_experiment(options), agent_path, workers, as_json=False)


def _run_with(
    experiment: Experiment, agent_path: str | None, workers: int, *, as_json: bool
) -> int:
    from sentrial.cli import agents
    from sentrial.cli.experiment_runs import Runs

    # The agent prints what it likes; with --json that must not end up in the middle of ours.
    terminal = Terminal(sys.stderr if as_json else sys.stdout)
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        experiment_texts.show_head(terminal, experiment)
        if agent_path is None:
            experiment_texts.show_how_to_run(terminal, experiment.experiment_id)
            return 0
        terminal.line(f"Loading agent from: {agent_path}")
        terminal.flush()
        found = agents.agent_in(agents.load(agent_path))
        if found is None:
            terminal.flush()
            experiment_texts.show_no_agent(Terminal(sys.stderr))
            return 1
        agent, how = found
        terminal.line(how)
        runs = Runs(experiment, agent, workers, terminal)
        runs.carry_out()
    if as_json:
        print(json.dumps(runs.as_json(), indent=2))
    return 1 if runs.failed else 0


def _results(options: argparse.Namespace) -> int:
    path = f"/api/experiments/{quote(options.experiment_id, safe='')}/results"
    results: Any = _client(options)._api_call("GET", path)
    if options.json or not isinstance(results, dict) or "variants" not in results:
        # What a server says in another form is shown as it is.
        print(json.dumps(results, indent=2))
    else:
        experiment_texts.show_results(Terminal(), results)
    return 0
