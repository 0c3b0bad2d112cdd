"""`@session` and `propagate` leave the signature of a function as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sentrial
from sentrial import Interaction, SessionContext, pricing, session
from typing_extensions import assert_type


@session
def plain(user_id: str, message: str = "") -> dict[str, str]:
    return {user_id: message}


@session("agent")
async def asynchronous(user_id: str, *rest: int) -> int:
    return len(rest) + len(user_id)


@session(agent_name="agent", user_id_param="who", input_param="ask", message_param="say")
def generator(who: str, ask: str) -> Iterator[str]:
    yield who + ask


@sentrial.session()
async def asynchronous_generator(user_id: str) -> AsyncIterator[str]:
    yield user_id


class Agent:
    """Sessions as methods."""

    @session("run")
    async def run(self, user_id: str) -> bytes:
        """Be bound and awaited."""
        return user_id.encode()


async def used(agent: Agent) -> None:
    assert_type(plain("u", message="m"), dict[str, str])
    coroutine: Coroutine[Any, Any, int] = asynchronous("u", 1, 2)
    assert_type(await coroutine, int)
    assert_type(generator("u", "a"), Iterator[str])
    assert_type(asynchronous_generator("u"), AsyncIterator[str])
    assert_type(await agent.run("u"), bytes)
    assert_type(sentrial.propagate(plain)("u"), dict[str, str])
    assert_type(await sentrial.propagate(asynchronous)("u"), int)
    assert_type(sentrial.get_current_interaction(), Interaction | None)
    with SessionContext("u", "agent", input="i") as block:
        block.set_output("o")
        assert_type(block.session_id, str | None)
    async with SessionContext("u", "agent"):
        pass
    with sentrial.PropagatingExecutor(ThreadPoolExecutor()) as pool:
        assert_type(pool.submit(plain, "u").result(), dict[str, str])
    assert_type(sentrial.context_env(), dict[str, str])
    with sentrial.extract_headers(sentrial.inject_headers()) as remote:
        assert_type(remote.session_id, str | None)
    assert_type(pricing.cost("openai", "gpt-4o", input_tokens=1), float | None)
    assert_type(pricing.lookup("gpt-4o"), pricing.ModelPrice | None)


def refused() -> None:
    plain(5)  # type: ignore[arg-type]
    plain("u", wrong=1)  # type: ignore[call-arg]
    session(5)  # type: ignore[call-overload]
    pool = sentrial.PropagatingExecutor(ThreadPoolExecutor())
    pool.submit(plain, 5)  # type: ignore[arg-type]
