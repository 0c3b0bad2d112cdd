"""``sentrial experiment`` from the file to the table, against the local server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.helpers import EXPERIMENT

if TYPE_CHECKING:
    from tests.cli.helpers import Cli
    from tests.support.local_server import LocalServer
    from tests.support.processes import Finished

RECORDING = """\
import sentrial

def run_agent(query):
    with sentrial.begin(user_id="u", event="agent", input=query) as interaction:
        interaction.set_output(sentrial.get_system_prompt("none"))
"""
FAILING = """\
def agent(query):
    if query.startswith("second"):
        raise ValueError("cannot")
    return query
"""


@pytest.fixture
def experiment(local_cli: Cli) -> str:
    """Set an experiment up from a file; give its id."""
    file = local_cli.file("experiment.json", json.dumps(EXPERIMENT))
    made = local_cli("experiment", "create", file)
    assert made.exit == 0, made.stderr
    assert made.stdout.startswith("exp_")
    return made.stdout.strip()


def run(cli: Cli, experiment: str, agent: str, *options: str, **variables: str) -> Finished:
    return cli(
        "experiment", "run", experiment, "-a", cli.file("my_agent.py", agent), *options, **variables
    )


def results(cli: Cli, experiment: str) -> Any:
    return json.loads(cli("experiment", "results", experiment, "--json").ok().stdout)


def test_from_the_file_to_the_table(local_cli: Cli, experiment: str) -> None:
    done = run(local_cli, experiment, RECORDING)
    assert done.exit == 0, done.stdout + done.stderr
    assert "Results: 4/4 successful" in done.stdout
    table = local_cli("experiment", "results", experiment).ok().stdout.splitlines()
    assert table[0] == "Experiment: Prompts"
    assert table[2].split()[:4] == ["VARIANT", "RUNS", "SUCCEEDED", "FAILED"]
    assert [line.split()[:5] for line in table[3:]] == [
        ["Control", "2", "2", "0", "100%"],
        ["Long", "2", "2", "0", "100%"],
    ]


def test_sessions_are_linked_to_their_runs(
    local_cli: Cli, experiment: str, local_server: LocalServer
) -> None:
    run(local_cli, experiment, RECORDING)
    sessions = {session["id"]: session for session in local_server.sessions()}
    runs = results(local_cli, experiment)["runs"]
    assert len(runs) == len(sessions) == 4
    for one in runs:
        session = sessions[one["resultSessionId"]]
        prompt = "be brief" if one["variantName"] == "Control" else "explain at length"
        assert session["assistantOutput"] == prompt
        assert session["status"] == "completed"


def test_a_tuple_names_the_session(local_cli: Cli, experiment: str) -> None:
    run(local_cli, experiment, "def agent(query):\n    return 'answer', 'sess_mine', 1\n")
    runs = results(local_cli, experiment)["runs"]
    assert {one["resultSessionId"] for one in runs} == {"sess_mine"}


def test_l1_a_coroutine_function_is_awaited(local_cli: Cli, experiment: str) -> None:
    """L1: in 0.6.0 it is never awaited, and the run counts as a success."""
    agent = """\
import asyncio
import sentrial

async def run_agent(query):
    await asyncio.sleep(0)
    with sentrial.begin(user_id="u", event="async", input=query):
        await asyncio.sleep(0)
        if query.startswith("second"):
            raise ValueError("cannot")
"""
    done = run(local_cli, experiment, agent)
    assert done.exit == 1
    found = results(local_cli, experiment)
    assert [variant["failed"] for variant in found["variants"]] == [1, 1]
    # L2: a failed run is linked to its session as well.
    assert all(one["resultSessionId"].startswith("sess_") for one in found["runs"])


SESSION = """\
from sentrial import session, get_system_prompt
from parts import helper

@session("part-of-it")
def inner(query):
    return helper(query)

@session("support")
{kind}def support(query):
    return get_system_prompt("none")
"""
PARTS = """\
from sentrial import session

@session("a-part")
def helper(query):
    return query
