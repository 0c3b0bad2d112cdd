"""Every code block of the documentation runs, against the local server."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import ROOT, Block, blocks
from tests.support.processes import python_command, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.local_server import LocalServer

#: Stands for the reader's key.
PLACEHOLDER = "sentrial_live_xxx"


def name(block: Block) -> str:
    return block.name


@pytest.mark.parametrize("block", [b for b in blocks("python") if b.runs], ids=name)
def test_python_block(block: Block, docs_server: LocalServer, tmp_path: Path) -> None:
    before = len(docs_server.sessions())
    code = block.code.replace(PLACEHOLDER, docs_server.key)
    done = run(python_command(code), env=docs_server.env, cwd=tmp_path).ok()
    if block.promised_output:
        assert done.stdout.splitlines() == block.promised_output
    # What a page tracks has arrived; a page about errors makes none.
    tracks = "begin(" in code or "create_session(" in code
    expected = code.count("begin(") + code.count("create_session(")
    if tracks and "Error as error" not in code:
        assert len(docs_server.sessions()) == before + expected


def options_of_the_readme() -> list[Block]:
    """Return the ways of giving the key, by the page about authentication."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    first = lines.index("### Python") + 1
    end = next(n for n, line in enumerate(lines, 1) if n > first and line.startswith("##"))
    found = [b for b in blocks("python") if b.page == "README.md"]
    return [b for b in found if first < b.line < end]


def test_there_are_three_options() -> None:
    assert len(options_of_the_readme()) == 3


@pytest.mark.parametrize("block", options_of_the_readme(), ids=name)
def test_each_option_reaches_the_server(
    block: Block, docs_server: LocalServer, tmp_path: Path
) -> None:
    code = block.code.replace(PLACEHOLDER, docs_server.key)
    if "client = " in code:
        code += 'print(client.create_session("Test Session", "test-agent", "user_123"))\n'
    else:
        code += 'print(sentrial.begin(user_id="user_123", event="test-agent").session_id)\n'
    env = docs_server.env
    if PLACEHOLDER in block.code:
        # The key in the code must be the one that counts.
        env["SENTRIAL_API_KEY"] = "sentrial_live_unknown"
    assert run(python_command(code), env=env, cwd=tmp_path).ok().stdout.startswith("sess_")


@pytest.mark.parametrize("block", [b for b in blocks("bash") if b.runs], ids=name)
def test_bash_block(block: Block, docs_server: LocalServer, tmp_path: Path) -> None:
    for tool in ("bash", "curl"):
        if (tool == "bash" or tool in block.code) and shutil.which(tool) is None:
            pytest.skip(f"{tool} is not here")
    code = block.code.replace(PLACEHOLDER, docs_server.key)
    # Without --fail, curl is content with a refusal.
    code = code.replace("curl ", "curl --silent --show-error --fail ")
    command = ["bash", "-euo", "pipefail", "-c", code]
    done = run(command, env=docs_server.env, cwd=tmp_path)
    # Commands may say something on stderr: "shown only this once", "no sessions".
    assert done.exit == 0, done


def test_the_curl_request_of_the_authentication_page_makes_a_session(
    docs_server: LocalServer, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")
    block = next(b for b in blocks("bash") if b.page == "README.md" and "curl" in b.code)
    command = ["bash", "-euo", "pipefail", "-c", block.code.replace("curl ", "curl -sS ")]
    made = json.loads(run(command, env=docs_server.env, cwd=tmp_path).ok().stdout)
    assert made["id"].startswith("sess_")
    made = {field: made[field] for field in ("name", "agentName", "userId", "status")}
    assert made == {
        "name": "Test Session",
        "agentName": "test-agent",
        "userId": "user_123",
        "status": "active",
    }


def post(server: LocalServer, path: str, body: object, key: str) -> tuple[int, dict[str, str]]:
    request = urllib.request.Request(  # noqa: S310 - the address is that of our own server
        server.url + path,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_refusals_have_the_documented_bodies(docs_server: LocalServer) -> None:
    documented = {
        int(block.order.removeprefix("answer: ")): json.loads(block.code)
        for block in blocks("json")
        if block.order.startswith("answer: ")
    }
    assert sorted(documented) == [401, 403]
    session = {"name": "n", "agentName": "a", "userId": "u"}
    assert post(docs_server, "/api/sdk/sessions", session, "sentrial_live_unknown") == (
        401,
        documented[401],
    )
    status, made = post(docs_server, "/api/sdk/sessions", session, docs_server.key)
    assert status == 200
    other = docs_server.create_key("other", "--env", "test")
    event = {"sessionId": made["id"], "eventType": "error"}
    assert post(docs_server, "/api/sdk/events", event, other) == (403, documented[403])


def test_a_revoked_key_is_refused_with_the_next_request(docs_server: LocalServer) -> None:
    key = docs_server.create_key("leaked")
    session = {"name": "n", "agentName": "a", "userId": "u"}
    assert post(docs_server, "/api/sdk/sessions", session, key)[0] == 200
    assert docs_server.cli("keys", "revoke", "leaked").exit == 0
    assert post(docs_server, "/api/sdk/sessions", session, key)[0] == 401
