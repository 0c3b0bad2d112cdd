"""C13: ``~/.netrc`` is never read; the key is what authenticates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sdk import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.support.collector import Collector

USE = """
    import sentrial

    client = sentrial.SentrialClient()
    client.track_decision("s", "r")
    client.flush()
"""


@pytest.mark.parametrize("machine", ["machine 127.0.0.1", "machine localhost", "default"])
@pytest.mark.parametrize("key", [KEY, ""])
def test_c13_netrc_is_not_read(
    collector: Collector, run_python: RunPython, tmp_path: Path, machine: str, key: str
) -> None:
    home = tmp_path / "home-with-netrc"
    home.mkdir()
    for name in (".netrc", "_netrc"):
        (home / name).write_text(f"{machine} login user password secret\n")
        (home / name).chmod(0o600)
    env = {"SENTRIAL_API_URL": collector.url_by_name, "SENTRIAL_API_KEY": key}
    env |= {"HOME": str(home), "NETRC": str(home / ".netrc")}
    run_python(USE, env=env).ok()
    (request,) = collector.requests()
    assert request.headers.get("authorization") == (f"Bearer {key}" if key else None)
