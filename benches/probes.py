"""The measured programs: each runs in a process of its own and prints what it measured as JSON.

    python probes.py NAME '{"option": "value"}'

A fresh process per measurement keeps queues, heaps and delivery threads of one figure out of the
next. Times are in microseconds, without the time that reading the clock takes.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentrial import SentrialClient

_KEY = "sentrial_test_" + "0123456789abcdef" * 2
_POOL = 32
_SESSIONS = 64
_HALF_FULL = 32 << 20
_clock = time.perf_counter_ns


def _value(number: int, size: int) -> dict[str, Any]:
    """Make a tool's arguments or result: `size` bytes of JSON of several types."""
    value: dict[str, Any] = {
        "id": f"req-{number:06d}",
        "query": "what is the refund policy for this order",
        "k": 10,
        "score": 0.123456 + number,
        "ok": True,
        "next": None,
        "tags": ["a", "b", "c", "d"],
        "filters": {"lang": "en", "tier": number % 3, "region": "eu-west-1"},
        "rows": [
            {"sku": f"SKU-{row:05d}", "qty": row, "price": 9.99 + row, "name": "umbrella, black"}
            for row in range(9)
        ],
        "text": "",
    }
    value["text"] = "x" * (size - len(json.dumps(value, separators=(",", ":"))))
    return value


def _payloads(size: int = 1024) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(_value(n, size), _value(n + _POOL, size)) for n in range(_POOL)]


def _body(tool_input: object, tool_output: object) -> dict[str, Any]:
    """Make what the SDK sends for a call of the tool that was called before."""
    return {
        "sessionId": "session-123456",
        "eventType": "tool_call",
        "toolName": "search",
        "toolInput": tool_input,
        "toolOutput": tool_output,
        "reasoning": None,
        "stateBefore": {"search_result": tool_output},
        "stateAfter": {"search_result": tool_output},
        "estimatedCost": 0.0,
    }


def _client(options: dict[str, Any]) -> SentrialClient:
    import sentrial

    return sentrial.SentrialClient(options["url"], options.get("key", _KEY), pii=options.get("pii"))


def _sessions(client: SentrialClient, count: int) -> list[Any]:
    return [client.begin(user_id="user", event="bench", input="hello") for _ in range(count)]


def _clock_cost() -> float:
    return median(-(_clock() - _clock()) for _ in range(20_000))


def _kept_off() -> int:
    """Tell how many nanoseconds this thread has been ready to run without being let."""
    return int(Path("/proc/thread-self/schedstat").read_bytes().split()[1])