"""


@pytest.mark.parametrize("kind", ["", "async "])
def test_l2_the_session_of_a_decorated_agent_is_linked(
    local_cli: Cli, experiment: str, local_server: LocalServer, kind: str
) -> None:
    """L1, L2: in 0.6.0 a coroutine is never awaited, and no session is linked."""
    local_cli.file("parts.py", PARTS)
    text = SESSION.format(kind=kind).replace('@session("part-of-it")\n', "")
    done = run(local_cli, experiment, text)
    assert done.exit == 0, done.stdout + done.stderr
    assert "Found @session-decorated agent: support" in done.stdout
    sessions = {session["id"]: session for session in local_server.sessions()}
    assert {session["agentName"] for session in sessions.values()} == {"support"}
    linked = {one["resultSessionId"] for one in results(local_cli, experiment)["runs"]}
    assert linked == set(sessions)


def test_l6_what_is_imported_is_not_the_agent(local_cli: Cli, experiment: str) -> None:
    """L6: in 0.6.0 a @session function of another module counts as the entry point."""
    local_cli.file("parts.py", PARTS)
    done = run(local_cli, experiment, SESSION.format(kind=""))
    assert "Found @session-decorated agent: inner" in done.stdout
    done = run(local_cli, experiment, "from parts import helper\n\ndef agent(q):\n    pass\n")
    assert "Found agent function by name: agent" in done.stdout


def test_failed_runs_end_in_status_1_and_say_where(local_cli: Cli, experiment: str) -> None:
    done = run(local_cli, experiment, FAILING)
    assert done.exit == 1
    assert "✗ Failed: cannot" in done.stdout
    assert "Results: 2/4 successful" in done.stdout
    assert 'raise ValueError("cannot")' in done.stderr
    table = local_cli("experiment", "results", experiment).ok().stdout
    assert "Control x case_2: cannot" in table


def test_l4_parallel_runs_overlap_and_are_told_in_order(local_cli: Cli, experiment: str) -> None:
    """L4: in 0.6.0 --parallel and --max-workers do nothing."""
    agent = """\
import threading
both = threading.Barrier(2, timeout=20)

def agent(query):
    both.wait()
