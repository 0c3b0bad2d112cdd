"""A name that nobody knows, and that becomes known: in a hosts file of the program's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.delivery.helpers import balanced
from tests.delivery.outages import RECORDED, SESSIONS_BEGUN, STEPS, check_taken_once_in_order
from tests.process.scripts import KEY, PREAMBLE
from tests.support.namespaces import can_mount, with_mounts
from tests.support.processes import clean_environment, python_command, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.collector import Collector

pytestmark = pytest.mark.skipif(not can_mount(), reason="no mount namespaces here")

RECORD = f"""
client = SentrialClient(shutdown_timeout=10)
interactions = [client.begin(f"u{{n}}", "chat") for n in range({SESSIONS_BEGUN})]
for step in range({STEPS}):
    for interaction in interactions:
        call(interaction, f"t{{step}}")
for interaction in interactions:
    interaction.finish()
"""

OUTLAST = """
eventually(lambda: client.stats()["state"] == "down", 20)
client.flush(0)
say("during", client.stats())
with open("/etc/hosts", "a") as hosts:
    hosts.write("127.0.0.1 outage.test\\n")
eventually(lambda: client.flush(0.1) is None and client.stats()["pending"] == 0, 20)
say("after", client.stats())
"""


def test_a_name_that_becomes_known(server: Collector, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    # No name server: what the hosts file does not know is unknown at once.
    (tmp_path / "resolv.conf").write_text("\n")
    setup = "\n".join(
        f"mount --bind {tmp_path}/{name} /etc/{name}" for name in ("hosts", "resolv.conf")
    )
    address = f"http://outage.test:{urlsplit(server.url).port}"
    done = run(
        with_mounts(setup, python_command(PREAMBLE + RECORD + OUTLAST, "-W", "error")),
        env=clean_environment(tmp_path, SENTRIAL_API_URL=address, SENTRIAL_API_KEY=KEY),
        cwd=tmp_path,
        timeout=50,
    )
    assert done.exit == 0, done
    told = dict(json.loads(line) for line in done.stdout.splitlines())
    assert balanced(told["during"])["pending"] == RECORDED
    after = balanced(told["after"])
    assert (after["delivered"], after["state"]) == (RECORDED, "up")
    check_taken_once_in_order(server)
    plain_http, broke, recovered = done.stderr.splitlines()
    assert "unencrypted to outage.test" in plain_http
    assert "delivery" in broke
    assert "look-up failed" in broke
    assert "recovered after" in recovered
