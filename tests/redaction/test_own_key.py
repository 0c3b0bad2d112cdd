"""The client's own key is replaced by value, whatever its form and wherever it stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import sentrial

from tests.delivery.helpers import client_of, settled
from tests.process.scripts import run_script
from tests.redaction.test_planted_secrets import FORMS, everywhere
from tests.spool.programs import spool_of
from tests.support.collector import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunPython
    from tests.support.collector import Collector

#: As the documentation has it, of letters alone, of another form, a UUID, a number, with marks.
KEYS = [
    "sentrial_live_0123456789abcdefABCDEF01",
    "sentrial_live_abcdefghijklmnopqrst",
    "companykey",
    "550e8400-e29b-41d4-a716-446655440000",
    "8801234567",
    'odd"key\\with/marks%41',
]


def sent(collector: Collector) -> str:
    """Give everything that arrived but the headers, as it came and decoded."""
    requests = collector.requests()
    raw = "".join(request.target + request.body.decode() for request in requests)
    return raw + "".join(json.dumps(request.json) for request in requests if request.body)


def spellings(key: str) -> set[str]:
    """How a key can be written in JSON, once and in JSON within JSON."""
    once = json.dumps(key)[1:-1]
    return {key, once, json.dumps(once)[1:-1]}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("form", FORMS)
def test_it_leaves_in_no_field(collector: Collector, key: str, form: str) -> None:
    client = client_of(collector, api_key=key)
    everywhere(client, FORMS[form](key), key)
    client.track_tool_call(key, "t", {}, {})
    client.track_event("s", "tool_call", **{key: key})
    client.complete_session(key)
    assert settled(client)["delivered"] > 10
    everything = sent(collector)
    assert not [spelling for spelling in spellings(key) if spelling in everything]
    assert "[SECRET:sentrial_key]" in everything
    assert client.redaction_report()["rules"]["sentrial_key"]


def test_it_is_replaced_with_the_search_for_secrets_switched_off(collector: Collector) -> None:
    client = client_of(collector, api_key="companykey", redact_secrets=False)
    client.track_tool_call("s", "t", {"x": "sk_live_0123456789abcdef companykey"}, 1)
    settled(client)
    assert collector.events()[0]["toolInput"]["x"] == (
        "sk_live_0123456789abcdef [SECRET:sentrial_key]"
    )


def test_a_number_can_be_the_key(collector: Collector) -> None:
    client = client_of(collector, api_key="8801234567")
    shown = client.redact({"n": [8801234567, 88012345671, 8801234568]}, "value")
    assert shown["n"] == ["[SECRET:sentrial_key]"] * 2 + [8801234568]


def test_escapes_do_not_split_it() -> None:
    client = sentrial.SentrialClient("http://127.0.0.1:9", "companykey")
    written = "".join(f"\\u{ord(each):04x}" for each in "companykey")
    for text in (f'{{"k": "{written}"}}', '["\\u0063ompany\\u006bey"]', f'{{"{written}": 1}}'):
        assert "[SECRET:sentrial_key]" in client.redact(text, "value")


def test_a_key_before_and_its_successor_are_both_replaced(collector: Collector) -> None:
    collector.hold()
    client = client_of(collector, api_key="companykey")
    for _ in range(3):
        client.track_tool_call("s", "t", {"x": "companykey and next-company-key"}, {})
    client.api_key = "next-company-key"
    client.track_tool_call("s", "t", {"x": "companykey and next-company-key"}, {})
    collector.release()
    settled(client)
    everything = collector.events()[1:]
    assert len(everything) == 3
    for event in everything:
        assert event["toolInput"]["x"] == "[SECRET:sentrial_key] and [SECRET:sentrial_key]"
    assert client.redact("companykey", "value") == "[SECRET:sentrial_key]"


def test_organisation_settings_do_not_bring_it_back(collector: Collector) -> None:
    settings = Answer(json={"config": {"mode": "label"}})
    collector.always("GET", "/api/sdk/pii-config", settings)
    client = client_of(collector, api_key="companykey", pii=True)
    client.track_tool_call("s", "t", {"x": "companykey a@b.co"}, {})
    settled(client)
    assert collector.events()[0]["toolInput"]["x"] == "[SECRET:sentrial_key] [EMAIL]"


def test_a_short_key_does_not_garble_words() -> None:
    client = sentrial.SentrialClient("http://127.0.0.1:9", "word")
    assert client.redact({"toolInput": "a word in words"}) == {"toolInput": "a word in words"}


@pytest.mark.parametrize("mode", ["spill", "durable"])
def test_no_file_of_the_spool_holds_it(
    refusing: str, run_python: RunPython, tmp_path: Path, mode: str
) -> None:
    code = f"""
key = "companykeyofletters"
client = SentrialClient(api_key=key, shutdown_timeout=0.3, spool={mode!r})
for value in (key, {{"x": [key]}}, {{key: key}}, json.dumps({{"a": [key]}}), KeyError(key)):
    client.track_tool_call(key, key, {{"v": value}}, value, metadata={{"m": value}})
    client.update_state(key, value)
    client.complete_session("known", success=False, failure_reason=value)
    client.create_session(key, agent_name=key, user_id=key, parent_session_id=key)
with client.begin(key, key, input=key) as interaction:
    interaction.set_output(key)
say("recorded", client.stats()["accepted"])
"""
    ran = run_script(run_python, refusing, code)
    assert ran.stats["spooled"] > 10, ran.report()
    for file in spool_of(tmp_path).iterdir():
        assert b"companykeyofletters" not in file.read_bytes(), file.name
    assert "companykeyofletters" not in ran.finished.stdout + ran.finished.stderr