def _preemptions() -> int:
    """Count how often this thread had to give way although it could have gone on."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw


class _Times:
    """Durations of one kind of call."""

    def __init__(self, overhead: float) -> None:
        self._overhead = overhead
        self._all: list[int] = []
        self._undisturbed = 0
        self._preemptions = _preemptions()

    def take(self, start: int, end: int) -> None:
        self._all.append(end - start)

    def take_longest(self, start: int, end: int) -> None:
        """Take it, and note whether the system gave the processor to somebody else meanwhile."""
        self.take(start, end)
        preemptions = _preemptions()
        if preemptions == self._preemptions:
            self._undisturbed = max(self._undisturbed, end - start)
        self._preemptions = preemptions

    def summary(self) -> dict[str, float]:
        ordered = sorted(self._all)

        def at(share: float) -> float:
            index = min(len(ordered) - 1, int(len(ordered) * share))
            return (ordered[index] - self._overhead) / 1000

        return {
            "p50": at(0.5),
            "p99": at(0.99),
            "max": at(1.0),
            "undisturbed_max": self._undisturbed / 1000,
            "calls": len(ordered),
        }


def calls(options: dict[str, Any]) -> dict[str, Any]:
    """Track and serialise in turn, in blocks, tight or paced, with a server that answers."""
    import orjson

    pause: float = options.get("pause", 0.0)
    rounds, block = options["rounds"], options["block"]
    client = _client(options)
    pool = _payloads()
    bodies = [_body(*pair) for pair in pool]
    interactions = _sessions(client, _SESSIONS)
    for interaction in interactions:
        interaction.track_tool_call("search", *pool[0])
    client.flush(30)
    overhead = _clock_cost()
    tracked, dumped = _Times(overhead), _Times(overhead)
    busy = 0
    for round_ in range(rounds):
        for index in range(block):
            if pause:
                time.sleep(pause)
            interaction = interactions[index % _SESSIONS]
            tool_input, tool_output = pool[index % _POOL]
            start = _clock()
            interaction.track_tool_call("search", tool_input, tool_output)
            tracked.take(start, _clock())
        # The other side runs while the sender works too.
        busy += client.stats()["pending"] > 0
        for index in range(block):
            if pause:
                time.sleep(pause)
            body = bodies[index % _POOL]
            start = _clock()
            orjson.dumps(body)
            dumped.take(start, _clock())
        if round_ % 4 == 3:
            client.flush(30)
    client.flush(30)
    stats = client.stats()
    return {
        "track": tracked.summary(),
        "orjson": dumped.summary(),
        "body_bytes": len(orjson.dumps(bodies[0])),
        "rounds_with_a_backlog": busy / rounds,
        "delivered": stats["delivered"],
        "accepted": stats["accepted"],
    }


def steady(options: dict[str, Any]) -> dict[str, Any]:
    """Measure what the caller pays for `calls` calls, whatever the server does."""
    client = _client(options)
    pool = _payloads()
    interactions = _sessions(client, _SESSIONS)
    overhead = _clock_cost()
    times, pairs = _Times(overhead), _Times(overhead)
    # Delivery has settled when the calls begin: a server counts as down after two failures.
    time.sleep(0.2)
    deadline = time.monotonic() + 5
    while client.stats()["state"] != options["state"] and time.monotonic() < deadline:
        time.sleep(0.01)
    for index in range(options["calls"] + 256):
        interaction = interactions[index % _SESSIONS]
        tool_input, tool_output = pool[index % _POOL]
        start = _clock()
        interaction.track_tool_call("search", tool_input, tool_output)
        end = _clock()
        if index >= 256:
            times.take_longest(start, end)
    for _ in range(options.get("pairs", 2000)):
        start = _clock()
        client.begin(user_id="user", event="bench", input="hello").finish(output="done")
        pairs.take(start, _clock())
    # Nothing but the machine: what a plain loop of this length suffers from its neighbours.
    machine = _Times(overhead)
    for index in range(options["calls"]):
        start = _clock()
        json.dumps(pool[index % _POOL][0])
        machine.take_longest(start, _clock())
    return {
        "track": times.summary(),
        "begin_finish": pairs.summary(),
        "machine": machine.summary(),
        "state": client.stats()["state"],
        "dropped": client.stats()["dropped"],
    }


class _Lines(logging.Handler):
    """Counts what is logged."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        del record
        self.count += 1


def deliver(options: dict[str, Any]) -> dict[str, Any]:
    """Deliver `events` over `sessions` sessions and wait for it."""
    client = _client(options)
    lines = _Lines()
    logging.getLogger("sentrial").addHandler(lines)
    tool_input, tool_output = _payloads(options.get("size", 1024))[0]
    sessions, each = options["sessions"], options["events"] // options["sessions"]
    started = time.perf_counter()
    interactions = _sessions(client, sessions)
    for _ in range(each):
        for interaction in interactions:
            interaction.track_tool_call("search", tool_input, tool_output)
        # 20 000 events are more than the queue may hold: no program makes them without a pause.
        while client.stats()["queued_bytes"] > _HALF_FULL:
            time.sleep(0.01)
    called = time.perf_counter() - started
    caller = time.thread_time()
    client.flush(120)
    took = time.perf_counter() - started
    cpu = time.process_time()
    stats = client.stats()
    # What the caller's thread has used, the start of Python included, is not delivery.
    delivery = cpu - caller
    told = {"seconds": took, "called": called, "cpu": cpu, "delivery": delivery}
    return {**told, "lines": lines.count, **stats}


def forks(options: dict[str, Any]) -> dict[str, Any]:
    """Fork while events are on their way, if there is a URL; how long os.fork() takes."""
    interactions = _sessions(_client(options), 8) if "url" in options else []
    tool_input, tool_output = _payloads()[0]
    times = _Times(_clock_cost())
    for index in range(options["forks"]):
        for interaction in interactions:
            interaction.track_tool_call("search", tool_input, tool_output)
        # As long as a request on loopback: some are queued, some in flight, some answered.
        time.sleep(0.001 * (index % 3))
        start = _clock()
        child = os.fork()
        if child == 0:
            os._exit(0)
        times.take(start, _clock())
        os.waitpid(child, 0)
    return times.summary()


