"""The measured programs about redaction; run like those of `probes.py`."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_POOL = 32
#: Beginnings of what the rules look for, and what patterns with backtracking stumble over.
_PIECES = [
    *(
        "a",
        "a@",
        "a.",
        "1",
        "1 ",
        "1-",
        "(",
        ":",
        "::",
        "://",
        "{",
        "[",
        "\\",
        "é",
        "\uff14",
        "%40",
    ),
    *("sk-", "eyJ-", "SG.", "Bearer ", "-----BEGIN ", "-----BEGIN PRIVATE KEY"),
    "aws_secret_access_key=",
    "a@b.co 415-555-1234 ",
    "a@b.co sk-proj-abcDEF1234567890abcdef ",
]


def _tool_event(number: int) -> dict[str, Any]:
    """Make a tool event of 2 KB as agents have them: prose, rows, ids, and some personal data."""
    return {
        "eventType": "tool_call",
        "toolName": "search_orders",
        "toolInput": {
            "query": f"find the last order of customer {number} and summarise it",
            "limit": 10,
            "email": f"jane.doe{number}@example.com",
            "filters": {"status": "shipped", "since": "2026-01-02T03:04:05Z"},
        },
        "toolOutput": {
            "orders": [
                {
                    "id": f"550e8400-e29b-41d4-a716-44665544{row:04d}",
                    "total": row * 12.5,
                    "status": "shipped",
                    "address": "221B Baker Street, London",
                    "note": "Please leave the parcel with the neighbour if nobody answers the "
                    "door; call 415-555-1234 before you come.",
                }
                for row in range(6)
            ],
            "tokens": {"prompt": 120, "completion": 33},
        },
        "reasoning": "The user wants to know where the last order is, so I search the orders by "
        "customer and then look at the newest of them, which has shipped yesterday.",
        "stateBefore": {"input": "Where is my order? My mail is jane.doe@example.com"},
        "stateAfter": {"input": "Where is my order? My mail is jane.doe@example.com", "n": None},
        "estimatedCost": 0.0123,
        "tokenCount": 153,
    }


def _events() -> list[dict[str, Any]]:
    return [_tool_event(number) for number in range(_POOL)]


def _per_event(each: Callable[[Any], object], events: list[Any], seconds: float) -> float:
    """Return microseconds of processor time per event; the best of several rounds."""
    best = float("inf")
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.process_time_ns()
        for _ in range(4):
            for event in events:
                each(event)
        best = min(best, (time.process_time_ns() - started) / len(events) / 4)
    return best / 1000


def redaction(options: dict[str, Any]) -> dict[str, Any]:
    """Redact bodies as delivery does, bytes to bytes, with everything on."""
    from sentrial import PiiConfig
    from sentrial._core import Redactor

    redactor = Redactor(PiiConfig(enabled=True))
    bodies = [json.dumps(event, separators=(",", ":")).encode() for event in _events()]
    sealed = redactor.seal(bodies[0])
    took = _per_event(redactor.seal, bodies, options.get("seconds", 3))
    leaked = b"jane.doe" in sealed or b"415-555" in sealed
    return {"us": took, "bytes": sum(map(len, bodies)) / len(bodies), "leaked": leaked}


def redact_payload(options: dict[str, Any]) -> dict[str, Any]:
    """Redact payloads with the documented function, of whichever SDK is installed."""
    from sentrial.redact import PiiConfig, redact_payload

    config = PiiConfig(enabled=True)
    events = _events()
    took = _per_event(
        lambda event: redact_payload(event, config), events, options.get("seconds", 3)
    )
    return {"us": took}


def pathological(options: dict[str, Any]) -> dict[str, Any]:
    """Redact texts that are hard for rules with backtracking, once and ten times as long.

    Both whole and cut to a quarter: with one limit for both lengths only the longer text would
    be cut, which takes another look at all of it.
    """
    from sentrial import PiiConfig
    from sentrial._core import Redactor

    redactor = Redactor(PiiConfig(enabled=True))
    size = options.get("size", 40_000)

    def took(piece: str, length: int, part: int) -> float:
        text = piece * (length // len(piece))
        body = json.dumps({"toolInput": {"x": text}}).encode()
        limit = len(body) // part
        return _per_event(lambda body: redactor.seal(body, limit), [body], 0.2)

    return {
        f"{piece!r} repeated, {kind}": took(piece, size * 10, part) / took(piece, size, part)
        for piece in _PIECES
        for kind, part in (("whole", 1), ("cut", 4))
    }


def main() -> None:
    """Run as a command."""
    probes = {each.__name__: each for each in (redaction, redact_payload, pathological)}
    print(json.dumps(probes[sys.argv[1]](json.loads(sys.argv[2]))), flush=True)


if __name__ == "__main__":
    main()
