"""``sentrial redact``: what would leave, and which rule hit where."""

from __future__ import annotations

import json
from typing import Any


def test_the_command_shows_what_would_leave(run_python: Any, tmp_path: Any) -> None:
    code = "from sentrial.cli import main; import sys; sys.exit(main(sys.argv[1:] or ARGS))"
    payload = {"toolInput": {"mail": "a@b.co", "n": [{"password": "x"}]}, "userId": "a@b.co"}
    shown = run_python(code.replace("ARGS", "['redact']"), stdin=json.dumps(payload))
    assert shown.exit == 0, shown.stderr
    assert json.loads(shown.stdout) == {
        "toolInput": {"mail": "[EMAIL]", "n": [{"password": "[REDACTED]"}]},
        "userId": "a@b.co",
    }
    assert "email  toolInput.mail" in shown.stderr
    assert "denied_field  toolInput.n[0].password" in shown.stderr
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"pii": {"mode": "remove"}, "deny_fields": ["n"]}))
    arguments = f"['redact', '--config', {str(config)!r}]"
    shown = run_python(code.replace("ARGS", arguments), stdin=json.dumps(payload))
    assert json.loads(shown.stdout)["toolInput"] == {"mail": "", "n": "[REDACTED]"}
    config.write_text('{"mode": "shout"}')
    shown = run_python(code.replace("ARGS", arguments), stdin="{}")
    assert shown.exit == 1
    assert "pii.mode" in shown.stderr
    assert "Traceback" not in shown.stderr
