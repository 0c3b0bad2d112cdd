"""What each part of redaction does, seen from Python."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import pickle
import re
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import ConfigurationError, PiiBuiltinPatterns, PiiConfig

from tests.delivery.helpers import client_of, settled

if TYPE_CHECKING:
    from tests.support.collector import Collector

HERE = "http://127.0.0.1:9"


def client(**options: Any) -> sentrial.SentrialClient:
    return sentrial.SentrialClient(HERE, "sentrial_test_0123456789", **options)


def value(text: Any, **options: Any) -> Any:
    options.setdefault("pii", PiiConfig(enabled=True))
    return client(**options).redact(text, "value")


@pytest.mark.parametrize(
    ("pii", "says"),
    [
        ({"mode": "shout"}, "pii.mode"),
        ({"mode": None}, "pii.mode"),
        (PiiConfig(enabled=True, mode="LABEL"), "pii.mode"),
        ({"fields": "userInput"}, "pii.fields"),
        ({"fields": [1]}, "pii.fields"),
        ({"fields": 5}, "pii.fields"),
        ({"feilds": []}, "feilds is unknown"),
        ({"builtinPatterns": {"emials": True}}, "emials is unknown"),
        ({"builtinPatterns": ["emails"]}, "pii.builtin_patterns"),
        ({"customPatterns": [{"pattern": "x"}]}, "label"),
        ({"customPatterns": "x"}, "pii.custom_patterns"),
        ({"customPatterns": ["x"]}, "pii.custom_patterns"),
        ({"customPatterns": [{"pattern": "a(b", "label": "L"}]}, "position 1"),
        ({"customPatterns": [{"pattern": 5, "label": "L"}]}, "pii.custom_patterns"),
        ({"mode": "pseudonym"}, "pii.hash_key"),
        ({"hashKey": ""}, "pii.hash_key"),
        (5, "pii"),
        ("yes", "pii"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_an_error_at_configuration(pii: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(says)):
        client(pii=pii)
    with pytest.raises(ConfigurationError):
        sentrial.configure(api_url=HERE, api_key="sentrial_test_0123456789", pii=pii)


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("redact_secrets", "yes"),
        ("deny_fields", "password"),
        ("deny_fields", [1]),
        ("keep_media", 1),
        ("before_send", "x"),
    ],
)
def test_a_wrong_option_is_named(option: str, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=option):
        client(**{option: wrong})


def test_true_and_disabled_settings() -> None:
    assert client(pii=False).redact({"toolInput": "a@b.co"}) == {"toolInput": "a@b.co"}
    assert client(pii=PiiConfig()).redact({"toolInput": "a@b.co"}) == {"toolInput": "a@b.co"}
    assert client(pii=True).redact({"toolInput": "a@b.co"}) == {"toolInput": "[EMAIL]"}
    assert client(pii={}).redact({"toolInput": "a@b.co"}) == {"toolInput": "[EMAIL]"}


def test_fields_of_ones_own_are_exact_and_an_extended_list_covers_more() -> None:
    payload = {"userInput": "a@b.co", "toolError": "a@b.co", "name": "a@b.co", "new": "a@b.co"}
    only = client(pii={"fields": ["toolError"]}).redact(payload)
    assert only == {**payload, "toolError": "[EMAIL]"}
    more = client(pii={"fields": [*(PiiConfig().fields or []), "name"]}).redact(payload)
    assert more == dict.fromkeys(payload, "[EMAIL]")
    assert client(pii={"fields": []}).redact(payload) == payload


def test_modes() -> None:
    text = "a@b.com 415-555-1234"
    assert value(text, pii={"mode": "hash"}) == "[PII:fb98d4] [PII:93d79d]"
    assert value(text, pii={"mode": "remove"}) == " "
    one, two = (value(text, pii={"mode": "pseudonym", "hash_key": key}) for key in ("k", b"l"))
    assert re.fullmatch(r"\[EMAIL:[0-9a-f]{12}\] \[PHONE:[0-9a-f]{12}\]", one)
    assert one != two
    assert value(text, pii={"mode": "pseudonym", "hash_key": "k"}) == one


def test_additional_patterns_are_off_by_default() -> None:
    text = "call +44 20 7946 0958 and pay DE89 3704 0044 0532 0130 00 or DE00370400440532013000"
    assert value(text) == text
    on = PiiBuiltinPatterns(international_phones=True, ibans=True)
    assert value(text, pii=PiiConfig(enabled=True, builtin_patterns=on)) == (
        "call [PHONE] and pay [IBAN] or DE00370400440532013000"
    )
    switches = {"builtinPatterns": {"internationalPhones": True, "ibans": True}}
    assert "[IBAN]" in value(text, pii=switches)
    assert len(dataclasses.asdict(on)) == 5, "the documented fields, and no others"


def test_a_hash_key_never_shows() -> None:
    config = PiiConfig(enabled=True, mode="pseudonym", hash_key="very-secret")
    made = client(pii=config)
    assert "very-secret" not in repr(config) + repr(made) + str(dataclasses.asdict(config))
    assert "very-secret" not in repr(made.pii)
    again = pickle.loads(pickle.dumps(config))  # noqa: S301  our own
    assert client(pii=again).redact("a@b.co", "value") == made.redact("a@b.co", "value")


def test_numbers_written_as_digits() -> None:
    """P2: a number is no hiding place; times, counts and decimal numbers stay (P5)."""
    assert value([4155551234, 4111111111111111]) == ["[PHONE]", "[CREDIT_CARD]"]
    kept = [1700000000, 1700000000000, 1700000000000000000, 3.14159265358979, -4155551234, 12345]
    assert value(kept) == kept
    fields = {"durationMs": 4155551234, "customMetrics": {"revenue": 4155551234}}
    assert client(pii={}).redact(fields) == fields


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("4111111111111111", "[CREDIT_CARD]"),
        ("4111 1111 1111 1111 10.0.0.1", "[CREDIT_CARD] [IP_ADDRESS]"),
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),
        ("123 45 6789", "[SSN]"),
        ("ssn 123456789", "ssn [SSN]"),
        ("phone415-555-1234abc", "phone[PHONE]abc"),
        ("2001:db8::1 ::ffff:10.0.0.1", "[IP_ADDRESS] [IP_ADDRESS]"),
        ("josé@example.com bob@bücher.example", "[EMAIL] [EMAIL]"),
    ],
)
def test_p3_what_the_order_and_the_patterns_missed(text: str, redacted: str) -> None:
    assert value(text) == redacted


def test_p9_a_second_time_changes_nothing() -> None:
    """Also of what custom patterns and removed neighbours leave."""
    config = {"customPatterns": [{"pattern": "EMP", "label": "EMP"}]}
    once = value("EMP 1, a@b.co", pii=config)
    assert once == "[EMP] 1, [EMAIL]"
    assert value(once, pii=config) == once
    joined = value("415a@b.co-555-1234 4155a@b.co551234", pii={"mode": "remove"})
    assert value(joined, pii={"mode": "remove"}) == joined


def test_p9_a_digest_may_have_a_key_and_the_switch_without_effect_is_taken() -> None:
    """Six digits of a hash are found by trying; `pseudonym` is what cannot be."""
    phones = [value(f"415-555-{n:04}", pii={"mode": "pseudonym", "hash_key": "k"}) for n in (1, 2)]
    assert phones[0] != phones[1]
    assert phones[0] != value("415-555-0001", pii={"mode": "pseudonym", "hash_key": "other"})
    for switch in (True, False):
        assert value("a@b.co", pii=PiiConfig(enabled=True, enhanced_detection=switch)) == "[EMAIL]"
        assert value("a@b.co", pii={"enhancedDetection": switch}) == "[EMAIL]"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("\ud83d a@b.co \ude00", "\ud83d [EMAIL] \ude00"),
        ("\ude00\ud83da@b.co\ud83d", "\ude00\ud83d[EMAIL]\ud83d"),
        (r'{"a": "\ud83d a@b.co"}', r'{"a": "\ud83d [EMAIL]"}'),
        (r'{"a": "\ud83d\u0061@b.co \ude00"}', r'{"a": "\ud83d[EMAIL] \ude00"}'),
        (r'{"a": "\ud83\u00 a@b.co \u"}', r'{"a": "\ud83\u00 [EMAIL] \u"}'),
    ],
)
def test_invalid_utf16_hides_nothing(collector: Collector, text: str, redacted: str) -> None:
    assert value(text) == redacted
    assert "@b.co" not in str(value({text: [text]}))
    made = client_of(collector, pii={})
    made.track_tool_call("s", "t", {"x": text}, {})
    settled(made)
    assert collector.events()[0]["toolInput"]["x"] == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("+442079460958 +49 (0)30 901820", "[PHONE] [PHONE]"),
        ("+1234567 +1234567890123456 +0123456789", "+1234567 +1234567890123456 +0123456789"),
        ("GB82WEST12345698765432, NL91 ABNA 0417 1643 00", "[IBAN], [IBAN]"),
        ("GB83WEST12345698765432 XX82WEST", "GB83WEST12345698765432 XX82WEST"),
    ],
)
def test_international_phones_and_ibans_are_exact(text: str, redacted: str) -> None:
    on = PiiBuiltinPatterns(international_phones=True, ibans=True)
    assert value(text, pii=PiiConfig(enabled=True, builtin_patterns=on)) == redacted
    for name, label in (("international_phones", "[PHONE]"), ("ibans", "[IBAN]")):
        alone = PiiBuiltinPatterns(**{name: True})
        found = value(text, pii=PiiConfig(enabled=True, builtin_patterns=alone))
        assert (label in found) == (label in redacted)
        assert found in {text, redacted}


def test_keys_that_become_equal_are_kept_apart() -> None:
    assert value({"a@b.co": 1, "c@d.co": 2}) == {"[EMAIL]": 1, "[EMAIL] (2)": 2}


@pytest.mark.parametrize(
    "name", ["password", "Authorization", "X-API-Key", "db_password", "cookie"]
)
def test_denied_fields_are_withheld_whatever_they_hold(name: str) -> None:
    for held in ("hunter2", 1234, {"deep": ["x"]}, ["a", {"b": "c"}]):
        assert value({name: held, "x": "y"}, pii=None) == {name: "[REDACTED]", "x": "y"}
    for held in (None, True, ""):
        assert value({name: held}, pii=None) == {name: held}
    assert value({name: "x"}, pii=None, redact_secrets=False) == {name: "x"}


def test_deny_fields_extends_the_list() -> None:
    payload = {"toolInput": {"Account Number": "77", "tokens": 5}}
    denied = client(deny_fields=["account_number"]).redact(payload)
    assert denied == {"toolInput": {"Account Number": "[REDACTED]", "tokens": 5}}
    only = client(deny_fields=("account_number",), redact_secrets=False)
    assert only.redact({"accountNumber": 1, "password": 2})["password"] == 2


def test_media_is_replaced_by_what_it_is() -> None:
    raw = bytes(range(256)) * 40
    text = base64.b64encode(raw).decode()
    digest = hashlib.sha256(raw).hexdigest()
    what = f"bytes={len(raw)} sha256={digest}]"
    assert value(f"data:image/png;base64,{text}") == f"[MEDIA type=image/png {what}"
    assert value(f"see ![x](data:image/png;base64,{text}) there") == (
        f"see ![x]([MEDIA type=image/png {what}) there"
    )
    assert value(text) == f"[MEDIA type=application/octet-stream {what}"
    assert value(text, keep_media=True) == text
    assert value("data:image/png;base64,aGk=") == "data:image/png;base64,aGk="
    words = "lorem ipsum " * 1000
    assert value(words) == words


def test_a_large_picture_is_replaced_and_not_cut(collector: Collector) -> None:
    raw = b"\x89PNG" + bytes(range(256)) * 8000
    made = client_of(collector)
    picture = "data:image/png;base64," + base64.b64encode(raw).decode()
    made.track_tool_call("s", "t", {"image": picture}, {})
    settled(made)
    digest = hashlib.sha256(raw).hexdigest()
    assert collector.events()[0]["toolInput"]["image"] == (
        f"[MEDIA type=image/png bytes={len(raw)} sha256={digest}]"
    )


@pytest.mark.parametrize("limit", [None, 20_000])
def test_an_event_that_is_too_large_arrives_cut(collector: Collector, limit: int | None) -> None:
    options = {} if limit is None else {"max_event_bytes": limit}
    made = client_of(collector, **options)
    text = "word " * 1_000_000
    made.track_tool_call("s", "t", {"big": text, "small": "kept"}, {"also": text, "n": [1, 2]})
    made.track_tool_call("s", "t", {"many": list(range(300_000))}, {"kept": 1})
    settled(made)
    first, second = collector.events()
    assert all(len(request.body) <= (limit or 1_048_576) for request in collector.requests())
    assert (first["toolInput"]["small"], first["toolOutput"]["n"]) == ("kept", [1, 2])
    assert re.search(r"…\[cut \d+ of \d+ bytes, sha256 [0-9a-f]{16}\]…", first["toolInput"]["big"])
    assert second["toolOutput"] == {"kept": 1}
    assert made.redaction_report()["rules"]["cut"]


def test_hostile_values_come_out_redacted_or_withheld(collector: Collector) -> None:
    deep: Any = "a@b.co"
    for _ in range(5_000):
        deep = [deep]
    made = client_of(collector, pii={})
    made.track_tool_call("s", "t", {"deep": deep, "s": "\ud83d a@b.co \ude00"}, {})
    made.track_tool_call("s", "t", "a@b.co " * 2_000_000, {"x": "é" * 3_000_000})
    settled(made, 30)
    assert len(collector.events()) == 2
    assert b"a@b.co" not in b"".join(request.body for request in collector.requests())


def test_a_pattern_over_its_budget_withholds_the_value() -> None:
    slow = {"customPatterns": [{"pattern": r"(a+)+\1$", "label": "X"}]}
    assert value("a" * 3000 + "!", pii=slow) == "[REDACTED]"
    report = client(pii=slow)
    report.redact({"toolInput": {"x": "a" * 3000 + "!"}})
    assert report.redaction_report()["rules"]["withheld"] == {"toolInput": 1}


def test_the_report_counts_by_rule_and_field(collector: Collector) -> None:
    made = client_of(collector, pii={"customPatterns": [{"pattern": "EMP-1", "label": "EMP"}]})
    assert made.redaction_report() == {"total": 0, "rules": {}, "fields": {}}
    made.track_tool_call("s", "t", {"x": "a@b.co c@d.co"}, {"password": "x"}, reasoning="EMP-1")
    settled(made)
    rules = made.redaction_report()["rules"]
    assert rules["email"] == {"toolInput": 2}
    assert rules["custom:EMP"] == {"reasoning": 1}
    assert rules["denied_field"]["toolOutput"] == 1
    assert made.redaction_report()["fields"]["toolInput"] == 2
