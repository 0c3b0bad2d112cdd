"""The answer of one request as a dict that asks for it when it is first read.

Until then it holds a single private entry: code that looks at a dict without calling its methods
must not take it for an empty one (`json.dumps` prints ``{}`` for those without asking).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sentrial._core import Pending

_KEY = "\0sentrial-pending"

_Data = dict[str, Any]


class Receipt(_Data):
    """The server's answer to one call.

    Never read, it costs nothing. Reading it waits at most ``wait_timeout`` seconds, and not at all
    while the server is down; it then reads as ``{}`` and asks again the next time. It can be
    awaited. Its ``repr`` never waits.
    """

    def _settle(self) -> bool:
        """Fill in the answer; True if nothing more will come."""
        pending: Pending | None = dict.pop(self, _KEY, None) or self.__dict__.get("_pending")
        if pending is None:
            return True
        late = "_pending" in self.__dict__
        self.__dict__["_pending"] = pending
        data = pending.poll() if late else pending.wait()
        if data is None:
            return False
        self._fill(data)
        return True

    def _fill(self, data: _Data) -> None:
        self.__dict__.pop("_pending", None)
        dict.clear(self)
        dict.update(self, data)

    def __await__(self) -> Generator[Any, None, Receipt]:
        """Wait without blocking the event loop."""
        return self._wait().__await__()

    async def _wait(self) -> Receipt:
        import asyncio

        pending: Pending | None = dict.get(self, _KEY) or self.__dict__.get("_pending")
        if pending is None:
            return self
        left, pause = pending.wait_timeout, 0.001
        while pending.poll() is None and left > 0 and not pending.stalled:
            await asyncio.sleep(pause)
            left, pause = left - pause, min(pause * 1.5, 0.02)
        data = pending.poll()
        if data is not None:
            self._fill(data)
        return self

    def __repr__(self) -> str:
        if dict.__contains__(self, _KEY) or "_pending" in self.__dict__:
            return "<Receipt: not read yet>"
        return dict.__repr__(self)

    def __reduce__(self) -> tuple[type[_Data], tuple[_Data]]:
        """Copies and pickles are plain dicts."""
        self._settle()
        return dict, (dict(self.items()),)

    def __reduce_ex__(self, _: object) -> tuple[type[_Data], tuple[_Data]]:
        """See `__reduce__`; the other protocols would copy the unread entry."""
        return self.__reduce__()

    def copy(self) -> _Data:
        """Return a plain dict."""
        return dict(self.items())

    __copy__ = copy

    def __ror__(self, other: Any) -> Any:
        """See `dict.__ror__`; the left side may be a plain dict that would not ask."""
        if not isinstance(other, dict):
            return NotImplemented
        self._settle()
        return {**other, **self}


def _reading(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def read(self: Receipt, *args: Any, **kwargs: Any) -> Any:
        self._settle()
        return method(self, *args, **kwargs)

    read.__name__ = name
    read.__qualname__ = f"Receipt.{name}"
    read.__doc__ = method.__doc__
    return read


# Everything else that reads or changes a dict asks first.
for _name in (
    "__contains__",
    "__delitem__",
    "__eq__",
    "__ge__",
    "__getitem__",
    "__gt__",
    "__ior__",
    "__iter__",
    "__le__",
    "__len__",
    "__lt__",
    "__ne__",
    "__or__",
    "__reversed__",
    "__setitem__",
    "clear",
    "get",
    "items",
    "keys",
    "pop",
    "popitem",
    "setdefault",
    "update",
    "values",
):
    setattr(Receipt, _name, _reading(_name))
