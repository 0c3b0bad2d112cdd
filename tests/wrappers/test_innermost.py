"""Only the innermost call carries usage and cost (complaint 10), in every kind of context."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial.wrappers import _innermost as innermost

from tests.support.llm_upstream import chat, chat_stream
from tests.support.sdk import in_loop

if TYPE_CHECKING:
    from tests.support.llm_upstream import LLMUpstream

ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(autouse=True)
def alone() -> None:
    """Start without a scope that an earlier test has left open in this thread."""
    innermost._current.set(None)


def leaf() -> bool:
    """Begin and record a call at once."""
    return innermost.claim(innermost.enclosing())


def test_a_call_alone_carries_its_usage() -> None:
    assert innermost.enclosing() is None
    assert leaf()


def test_the_outer_call_does_not() -> None:
    with innermost.Scope() as outer, innermost.Scope() as middle:
        assert leaf()
        assert leaf(), "a second call inside is another call"
    assert not middle.claim()
    assert not outer.claim()
    assert outer.covered


def test_without_a_call_inside_the_outer_one_does() -> None:
    with innermost.Scope() as outer, innermost.Scope() as middle:
        pass
    assert middle.claim()
    assert middle.claim(), "the answer stays the same"
    assert not outer.claim()


def test_a_stream_that_outlives_the_outer_call() -> None:
    with innermost.Scope() as outer:
        around = innermost.enclosing()
        assert outer.claim()
    assert not innermost.claim(around)


def test_a_closed_scope_is_gone_also_where_it_was_not_closed() -> None:
    scope = innermost.Scope()
    contextvars.copy_context().run(scope.close)
    assert innermost.enclosing() is None
    assert scope.claim()
    assert leaf()


def test_scopes_closed_out_of_order() -> None:
    first, second = innermost.Scope(), innermost.Scope()
    first.close()
    assert innermost.enclosing() is second
    second.close()
    assert innermost.enclosing() is None


def test_threads_with_the_context_copied_are_inside() -> None:
    with innermost.Scope() as copied, ThreadPoolExecutor(1) as pool:
        assert pool.submit(contextvars.copy_context().run, leaf).result()
    with innermost.Scope() as plain:
        thread = threading.Thread(target=leaf)
        thread.start()
        thread.join()
    assert not copied.claim()
    assert plain.claim()


def test_tasks_are_inside_and_do_not_disturb_each_other() -> None:
    async def call(inside: bool) -> bool:
        with innermost.Scope() as scope:
            await asyncio.sleep(0)
            if inside:
                await asyncio.create_task(asyncio.to_thread(leaf))
            await asyncio.sleep(0)
        return scope.claim()

    async def run() -> list[bool]:
        return await asyncio.gather(*(call(n % 2 == 0) for n in range(20)))

    assert in_loop(run()) == [n % 2 == 1 for n in range(20)]


def test_a_generator_may_close_it_in_another_context() -> None:
    """Complaint 12."""

    def work() -> Any:
        with innermost.Scope():
            yield 1

    generator = contextvars.copy_context().run(work)
    contextvars.copy_context().run(next, generator)
    contextvars.copy_context().run(generator.close)
    assert innermost.enclosing() is None


def test_the_events_of_an_outer_and_an_inner_call(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any, collector: Any
) -> None:
    upstream.reply("/chat/completions", chat("hello"))
    client = openai_client()
    with sentrial.llm_call("my-chain", provider="mine") as call:
        client.chat.completions.create(**ASK)
        call.set_output("hello")
        call.set_usage(prompt_tokens=11, completion_tokens=7)
    session.finish()
    inner, outer = events()
    assert inner["tokenCount"] == 18
    assert outer["toolOutput"] == {"content": "hello"}
    assert outer["estimatedCost"] == 0.0
    assert "tokenCount" not in outer
    assert "cost_unknown" not in outer["metadata"]
    done = collector.bodies("PATCH")[0]
    assert done["totalTokens"] == 18


def test_a_stream_read_after_the_outer_call(
    openai_client: Any, upstream: LLMUpstream, session: Any, events: Any
) -> None:
    pytest.importorskip("openai")
    upstream.reply("/chat/completions", chat_stream("a"))
    client = openai_client()
    with sentrial.llm_call("my-chain", provider="mine") as call:
        stream = client.chat.completions.create(stream=True, **ASK)
        call.set_usage(prompt_tokens=11, completion_tokens=7)
    list(stream)
    outer, inner = events()
    assert outer["tokenCount"] == 18
    assert "tokenCount" not in inner
