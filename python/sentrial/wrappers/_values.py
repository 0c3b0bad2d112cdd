"""Reading providers' objects and dicts.

What is missing, of another type or raises counts as absent: an answer of an unknown shape is
recorded as far as it can be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sentrial._core import written

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Passing",
    "arguments_of",
    "fields_of",
    "is_text",
    "items_of",
    "kept",
    "read",
    "scalars",
    "written",
]

_PLAIN = (str, int, float)
_NO_FIELDS: dict[str, Any] = {}
#: Stands for an attribute that is not there.
_ABSENT: Any = object()
#: Names that a class of pydantic's does not have beside its fields: to look there is to raise.
_absent: set[tuple[type, str]] = set()


def read(value: object, name: str, default: Any = None) -> Any:
    """Return a member of a dict or an attribute of an object; `default` where there is none.

    Attributes that raise count as absent. Fields are read past `__getattr__`: for a name that is
    not there, pydantic takes microseconds.
    """
    if type(value) is dict:
        return value.get(name, default)
    fields = _attribute(value, "__dict__")
    if type(fields) is dict:
        if name in fields:
            return fields[name]
        extra = _attribute(value, "__pydantic_extra__") if fields else None
        if type(extra) is dict:
            if name in extra:
                return extra[name]
            if (type(value), name) in _absent:
                return default
    found = _attribute(value, name)
    if found is not _ABSENT:
        return found
    cls = type(value)
    if hasattr(cls, "__pydantic_fields__") and not hasattr(cls, name):
        _absent.add((cls, name))
    return default


def _attribute(value: object, name: str) -> Any:
    try:
        return getattr(value, name)
    except Exception:  # noqa: BLE001  a property of a foreign object
        return _ABSENT


class _Attributes:
    """The attributes of an object that keeps them elsewhere, asked for like the items of a dict."""

    def __init__(self, value: object) -> None:
        self._value = value

    def get(self, name: str) -> Any:
        return read(self._value, name)


def fields_of(value: Any) -> Any:
    """Return something whose `get(name)` gives members of a dict or attributes of an object.

    For several fields of one model of pydantic's this is several times faster than `read`; it does
    not see their properties. None has no fields.
    """
    if type(value) is dict:
        return value
    if value is None:
        return _NO_FIELDS
    extra = _attribute(value, "__pydantic_extra__")
    if extra is None or type(extra) is dict:
        fields = _attribute(value, "__dict__")
        if type(fields) is dict:
            return {**fields, **extra} if extra else fields
    return _Attributes(value)


def is_text(value: object) -> bool:
    """Tell whether a value is text. Its type is asked: a proxy may answer for something else."""
    return issubclass(type(value), str)


def items_of(value: Any) -> Any:
    """Return a list or a tuple; an empty one in the place of anything else."""
    # The type itself is asked: `isinstance` asks the object, which may be a proxy.
    return value if issubclass(type(value), (list, tuple)) else ()


def scalars(given: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return those of the named parameters that were given as plain values."""
    return {
        name: value
        for name, value in given.items()
        if name in names and (isinstance(value, _PLAIN) or _is_list_of_str(value))
    }


def _is_list_of_str(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)


def arguments_of(text: object) -> Any:
    """Return a tool call's arguments as an object, if the model wrote valid JSON; else as text."""
    if not issubclass(type(text), str):
        return text
    import json

    try:
        return json.loads(cast("str", text))
    except (ValueError, RecursionError):
        return text


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
