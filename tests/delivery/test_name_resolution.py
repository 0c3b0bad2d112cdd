"""Names and addresses as a system's own configuration gives them, in a network of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.process.scripts import KEY, PREAMBLE
from tests.support.namespaces import ROOT, can_mount, with_network
from tests.support.processes import clean_environment, python_command, run

pytestmark = pytest.mark.skipif(not ROOT or not can_mount(), reason="no namespaces here")

PORT = 18080

#: A server on 10.9.8.1, and two addresses that swallow what asks for a connection.
NETWORK = f"""
import socket
from tests.support.collector import Collector
held = []
for hole in ("10.7.7.7", "10.7.7.8"):
    listening = socket.socket()
    listening.bind((hole, {PORT}))
    listening.listen(0)
    held.append(listening)
    for _ in range(4):
        held.append(socket.socket())
        held[-1].setblocking(False)
        held[-1].connect_ex((hole, {PORT}))
time.sleep(0.3)
server = Collector(host="10.9.8.1", port={PORT}).start()
"""

DELIVER = """
started = time.monotonic()
client = SentrialClient(timeout=TIMEOUT, allow_http=True, spool="off", shutdown_timeout=0.1)
call(client, "t", "s")
client.flush(TIMEOUT)
first = time.monotonic() - started
for number in range(3):
    call(client, "t", f"other{number}")
client.flush(5)
stats = client.stats()
say("delivered", [stats["delivered"], stats["retries"], first, stats["last_error"]])
os._exit(0)
"""


def deliver(folder: Path, host: str, hosts: str, resolv: str = "", timeout: float = 6) -> Any:
    (folder / "hosts").write_bytes(b"# d\xe9p\xf4t\n127.0.0.1 localhost\n" + hosts.encode())
    (folder / "resolv.conf").write_text(resolv)
    (folder / "nsswitch.conf").write_text("hosts: files dns\n")
    program = PREAMBLE + "import os\n" + NETWORK + DELIVER.replace("TIMEOUT", str(timeout))
    files = ("hosts", "resolv.conf", "nsswitch.conf")
    mounts = [f"mount --bind {folder}/{name} /etc/{name}" for name in files]
    addresses = [f"ip addr add {a}/32 dev lo" for a in ("10.9.8.1", "10.7.7.7", "10.7.7.8")]
    setup = "\n".join(["ip link set lo up", *addresses, *mounts])
    address = f"http://{host}:{PORT}"
    done = run(
        with_network(setup, python_command(program, "-W", "error")),
        env=clean_environment(folder, SENTRIAL_API_URL=address, SENTRIAL_API_KEY=KEY),
        cwd=Path(__file__).parents[2],
        timeout=60,
    )
    assert done.exit == 0, done
    return dict(json.loads(line) for line in done.stdout.splitlines())["delivered"]


DEAD_FIRST = {
    "one of two": "10.7.7.7 api.corp.test\n10.9.8.1 api.corp.test\n",
    "two of three": "10.7.7.7 api.corp.test\n10.7.7.8 api.corp.test\n10.9.8.1 api.corp.test\n",
}


@pytest.mark.parametrize("timeout", [4, 30])
@pytest.mark.parametrize("hosts", DEAD_FIRST.values(), ids=DEAD_FIRST)
def test_behind_dead_addresses_the_next_is_tried_within_the_attempt(
    tmp_path: Path, hosts: str, timeout: float
) -> None:
    delivered, retries, first, last_error = deliver(tmp_path, "api.corp.test", hosts, "", timeout)
    assert (delivered, retries, last_error) == (4, 0, None)
    assert first < min(timeout, 6)


NAMES = {
    "sentrial_server": "10.9.8.1 sentrial_server\n",
    "_server.corp.test": "10.9.8.1 _server.corp.test\n",
    "api.corp.test": "10.9.8.1\tother  API.Corp.Test # x\n",
}


@pytest.mark.parametrize(("host", "hosts"), NAMES.items(), ids=NAMES)
def test_names_of_the_hosts_file(tmp_path: Path, host: str, hosts: str) -> None:
    delivered, _, _, last_error = deliver(tmp_path, host, hosts)
    assert (delivered, last_error) == (4, None)


def test_an_unknown_name_is_told_in_words(tmp_path: Path) -> None:
    delivered, _, _, last_error = deliver(tmp_path, "my_api.test", "", "", 1)
    assert delivered == 0
    assert "look-up failed" in last_error
    assert not set("{}[]()") & set(last_error), last_error
