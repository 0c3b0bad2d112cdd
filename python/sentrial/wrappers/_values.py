"""Reading providers' objects and dicts; what happens at every call is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sentrial._core import arguments_of, scalars, written
from sentrial._core import read_member as read

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Passing", "arguments_of", "kept", "read", "scalars", "written"]


def kept(kwargs: dict[str, Any], name: str) -> Any:
    """Return a parameter that can be written down when the call is over.

    A one-shot iterator is exchanged, in `kwargs` too, for one that keeps what passes. A list is
    copied: the program may append to it before a stream has ended.
    """
    value = kwargs.get(name)
    if type(value) is list:
        return list(value)
    if hasattr(type(value), "__next__") and not isinstance(value, Passing):
        value = kwargs[name] = Passing(cast("Iterator[Any]", value))
    return value


class Passing:
    """An iterator that keeps what passed: it is read by the provider, and never by us."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source = source
        self.passed: list[Any] = []

    def __iter__(self) -> Passing:
        return self

    def __next__(self) -> Any:
        item = next(self._source)
        self.passed.append(item)
        return item
