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
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

#: Whole families of scenarios, by the beginning of their names.
FAMILIES = ("client_", "batch_", "cost_")

#: Recorded defects of the client and the batcher.
QUIRKS = (
    "quirk_abandoned_interaction",
    "quirk_accumulator_leak",
    "quirk_bad_event_response",
    "quirk_batch_complete_race",
    "quirk_batch_exit_hang",
    "quirk_batch_leaks",
    "quirk_batch_loud_errors",
    "quirk_configure_drops_batch",
    "quirk_default_client_production",
    "quirk_import_bare",
    "quirk_no_timeout",
    "quirk_redirect_and_headers",
    "quirk_state_growth",
    "quirk_wrapped_finish_other_thread",
)

#: These count attempts or expect the answer of the call, which only immediate delivery waits for.
IMMEDIATE_ONLY = frozenset(
    {"client_retries", "client_retries_exhausted", "client_http_errors", "client_server_down"}
)


def scenarios(recordings: Path, *, immediate: bool) -> list[str]:
    """Names of the scenarios to run, in alphabetical order."""
    names = sorted(path.stem for path in (recordings / "open" / "scenarios").glob("[!_]*.py"))
    chosen = [name for name in names if name.startswith(FAMILIES) or name in QUIRKS]
    if not immediate:
        chosen = [name for name in chosen if name not in IMMEDIATE_ONLY]
    if lost := set(QUIRKS) - set(names):
        sys.exit(f"scenarios that the recordings do not have: {', '.join(sorted(lost))}")
    return chosen


def compare(recordings: Path, python: str, *, immediate: bool, extra: list[str]) -> bool:
    """Run the comparison once; True if nothing fails and every check holds."""
    command = [sys.executable, str(recordings / "compare.py"), "--python", python]
    command += ["--tolerances", str(HERE / "tolerances.json")]
    command += ["--immediate"] if immediate else ["--profile", "background"]
    for name in scenarios(recordings, immediate=immediate):
        command += ["--only", name]
    done = subprocess.run(command + extra, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="", flush=True)
    better = re.search(r"^better than the reference .*: (\d+) of (\d+)$", done.stdout, re.MULTILINE)
    if better and better[1] != better[2]:
        print(f"a known defect of the reference is shown here too: {better[0]}", flush=True)
        return False
    return done.returncode == 0


def main() -> int:
    """Command line: the folder of the recordings, and the interpreter to test."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recordings", type=Path, help="folder with compare.py")
    parser.add_argument("--python", default=sys.executable, help="interpreter with the package")
    arguments, extra = parser.parse_known_args()
    good = True
    for immediate in (False, True):
        print(f"--- {'immediate' if immediate else 'background'} delivery", flush=True)
        if not compare(arguments.recordings, arguments.python, immediate=immediate, extra=extra):
            good = False
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
