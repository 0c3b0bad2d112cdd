"""`@tool` leaves the signature of a function as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import sentrial
from sentrial import tool
from typing_extensions import assert_type


@tool
def plain(query: str, limit: int = 10, *, exact: bool = False) -> list[str]:
    return [query] * limit if exact else []


@tool("search")
def positional_name(query: str) -> int:
    return len(query)


@sentrial.tool(name="search")
def keyword_name(query: str) -> int:
    return len(query)


@tool()
def no_name(query: str) -> int:
    return len(query)


@tool
async def asynchronous(query: str, *rest: int) -> bytes:
    return bytes(rest) + query.encode()


@tool("search")
async def asynchronous_named(query: str) -> None:
    await asynchronous(query)


@tool
def generator(count: int) -> Iterator[int]:
    yield count


@tool
async def asynchronous_generator(count: int) -> AsyncIterator[int]:
    yield count


class Toolbox:
    """Tools as methods."""

    @tool
    def method(self, query: str) -> int:
        """Be bound to an instance."""
        return len(query)

    @tool
    async def asynchronous_method(self, query: str) -> int:
        """Be bound and awaited."""
        return len(query)

    @staticmethod
    @tool("static")
    def static(query: str) -> int:
        """Be bound to nothing."""
        return len(query)


async def used(box: Toolbox, function: Callable[[int], str]) -> None:
    assert_type(plain("x"), list[str])
    assert_type(plain("x", 3, exact=True), list[str])
    assert_type(positional_name("x"), int)
    assert_type(keyword_name("x"), int)
    assert_type(no_name("x"), int)
    coroutine: Coroutine[Any, Any, bytes] = asynchronous("x", 1, 2)
    assert_type(await coroutine, bytes)
    await asynchronous_named("x")
    assert_type(generator(1), Iterator[int])
    assert_type(asynchronous_generator(1), AsyncIterator[int])
    assert_type(box.method("x"), int)
    assert_type(await box.asynchronous_method("x"), int)
    assert_type(Toolbox.static("x"), int)
    assert_type(tool(function)(1), str)
    assert_type(tool("name")(function)(1), str)