"""
    done = run(local_cli, experiment, agent, "--parallel", "--max-workers", "2")
    assert done.exit == 0, done.stdout
    heads = [line for line in done.stdout.splitlines() if "Running:" in line]
    assert [head[:5] for head in heads] == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]


def test_l6_an_agent_that_exits_fails_its_run_only(local_cli: Cli, experiment: str) -> None:
    """L6: in 0.6.0 the command ends there."""
    agent = "import sys\n\ndef agent(query):\n    sys.exit(5)\n"
    done = run(local_cli, experiment, agent)
    assert done.exit == 1
    assert done.stdout.count("Failed: SystemExit: 5") == 4


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_l3_any_terminal_can_show_it(local_cli: Cli, experiment: str, encoding: str) -> None:
    """L3: in 0.6.0 a terminal that only knows ASCII makes the run fail."""
    done = run(
        local_cli, experiment, FAILING, PYTHONIOENCODING=encoding, PYTHONUTF8="0", LC_ALL="C"
    )
    assert done.exit == 1
    marks = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert marks >= ({"✓", "✗"} if encoding == "utf-8" else {"+", "x"})
    assert results(local_cli, experiment)["variants"][0]["completed"] == 1


@pytest.mark.parametrize("on_terminal", [False, True])
def test_l3_names_an_ascii_terminal_cannot_show(local_cli: Cli, on_terminal: bool) -> None:
    """L3: also in a table, where `rich` would write it as well."""
    described = {**EXPERIMENT, "variants": [{"name": "Kürzer ✓", "systemPrompt": "sei kürz"}]}
    file = local_cli.file("e.json", json.dumps(described))
    made = local_cli("experiment", "create", file).stdout.strip()
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    if on_terminal:
        shown = local_cli.on_terminal("experiment", "results", made, **ascii_only)
    else:
        shown = local_cli("experiment", "results", made, **ascii_only).ok().stdout
    assert "Error" not in shown
    lines = re.sub(r"\x1b\[\d*m", "", shown).splitlines()
    (head,) = (line for line in lines if "VARIANT" in line)
    (row,) = (line for line in lines if "K\\xfcrzer +" in line)
    # The columns stand below each other.
    assert head.index("RUNS") == row.index("0")


def test_json_is_all_there_is_on_stdout(local_cli: Cli, experiment: str) -> None:
    agent = "print('loading')\n\ndef agent(query):\n    print('working')\n"
    done = run(local_cli, experiment, agent, "--json")
    assert done.exit == 0
    told = json.loads(done.stdout)
    assert (told["succeeded"], told["failed"]) == (4, 0)
    assert told["experiment"] == {"id": experiment, "name": "Prompts", "status": "active"}
    assert told["url"].endswith(f"/experiments/{experiment}")
    first = told["runs"][0]
    assert (first["variantName"], first["testCaseSessionId"]) == ("Control", "case_1")
    assert (first["success"], first["errorMessage"]) == (True, None)
    assert first["durationMs"] >= 0
    assert "working" in done.stderr


def test_a_bar_shows_on_a_terminal(local_cli: Cli, experiment: str) -> None:
    local_cli.file("my_agent.py", "def agent(query):\n    return query\n")
    shown = local_cli.on_terminal(
        "experiment", "run", experiment, "-a", "my_agent.py", "--parallel"
    )
    assert "] 4/4" in shown
    assert "Results: 4/4 successful" in shown
    # It is gone in the end.
    assert "\r\x1b[K" in shown.rpartition("] 4/4")[2]


def test_a_table_of_rich_shows_on_a_terminal(local_cli: Cli, experiment: str) -> None:
    pytest.importorskip("rich")
    shown = local_cli.on_terminal("experiment", "results", experiment)
    assert "Control" in shown
    assert "─" in shown


def test_info_shows_what_it_consists_of(local_cli: Cli, experiment: str) -> None:
    shown = local_cli("experiment", "info", experiment).ok().stdout.splitlines()
    assert shown[:4] == [
        f"Loading experiment {experiment}...",
        "Experiment: Prompts",
        "Variants: 2",
        "Test cases: 2",
    ]
    assert "  - Long: explain at length" in shown
    told = json.loads(local_cli("experiment", "info", experiment, "--json").ok().stdout)
    assert told["id"] == experiment
    assert told["variants"][0] == {
        "name": "Control",
        "systemPrompt": "be brief",
        "description": None,
    }
    assert told["testCases"][1] == {"sessionId": "case_2", "userInput": "second question"}


def test_modules_beside_the_agent_can_be_imported(local_cli: Cli, experiment: str) -> None:
    folder = local_cli.folder / "agents"
    folder.mkdir()
    (folder / "helper.py").write_text("def answer(query):\n    return query\n")
    (folder / "it.py").write_text("from helper import answer\n\nagent = answer\n")
    done = local_cli("experiment", "run", experiment, "-a", "agents/it.py")
    assert done.exit == 0, done.stdout


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("x = 1\n", "Error: Could not find agent function in module."),
        ("def agent(:\n", "Error: "),
        ("raise RuntimeError('at import')\n", "Error: at import"),
        ("raise SystemExit(0)\n", "Error: 0"),
    ],
)
def test_an_agent_that_cannot_be_used_is_an_error(
    local_cli: Cli, experiment: str, agent: str, said: str
) -> None:
    done = run(local_cli, experiment, agent)
    assert done.exit == 1
    assert said in done.stderr
    assert "Error" not in done.stdout
    missing = local_cli("experiment", "run", experiment, "-a", "missing.py")
    assert missing.exit == 1
    assert missing.stderr == "Error: Agent file not found: missing.py\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not valid JSON"),
        ("{}", "name is required"),
        ('{"name": "n", "variants": [{"name": "A"}]}', "variants[0].systemPrompt is required"),
        ("[]", "must be a JSON object"),
    ],
)
def test_a_file_that_is_no_experiment_is_an_error(local_cli: Cli, text: str, said: str) -> None:
    done = local_cli("experiment", "create", local_cli.file("bad.json", text))
    # `id=$(sentrial experiment create …)` must not take an error for an id.
    assert (done.exit, done.stdout) == (1, "")
    assert said in done.stderr


def test_an_experiment_comes_from_standard_input(local_cli: Cli) -> None:
    made = local_cli("experiment", "create", "-", "--json", stdin=json.dumps(EXPERIMENT)).ok()
    assert json.loads(made.stdout)["testCases"][0]["sessionId"] == "case_1"


def test_an_unknown_experiment_is_one_line(local_cli: Cli) -> None:
    done = local_cli("experiment", "info", "exp_none")
    assert (done.exit, done.stdout) == (1, "Loading experiment exp_none...\n")
    assert done.stderr.count("\n") == 1
    assert "Experiment not found" in done.stderr
    told = local_cli("experiment", "info", "exp_none", "--json")
    assert (told.exit, told.stdout) == (1, "")
    assert "Experiment not found" in told.stderr


def test_without_a_key_it_says_what_to_do(cli: Cli) -> None:
    done = cli("experiment", "info", "exp_1")
    assert (done.exit, done.stdout) == (1, "")
    assert done.stderr == "Error: no API key; run `sentrial login`, or set SENTRIAL_API_KEY\n"


@pytest.mark.parametrize("action", ["info", "results", "run", "create"])
def test_what_is_switched_off_says_so(local_cli: Cli, experiment: str, action: str) -> None:
    subject = local_cli.folder / "experiment.json" if action == "create" else experiment
    done = local_cli("experiment", action, subject, SENTRIAL_DISABLED="1")
    assert (done.exit, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: SENTRIAL_DISABLED is set")


def test_run_experiment_can_be_called(local_cli: Cli, experiment: str) -> None:
    import sys

    from tests.support.processes import clean_environment
    from tests.support.processes import run as run_process

    local_cli.file("it.py", RECORDING)
    code = (
        "from sentrial.cli import load_agent_module, run_experiment\n"
        "assert load_agent_module('it.py').run_agent\n"
        f"raise SystemExit(run_experiment({experiment!r}, 'it.py', parallel=True, max_workers=2))\n"
    )
    env = clean_environment(local_cli.home, **local_cli.variables)
    done = run_process([sys.executable, "-c", code], env=env, cwd=local_cli.folder)
    assert done.exit == 0, done.stdout + done.stderr
    assert "Results: 4/4 successful" in done.stdout
