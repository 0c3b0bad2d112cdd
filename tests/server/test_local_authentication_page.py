"""The authentication page, line by line, with curl against the local server."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

from local_server import WAIT, Api, Cli, make_key

if TYPE_CHECKING:
    from pathlib import Path

BODY = '{"name": "Test Session", "agentName": "test-agent", "userId": "user_123"}'
UNAUTHORIZED = {"error": "Unauthorized", "message": "Invalid or missing API key"}
FORBIDDEN = {
    "error": "Forbidden",
    "message": "API key does not have access to this resource",
}


def curl(url: str, *arguments: str) -> tuple[int, Any]:
    done = subprocess.run(
        # As on the page: the curl that a shell would find.
        ["curl", "-sS", "--noproxy", "*", "-w", "\n%{http_code}", url, *arguments],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=True,
    )
    body, status = done.stdout.rsplit("\n", 1)
    return int(status), json.loads(body)


def post(api: Api, *headers: str, body: str = BODY) -> tuple[int, Any]:
    named = [part for header in headers for part in ("-H", header)]
    json_type = ("-H", "Content-Type: application/json")
    return curl(f"{api.url}/api/sdk/sessions", "-X", "POST", *named, *json_type, "-d", body)


def test_a_key_is_named_and_shown_once(cli: Cli, db: Path) -> None:
    made = cli("keys", "create", "--name", "Production", "--db", db)
    key = made.stdout.strip()
    assert re.fullmatch(r"sentrial_live_[0-9A-Za-z]{32,}", key)
    assert (made.stdout + made.stderr).count(key) == 1
    assert "Production" in made.stderr
    listed = cli.ok("keys", "list", "--all", "--db", db)
    assert "Production" in listed
    assert f"sentrial_live_…{key[-4:]}" in listed
    assert key not in listed


def test_the_key_is_nowhere_in_the_files(api: Api) -> None:
    assert api.key is not None
    api.event(api.session())
    secret = api.key.removeprefix("sentrial_live_").encode()
    files = list(api.db.parent.iterdir())
    assert api.db in files
    for file in files:
        assert secret not in file.read_bytes(), file.name


def test_the_curl_request_works(api: Api) -> None:
    status, answer = post(api, f"Authorization: Bearer {api.key}")
    assert status == 200
    assert answer.keys() == {"id", "name", "agentName", "userId", "status", "createdAt"}
    assert answer["id"].startswith("sess_")
    assert answer["status"] == "active"
    assert {name: answer[name] for name in ("name", "agentName", "userId")} == json.loads(BODY)


def test_a_missing_or_wrong_key_is_401(api: Api) -> None:
    assert post(api) == (401, UNAUTHORIZED)
    for value in ("Bearer sentrial_live_wrong", "Bearer ", "Bearer", "Basic abc", f"{api.key}"):
        assert post(api, f"Authorization: {value}") == (401, UNAUTHORIZED), value
    # The key is checked before the body.
    assert post(api, body="{") == (401, UNAUTHORIZED)


def test_a_key_of_another_environment_is_403(api: Api, cli: Cli) -> None:
    session = api.session()
    test = make_key(cli, api.db, "other", "--env", "test")
    assert test.startswith("sentrial_test_")
    other = Api(api.url, test, api.db)
    body = {"sessionId": session, "eventType": "error"}
    assert other("POST", "/api/sdk/events", body) == (403, FORBIDDEN)
    assert other("PATCH", f"/api/sdk/sessions/{session}", {}) == (403, FORBIDDEN)
    assert other("GET", f"/api/sdk/sessions/{session}") == (403, FORBIDDEN)
    live = Api(api.url, api.key, api.db)
    assert live("PATCH", f"/api/sdk/sessions/{other.session()}", {}) == (403, FORBIDDEN)


def test_revocation_takes_effect_with_the_next_request(api: Api, cli: Cli) -> None:
    api.session()
    cli.ok("keys", "revoke", "test", "--db", api.db)
    body = json.loads(BODY)
    assert api("POST", "/api/sdk/sessions", body) == (401, UNAUTHORIZED)
    assert "test" not in cli.ok("keys", "list", "--db", api.db)
    assert "test" in cli.ok("keys", "list", "--all", "--db", api.db)


def test_rotation_keeps_sessions_accessible(api: Api, cli: Cli) -> None:
    session = api.session()
    api.key = make_key(cli, api.db, "new")
    cli.ok("keys", "revoke", "test", "--db", api.db)
    api.event(session)