def published(options: dict[str, Any]) -> dict[str, Any]:
    """Do the same as `deliver` with the published SDK, which waits for each answer."""
    import sentrial

    client = sentrial.SentrialClient(
        api_url=options["url"], api_key=options["key"], fail_silently=False
    )
    tool_input, tool_output = _payloads(options.get("size", 1024))[0]
    sessions, each = options["sessions"], options["events"] // options["sessions"]
    started = time.perf_counter()
    ids: list[Any] = [
        client.create_session(name="bench", agent_name="bench", user_id="user")
        for _ in range(sessions)
    ]
    for _ in range(each):
        for session in ids:
            client.track_tool_call(session, "search", tool_input, tool_output)
    took = time.perf_counter() - started
    return {"seconds": took, "version": getattr(sentrial, "__version__", "?")}


def _report_and_wait(what: dict[str, Any]) -> None:
    """Stand still, so that the parent can look at the memory, until it says go on."""
    print(json.dumps(what), flush=True)
    sys.stdin.readline()


def bare(_options: dict[str, Any]) -> dict[str, Any]:
    """Import what every probe imports, and nothing else."""
    _report_and_wait({})
    return {}


def first_event(options: dict[str, Any]) -> dict[str, Any]:
    """Deliver one event."""
    client = _client(options)
    interaction = client.begin(user_id="user", event="bench", input="hello")
    interaction.track_tool_call("search", {"q": "hello"}, {"hits": 3})
    interaction.finish(output="done")
    client.flush(10)
    _report_and_wait(client.stats())
    return {}


def offer(options: dict[str, Any]) -> dict[str, Any]:
    """Offer `calls` events to a server that refuses."""
    client = _client(options)
    pool = _payloads(options["size"]) if options["size"] else [({"n": 1}, {"m": 2})] * _POOL
    overhead = _clock_cost()
    times = _Times(overhead)
    durations = times._all  # noqa: SLF001  allocated in advance: its growth is not the SDK's
    count = options["calls"]
    durations.extend(range(1_000_000_000, 1_000_000_000 + count))
    interactions = _sessions(client, options["sessions"])
    gc.collect()
    _report_and_wait({})
    for index in range(count):
        interaction = interactions[index % len(interactions)]
        tool_input, tool_output = pool[index % _POOL]
        start = _clock()
        interaction.track_tool_call("search", tool_input, tool_output)
        durations[index] = _clock() - start
    stats = client.stats()
    _report_and_wait({"stats": stats, **times.summary()})
    return {}


def loop(options: dict[str, Any]) -> dict[str, Any]:
    """Measure how long an event loop does not come round at most, with the SDK and without.

    Each without and with the time that the loop's thread was ready to run but the system ran
    something else. With the SDK that is mostly the sink, which works on the same cores and does
    nothing while the tasks run alone: the difference would be taken for the SDK's.
    """
    import asyncio
    import random

    from sentrial import AsyncSentrialClient

    steps, pool = 10, _payloads()

    async def with_sdk(client: Any, number: int, pauses: list[float]) -> None:
        async with client.begin(f"user-{number}", "chat", input="hello") as interaction:
            for step, pause in enumerate(pauses):
                await asyncio.sleep(pause)
                receipt = await interaction.track_tool_call("search", *pool[step % _POOL])
                if step == steps // 2:
                    await receipt
            interaction.set_output("done")

    async def without(pauses: list[float]) -> None:
        for pause in pauses:
            await asyncio.sleep(pause)

    async def longest_gaps(work: list[Any]) -> tuple[float, float]:
        seen: list[tuple[int, int]] = []

        async def tick() -> None:
            while True:
                before, kept_off = _clock(), _kept_off()
                await asyncio.sleep(0.001)
                gap = _clock() - before - 1_000_000
                seen.append((gap - (_kept_off() - kept_off), gap))

        ticker = asyncio.ensure_future(tick())
        await asyncio.sleep(0.05)
        seen.clear()
        await asyncio.gather(*work)
        ticker.cancel()
        return max(own for own, _ in seen) / 1000, max(gap for _, gap in seen) / 1000

    async def main() -> dict[str, Any]:
        chance = random.Random(7)  # noqa: S311  the same pauses every time
        plan = [
            [chance.uniform(0.001, 0.03) for _ in range(steps)] for _ in range(options["tasks"])
        ]
        client = AsyncSentrialClient(options["url"], _KEY, wait_timeout=30)
        await client.track_decision("warm-up", "the thread, the connection, the imports")
        await client.flush()
        gc.collect()
        idle = await longest_gaps([without(pauses) for pauses in plan])
        stall = await longest_gaps([with_sdk(client, n, plan[n]) for n in range(len(plan))])
        await client.flush()
        return {"stall": stall, "idle_stall": idle, "steps": steps}

    return asyncio.run(main())


def _nothing(query: str, limit: int = 3) -> None:
    """Be a tool that does nothing."""


async def _nothing_later(query: str, limit: int = 3) -> None:
    """Be the same as a coroutine function."""


