"""The answer of one request as a dict that asks for it when it is first read.

Until then it holds a single private entry: code that looks at a dict without calling its methods
must not take it for an empty one (`json.dumps` prints ``{}`` for those without asking).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from sentrial._core import Pending

    _Data = dict[str, Any]
else:
    _Data = dict

_KEY = "\0sentrial-pending"


class Receipt(_Data):
    """The server's answer to one call.

    Never read, it costs nothing. Reading it waits at most ``wait_timeout`` seconds, and not at all
    while the server is down; without an answer it reads as ``{}`` and looks again, without waiting,
    the next time. It can be awaited. Its ``repr`` never waits.
    """

    def _settled(self) -> bool:
        """Fill in the answer; True if it is there, or if there will be none."""
        pending: Pending | None = dict.get(self, _KEY)
        if pending is None:
            return True
        data = pending.poll() if "_waited" in self.__dict__ else pending.wait()
        if data is None:
            self.__dict__["_waited"] = True
            return False
        self._fill(data)
        return True

    def _fill(self, data: _Data) -> None:
        # The placeholder goes last: another thread that reads meanwhile asks for itself.
        dict.update(self, data)
        dict.pop(self, _KEY, None)

    def __await__(self) -> Generator[Any, None, Receipt]:
        """Wait without blocking the event loop."""
        return self._wait().__await__()

    async def _wait(self) -> Receipt:
        from sentrial import _loop

        pending: Pending | None = dict.get(self, _KEY)
        if pending is None:
            return self
        await _loop.settled(pending.waiting())
        data = pending.poll()
        if data is not None:
            self._fill(data)
        return self

    def __repr__(self) -> str:
        if dict.__contains__(self, _KEY):
            return "<Receipt: not read yet>"
        return dict.__repr__(self)

    def __reduce__(self) -> tuple[type[_Data], tuple[_Data]]:
        """Copies and pickles are plain dicts."""
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
        return {**other, **dict(self.items())}


def pending(receipt: _Data) -> Pending | None:
    """Return where the answer of an unread receipt will be; None for any other dict."""
    found: Pending | None = dict.get(receipt, _KEY) if isinstance(receipt, Receipt) else None
    return found


def _reading(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def read(self: Receipt, *args: Any, **kwargs: Any) -> Any:
        return method(self if self._settled() else {}, *args, **kwargs)

    return _named(read, name)


def _changing(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def change(self: Receipt, *args: Any, **kwargs: Any) -> Any:
        if not self._settled():
            # Whoever changes it has stopped waiting for the answer.
            self._fill({})
        return method(self, *args, **kwargs)

    return _named(change, name)


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    function.__name__ = name
    function.__qualname__ = f"Receipt.{name}"
    function.__doc__ = getattr(dict, name).__doc__
    return function


for _name in (
    "__contains__",
    "__eq__",
    "__ge__",
    "__getitem__",
    "__gt__",
    "__iter__",
    "__le__",
    "__len__",
    "__lt__",
    "__ne__",
    "__or__",
    "__reversed__",
    "get",
    "items",
    "keys",
    "values",
):
    setattr(Receipt, _name, _reading(_name))
for _name in (
    "__delitem__",
    "__ior__",
    "__setitem__",
    "clear",
    "pop",
    "popitem",
    "setdefault",
    "update",
):
    setattr(Receipt, _name, _changing(_name))
