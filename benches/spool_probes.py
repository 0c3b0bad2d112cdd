"""Measured programs of the spool: each runs in a process of its own and prints JSON.

python spool_probes.py NAME '{"option": "value"}'
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

_KEY = "sentrial_test_" + "0123456789abcdef" * 2
_INPUT = {"query": "what is the refund policy for this order", "k": 10, "text": "x" * 300}
_OUTPUT = {"hits": 3, "rows": [{"sku": f"SKU-{n:05d}", "price": 9.99 + n} for n in range(5)]}
_QUARTER = 16 << 20


def _client(options: dict[str, Any], **more: Any) -> Any:
    from sentrial import SentrialClient

    return SentrialClient(api_url=options["url"], api_key=_KEY, **more)


def _percentile(times: list[int], share: float) -> float:
    return sorted(times)[int(len(times) * share)] / 1000


def calls(options: dict[str, Any]) -> dict[str, Any]:
    """Measure what a call costs in one mode, in microseconds."""
    client = _client(options, spool=options["spool"])
    times = []
    for n in range(options["calls"]):
        before = time.perf_counter_ns()
        client.track_tool_call(f"s{n % 64}", "search", _INPUT, _OUTPUT)
        times.append(time.perf_counter_ns() - before)
        if n % 100 == 0:
            time.sleep(0.002)
    client.flush(60)
    return {"p50": _percentile(times, 0.5), "p99": _percentile(times, 0.99)}


def leave(options: dict[str, Any]) -> dict[str, Any]:
    """Leave events on disk, and die."""
    client = _client(options, spool="durable")
    for n in range(options["events"]):
        client.track_tool_call(f"s{n % 500}", "search", _INPUT, _OUTPUT)
        while client.stats()["queued_bytes"] > _QUARTER * 3:
            time.sleep(0.01)
    client.flush(60)
    time.sleep(1)
    print(json.dumps(client.stats()), flush=True)
    os._exit(0)


def drain(options: dict[str, Any]) -> dict[str, Any]:
    """Deliver events of one's own, then those that were left; seconds of both."""
    client = _client(options)
    started = time.perf_counter()
    for n in range(options["own"]):
        client.track_tool_call(f"own{n % 500}", "search", _INPUT, _OUTPUT)
    client.flush(120)
    own = time.perf_counter() - started
    delivered, replayed = client.stats()["delivered"], client.stats()["replayed"]
    started = time.perf_counter()
    while client.stats()["replayed"] < options["events"]:
        time.sleep(0.005)
    took = time.perf_counter() - started
    return {"own": delivered / own, "drained": (options["events"] - replayed) / took}


def burst(options: dict[str, Any]) -> dict[str, Any]:
    """Record from several threads at once; what their calls cost, in microseconds."""
    client = _client(options)
    text = "what is the refund policy for this order and who may change it; "
    given, found = {"query": (text * 16)[:1000]}, {"answer": (text * 16)[:1000]}
    each = options["events"] // options["threads"]
    times: list[list[int]] = [[] for _ in range(options["threads"])]

    def record(thread: int) -> None:
        mine = times[thread]
        for n in range(each):
            before = time.perf_counter_ns()
            client.track_tool_call(f"s{(thread + n) % 500}", "search", given, found)
            mine.append(time.perf_counter_ns() - before)

    threads = [threading.Thread(target=record, args=(n,)) for n in range(options["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    merged = [taken for one in times for taken in one]
    stats = client.stats()
    print(json.dumps({"p50": _percentile(merged, 0.5), "p99": _percentile(merged, 0.99), **stats}))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    probes = {"calls": calls, "leave": leave, "drain": drain, "burst": burst}
    print(json.dumps(probes[sys.argv[1]](json.loads(sys.argv[2]))))
