"""What values cost the caller: those of earlier calls, and large ones. See `probes.py`.

python value_probes.py NAME '{"option": "value"}'
"""

from __future__ import annotations

import base64
import collections
import json
import os
import sys
import time
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_KEY = "sentrial_test_" + "0123456789abcdef" * 2


def _interaction(options: dict[str, Any]) -> Any:
    import sentrial

    client = sentrial.SentrialClient(options["url"], _KEY, spool="off")
    return client, client.begin(user_id="user", event="bench", input="hello")


def _small(interaction: Any, count: int) -> float:
    times = []
    for number in range(count):
        start = time.perf_counter_ns()
        interaction.track_tool_call("small", {"n": number}, {"ok": 1})
        times.append(time.perf_counter_ns() - start)
    return median(times) / 1000


def state(options: dict[str, Any]) -> dict[str, Any]:
    """Time small calls before and after others have recorded large outputs or many entries."""
    client, interaction = _interaction(options)
    _small(interaction, 200)
    before = _small(interaction, 500)
    for number in range(options["outputs"]):
        interaction.track_tool_call(f"fetch_{number}", {}, {"text": "word " * 20_000})
    entries = {f"key_{number}": number for number in range(options["entries"])}
    client.current_state.update(entries)
    _small(interaction, 20)
    after = _small(interaction, 500)
    client.flush(timeout=30)
    return {"before": before, "after": after}


def _values() -> dict[str, Any]:
    raw = os.urandom(30_000_000)
    return {
        "ASCII text, 50 MB": "word " * 10_000_000,
        "text of two bytes, 50 MB": "\u00e9\u6587" * 12_000_000,
        "emoji, 50 MB": "\U0001f600a" * 6_000_000,
        "bytes, 50 MB": b"word " * 10_000_000,
        "base64, 40 MB": base64.b64encode(raw).decode(),
        "list of a million": list(range(1_000_000)),
        "dict of a million": {str(number): number for number in range(1_000_000)},
        "deque of a million": collections.deque(range(1_000_000)),
        "nested lists": [["word " * 200] * 1000] * 1000,
    }


def large(options: dict[str, Any]) -> dict[str, Any]:
    """Time calls with a large output, each kind several times: processor time of this thread."""
    client, interaction = _interaction(options)
    _small(interaction, 50)
    found = {}
    for name, value in _values().items():
        times = []
        for _ in range(7):
            start = time.thread_time_ns()
            interaction.track_tool_call("large", {}, value)
            times.append(time.thread_time_ns() - start)
            client.flush(timeout=30)
        found[name] = median(times) / 1e6
    return found


_PROBES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"state": state, "large": large}

if __name__ == "__main__":
    print(json.dumps(_PROBES[sys.argv[1]](json.loads(sys.argv[2]))), flush=True)
