"""A provider on loopback for the benchmarks: prints its URL and answers until it is ended."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.llm_upstream import LLMUpstream, Reply, chat, chat_stream

_CHUNKS = 500


def main() -> None:
    """Run as a command."""
    answer = chat("Refunds are possible within 30 days. " * 10)
    stream = chat_stream(*["word "] * _CHUNKS, at_once=True)

    class Upstream(LLMUpstream):
        def take(self, path: str) -> Reply:  # noqa: ARG002
            asked = self.asked.pop()
            return stream if asked.json.get("stream") else answer

    with Upstream() as running:
        print(running.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