def _per_call(function: Callable[[str], Any], count: int) -> float:
    start = _clock()
    for _ in range(count):
        function("words")
    return (_clock() - start) / count / 1000


async def _per_awaited_call(function: Callable[[str], Any], count: int) -> float:
    start = _clock()
    for _ in range(count):
        await function("words")
    return (_clock() - start) / count / 1000


def decorated(options: dict[str, Any]) -> dict[str, Any]:
    """Call a tool that does nothing, with and without a session, beside the bare function."""
    import asyncio

    import sentrial

    client = _client(options)
    tool, tool_later = sentrial.tool(_nothing), sentrial.tool(_nothing_later)
    blocks, block = options["blocks"], options["block"]
    times: dict[str, list[float]] = {"bare": [], "outside": [], "inside": [], "inside_async": []}
    for _ in range(blocks):
        bare = _per_call(_nothing, block)
        times["bare"].append(bare)
        times["outside"].append(_per_call(tool, block) - bare)
        with client.begin(user_id="user", event="bench"):
            times["inside"].append(_per_call(tool, block) - bare)
            bare = asyncio.run(_per_awaited_call(_nothing_later, block))
            times["inside_async"].append(asyncio.run(_per_awaited_call(tool_later, block)) - bare)
        client.flush(30)
    stats = client.stats()
    medians = {name: median(values) for name, values in times.items()}
    return {**medians, "delivered": stats["delivered"], "accepted": stats["accepted"]}


def priced(_options: dict[str, Any]) -> dict[str, Any]:
    """Price a call, the first time and again."""
    from sentrial import pricing

    start = _clock()
    pricing.cost("openai", "gpt-4o", input_tokens=1000, output_tokens=100)
    first = (_clock() - start) / 1000
    again = []
    for _ in range(2000):
        start = _clock()
        pricing.cost("openai", "gpt-4o", input_tokens=1000, output_tokens=100)
        again.append((_clock() - start) / 1000)
    return {"first": first, "again": median(again)}


def wrapped(options: dict[str, Any]) -> dict[str, Any]:
    """Time calls of a bare and of a wrapped client against a provider on loopback, by turns.

    The wrapped client is another one, so that both have connections of their own; a session is
    current for both. What the wrapper costs is told by the pairs: the machine's speed drifts by
    more than that between calls that are far apart.
    """
    import sentrial
    from openai import OpenAI

    sentrial.configure(api_key=_KEY, api_url=options["url"])
    clients = [OpenAI(api_key="k", base_url=f"{options['upstream']}/v1") for _ in range(2)]
    sentrial.wrap_openai(clients[1])
    # By turns, and first by turns, so that neither always finds what the other has warmed up.
    orders = [[0, 1], [1, 0]]
    ask: dict[str, Any] = {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant. " * 10},
            {"role": "user", "content": "what is the refund policy for this order"},
        ],
        "temperature": 0.2,
    }
    whole: tuple[list[float], list[float]] = ([], [])
    pieces: tuple[list[float], list[float]] = ([], [])
    seen = 0
    with sentrial.begin(user_id="user", event="bench"):
        for number in range(options["calls"] + options["warm_up"]):
            for which in orders[number % 2]:
                start = _clock()
                clients[which].chat.completions.create(**ask)
                if number >= options["warm_up"]:
                    whole[which].append((_clock() - start) / 1000)
        ask |= {"stream": True, "stream_options": {"include_usage": True}}
        for number in range(options["streams"]):
            for which in orders[number % 2]:
                stream = clients[which].chat.completions.create(**ask)
                next(stream)
                start = _clock()
                seen = sum(1 for _ in stream)
                pieces[which].append((_clock() - start) / 1000 / seen)
    sentrial.flush(10)
    return {
        "bare": median(whole[0]),
        "wrapped": median(whole[1]),
        "over": median(wrapped - bare for bare, wrapped in zip(*whole, strict=True)),
        "bare_piece": median(pieces[0]),
        "wrapped_piece": median(pieces[1]),
        "pieces": seen,
        "delivered": sentrial.stats()["delivered"],
    }


_PROBES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    probe.__name__: probe
    for probe in (
        calls,
        steady,
        deliver,
        published,
        forks,
        bare,
        first_event,
        offer,
        decorated,
        priced,
        wrapped,
        loop,
    )
}


def main() -> None:
    """Run as a command."""
    name, options = sys.argv[1], json.loads(sys.argv[2])
    result = _PROBES[name](options)
    print(json.dumps(result), flush=True)
    # What a refusing or hanging server has left in the queue is not waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
