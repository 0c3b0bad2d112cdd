"""``openapi.yaml`` names exactly the operations that the local server has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_server import Api

METHODS = ("get", "put", "post", "patch", "delete")


def operations() -> dict[str, set[str]]:
    """Paths with their methods, read by indentation: no YAML parser is installed for this."""
    found: dict[str, set[str]] = {}
    path = ""
    for line in (Path(__file__).parents[2] / "openapi.yaml").read_text().splitlines():
        if match := re.fullmatch(r"  (/\S+):", line):
            path = match[1]
            found[path] = set()
        elif (match := re.fullmatch(r"    (\w+):", line)) and match[1] in METHODS and path:
            found[path].add(match[1])
    return found


def existing(api: Api, path: str) -> str:
    """The path with the ids of things that have just been made."""
    if not path.startswith("/api/experiments/"):
        return path.replace("{id}", api.session())
    _, made = api(
        "POST",
        "/api/experiments",
        {
            "name": "e",
            "variants": [{"name": "A", "systemPrompt": "p"}],
            "testCases": [{"userInput": "q"}],
        },
    )
    path = path.replace("{id}", made["experiment"]["id"])
    if "{run}" not in path:
        return path
    runs, _, _ = path.partition("/{run}")
    _, started = api("POST", runs, {"variantName": "A", "baseSessionId": "case_1"})
    return path.replace("{run}", started["run"]["id"])


def test_every_operation_exists_and_no_other(api: Api) -> None:
    documented = operations()
    assert "/api/sdk/sessions" in documented
    for path, methods in documented.items():
        address = existing(api, path)
        for method in METHODS:
            status, _ = api(method.upper(), address, {})
            assert (status == 405) == (method not in methods), (method, path)
            assert status != 404, (method, path)
