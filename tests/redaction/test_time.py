"""P6: no text, and no pattern, takes more than linear time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import PiiBuiltinPatterns, PiiConfig

if TYPE_CHECKING:
    from collections.abc import Callable

#: Ten times the input takes ten times as long, or a hundred times if the time is quadratic.
MOST = 40

REPEATED = [
    "a",
    "a.b@",
    "a@b.co 415-555-1234 ",
    "a@b.co sk-proj-abcDEF1234567890abcdef ",
    "415-555-1234 ::1 a@b.co 4111111111111111 DE89370400440532013000 ",
    "é a@b.co 10.0.0.1 ",
    "1.",
    "1:",
    "+1",
    "DE89 ",
    "eyJaaaaaaaaaaa.",
    "-----BEGIN RSA PRIVATE KEY-----",
    "://a:b@",
    '["',
    "data:;base64,",
]

CASES: dict[str, Callable[[int], Any]] = {
    **{repr(piece): (lambda n, piece=piece: piece * (n // len(piece))) for piece in REPEATED},
    "keys": lambda n: {f"person{i}@example.com": i for i in range(n // 20)},
    "equal keys": lambda n: {f"{i} {i}@b.co": i for i in range(n // 20)},
    "numbers": lambda n: [4155551234] * (n // 10),
}


def took(client: sentrial.SentrialClient, value: Any) -> float:
    started = time.process_time()
    client.redact(value, "value")
    return time.process_time() - started


@pytest.mark.parametrize("case", CASES)
def test_p6_ten_times_the_input_takes_ten_times_as_long(case: str) -> None:
    everything = PiiBuiltinPatterns(international_phones=True, ibans=True)
    client = sentrial.SentrialClient(
        "http://127.0.0.1:9",
        "sentrial_test_0123456789",
        pii=PiiConfig(enabled=True, builtin_patterns=everything),
        max_event_bytes=100_000_000,
    )
    make = CASES[case]
    took(client, make(1_000))
    short = min(took(client, make(50_000)) for _ in range(3))
    long = took(client, make(500_000))
    assert long <= max(short, 0.002) * MOST


def test_p6_a_body_of_many_values_has_one_budget_for_patterns() -> None:
    client = sentrial.SentrialClient(
        "http://127.0.0.1:9",
        "sentrial_test_0123456789",
        pii={"customPatterns": [{"pattern": r"(?:a|a|1)*(?=c)b", "label": "X"}]},
    )
    count = 5_000
    values = ["a" * 40] * count + [int("1" * 25)]
    started = time.monotonic()
    assert client.redact(values, "value") == ["[REDACTED]"] * (count + 1)
    assert time.monotonic() - started < 30, "each of them takes some hundredths of a second"
    assert client.redaction_report()["rules"] == {"withheld": {"value": count + 1}}
