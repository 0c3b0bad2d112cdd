"""Compare the traffic of the installed package with recordings of the published SDK 0.6.0.

Runs the comparison tool of a folder of recordings twice, as the two ways of delivery promise
different things:

* background: order counts within a session only, and the return values of ``track_*`` may be empty;
* immediate (``SENTRIAL_DELIVERY=immediate``): return values, counts and exceptions count as well.

Both fail on a difference that no tolerance allows, and where the recording shows a known defect
which we do not avoid ("better" checks). Standard library only.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

#: Scenarios of agent frameworks, by the beginning of their names.
FRAMEWORKS = (
    "autogen_",
    "claude_",
    "crewai_",
    "flow_langchain_",
    "langchain_",
    "langfuse_",
    "langgraph_",
    "otel_",
    "quirk_autogen_",
    "quirk_claude_",
    "quirk_handlers_",
)

#: These count attempts, expect the answer of the call, or refuse one of several sessions of the
#: same user, for whose creation only immediate delivery waits.
IMMEDIATE_ONLY = frozenset(
    {
        "client_http_errors",
        "client_retries",
        "client_retries_exhausted",
        "client_server_down",
        "deco_session_errors",
    }
)


def scenarios(recordings: Path, *, immediate: bool, frameworks: bool = False) -> list[str]:
    """Names of the scenarios to run, of all or of frameworks only, in alphabetical order."""
    names = sorted(path.stem for path in (recordings / "open" / "scenarios").glob("[!_]*.py"))
    if frameworks:
        names = [name for name in names if name.startswith(FRAMEWORKS)]
    if not immediate:
        names = [name for name in names if name not in IMMEDIATE_ONLY]
    return names


#: Where a rule of ours contradicts a "better" check: scenario -> the rule. Nothing else goes here.
CONTRADICTED: dict[bool, dict[str, str]] = {
    False: {
        "quirk_async_http_errors": "DESIGN 3, Modes: no background call waits for its attempts",
        "quirk_configure_drops_batch": "PROTOCOL 3, configure(): it returns at once",
        "quirk_state_growth": "DESIGN 3, Modes: it asks the server before the 5 ms are over",
    },
    True: {
        "quirk_configure_drops_batch": "PROTOCOL 3, configure(): it returns at once",
        "quirk_no_timeout": "DESIGN 3, Modes: an immediate call waits for its answer (timeout)",
        "quirk_state_growth": "DESIGN 3, State: snapshots are sent in full up to 16 KiB each",
    },
}


#: These look at the server without a flush, while we deliver in the background: on a busy machine
#: they may look too early, so they get further chances. langfuse_v2_real looks after a `close()`,
#: which waits for shutdown_timeout: less than Langfuse takes to load there for the first time.
RACES = frozenset(
    {
        "client_context_manager",
        "langfuse_v2_real",
        "quirk_state_growth",
    }
)
CHANCES = 5

Results = dict[str, dict[str, Any]]


def run(command: list[str], names: list[str]) -> Results:
    """Run these scenarios; verdict and details of each."""
    with tempfile.TemporaryDirectory() as folder:
        summary = Path(folder) / "summary.json"
        only = [part for name in names for part in ("--only", name)]
        done = subprocess.run(
            [*command, *only, "-v", "--json", str(summary)],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if not summary.exists():
            sys.exit(done.stdout)
        results: Results = json.loads(summary.read_text())["scenarios"]
        return results


def better(result: dict[str, Any]) -> str:
    """The line about the checks of known defects, if the scenario has any."""
    lines: list[str] = result["details"]
    return next((line for line in lines if line.startswith("BETTER")), "")


def problem(name: str, result: dict[str, Any], *, immediate: bool) -> str:
    """What is wrong with a result; empty if nothing is, or if a rule of ours wants it so."""
    if result["verdict"] == "FAIL":
        return "\n".join(result["details"])
    held = re.match(r"BETTER (\d+)/(\d+)", better(result))
    if held and held[1] != held[2] and name not in CONTRADICTED[immediate]:
        return better(result)
    return ""


def compare(
    recordings: Path, python: str, *, immediate: bool, frameworks: bool, extra: list[str]
) -> bool:
    """Run the comparison; True if nothing fails and every check holds."""
    command = [sys.executable, str(recordings / "compare.py"), "--python", python]
    command += ["--tolerances", str(HERE / "tolerances.json")]
    command += ["--immediate"] if immediate else ["--profile", "background"]
    names = scenarios(recordings, immediate=immediate, frameworks=frameworks)
    results = run(command + extra, names)
    for _ in range(CHANCES):
        early = [
            name
            for name, result in results.items()
            if name in RACES and problem(name, result, immediate=immediate)
        ]
        if not early:
            break
        print(f"again: {', '.join(early)}")
        results.update(run([*command, *extra, "-j", "1"], early))
    good = True
    for name, result in sorted(results.items()):
        print(f"{result['verdict']:5} {name}  {better(result).partition(chr(10))[0]}")
        if name in CONTRADICTED[immediate]:
            print(f"      allowed: {CONTRADICTED[immediate][name]}")
        if wrong := problem(name, result, immediate=immediate):
            print(wrong)
            good = False
    return good


def main() -> int:
    """Command line: the folder of the recordings, and the interpreter to test."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recordings", type=Path, help="folder with compare.py")
    parser.add_argument("--python", default=sys.executable, help="interpreter with the package")
    parser.add_argument("--frameworks", action="store_true", help="only those of frameworks")
    arguments, extra = parser.parse_known_args()
    good = True
    for immediate in (False, True):
        print(f"--- {'immediate' if immediate else 'background'} delivery", flush=True)
        good &= compare(
            arguments.recordings,
            arguments.python,
            immediate=immediate,
            frameworks=arguments.frameworks,
            extra=extra,
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
