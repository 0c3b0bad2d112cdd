"""What waits on disk has been redacted: the bytes of the spool are searched for what was planted."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.process.scripts import run_script
from tests.redaction.planted import PERSONAL, PLANTED, SECRETS
from tests.spool.programs import NEXT, files, rows, spool_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.process.scripts import Ran
    from tests.support.collector import Collector

#: Puts every planted text into every argument there is, in a process that then dies.
PLANT = """
import contextlib
from pathlib import Path
from sentrial import PiiConfig

NAMES = ["name", "agentName", "userId", "convoId", "traceId", "spanId", "projectId"]
pii = PiiConfig(enabled=True, fields=[*PiiConfig().fields, *NAMES])
client = SentrialClient(pii=pii, shutdown_timeout=0.3, spool=MODE)
planted = json.loads(Path(PLANTED).read_text())

def everywhere(text):
    forms = [text, {"x": {"y": [1, {"z": text}]}}, {text: text}, json.dumps({"a": [text]})]
    for value in forms:
        client.update_state("s", value)
        client.track_tool_call(
            "known", text, value, value, reasoning=value,
            tool_error={"message": value, "type": text, "stack_trace": text},
            metadata={"m": value}, trace_id=text, span_id=text,
        )
        client.track_decision("known", value, [value], 0.5, metadata={"m": value})
        client.track_error("known", value, text, "t", f"Traceback: {text}", metadata={"m": value})
        client.track_state_change("known", {"s": value}, text)
        client.track_event("known", "state_change", invented_field=value)
        client.update_session("known", user_input=value)
        client.complete_session(
            "known", success=False, failure_reason=value, user_input=value,
            assistant_output=value, custom_metrics={text: 1},
        )
    with contextlib.suppress(ValueError):
        with client.begin(
            text, text, input=text, convo_id=text, metadata={"m": text}
        ) as interaction:
            interaction.set_output(text)
            interaction.track_tool_call(text, {"q": text}, {"a": text})
            raise ValueError("boom " + text)

for text in planted:
    everywhere(text)
say("recorded", client.stats()["accepted"])
"""

#: A process that is killed once everything is on disk.
KILLED = """
client.flush(20)
os.kill(os.getpid(), signal.SIGKILL)
"""


def plant(
    run_python: RunPython, where: Collector | str, tmp_path: Path, mode: str, end: str = ""
) -> Ran:
    texts = tmp_path / "planted.json"
    texts.write_text(json.dumps([text for text, _ in PLANTED.values()]))
    code = PLANT.replace("MODE", repr(mode)).replace("PLANTED", repr(str(texts)))
    return run_script(run_python, where, code + end)


def leaks(folder: Path) -> dict[str, list[str]]:
    """Search every file there, raw, for the parts that must not leave: rule → names of files."""
    found: dict[str, list[str]] = {}
    for file in sorted(folder.iterdir()):
        raw = file.read_bytes()
        for rule, (_, part) in PLANTED.items():
            if part.encode() in raw:
                found.setdefault(rule, []).append(file.name)
    return found


@pytest.mark.parametrize("mode", ["spill", "durable"])
def test_what_is_left_at_the_end_holds_nothing_that_was_planted(
    refusing: str, run_python: RunPython, tmp_path: Path, mode: str
) -> None:
    ran = plant(run_python, refusing, tmp_path, mode)
    folder = spool_of(tmp_path)
    assert ran.stats["spooled"] == ran.one("recorded"), ran.report()
    assert leaks(folder) == {}
    found = rows(folder)
    assert len(found) == ran.one("recorded")
    # Every rule has been at work, so it is not the fields that are missing.
    bodies = b"".join(row["body"] for row in found)
    for rule in SECRETS:
        assert f"[SECRET:{rule}]".encode() in bodies, rule
    for rule in PERSONAL:
        assert f"[{rule.removesuffix('_v6').upper()}]".encode() in bodies, rule


def test_what_a_killed_process_has_written_holds_nothing_that_was_planted(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    collector.hold()
    ran = plant(run_python, collector, tmp_path, "durable", KILLED)
    folder = spool_of(tmp_path)
    names = [file.name for file in folder.iterdir()]
    assert any(name.endswith("-wal") for name in names), "nobody has closed the file"
    assert leaks(folder) == {}
    assert len(rows(folder)) == ran.one("recorded")


def test_what_has_been_delivered_is_not_left_in_a_file_that_stays(
    collector: Collector, refusing: str, run_python: RunPython, tmp_path: Path
) -> None:
    code = f"""
keeps = SentrialClient(api_url={refusing!r}, spool="durable", shutdown_timeout=0.1)
sends = SentrialClient(spool="durable")
call(keeps, "kept", "s")
keeps.flush(0.5)
for n in range(50):
    sends.track_tool_call("s", "t", {{"text": "delivered-text-" * 500}}, {{}})
sends.flush(0.5)
eventually(lambda: sends.stats()["delivered"] == 50)
"""
    collector.hold()
    release = threading.Timer(3, collector.release)
    release.start()
    ran = run_script(run_python, collector, code)
    release.join()
    assert ran.finished.exit == 0, ran.report()
    # Whoever looks at it writes the log of the dead process back.
    look = "from sentrial._core import spool_status\nsay('left', spool_status()[0]['groups'])"
    (group,) = run_script(run_python, collector, look).ok().one("left")
    assert group["requests"] == 1
    (file,) = files(spool_of(tmp_path))
    assert b"kept" in file.read_bytes()
    for left in spool_of(tmp_path).iterdir():
        assert b"delivered-text-" not in left.read_bytes(), left.name


def test_redacted_rows_arrive_redacted(
    collector: Collector, run_python: RunPython, tmp_path: Path
) -> None:
    collector.refuse()
    spooled = plant(run_python, collector, tmp_path, "spill").stats["spooled"]
    collector.accept()
    ran = run_script(run_python, collector, NEXT)
    assert ran.stats["replayed"] == spooled, ran.report()
    for request in collector.requests():
        for rule, (_, part) in PLANTED.items():
            assert part.encode() not in request.target.encode() + request.body, rule
