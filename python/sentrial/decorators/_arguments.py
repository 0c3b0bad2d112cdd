"""From the arguments of a call to the parameters of the function, by name."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from sentrial.decorators._snapshot import PLAIN, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

_EMPTY = inspect.Parameter.empty
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Arguments:
    """The parameters of one function; its signature is read with the first call that is recorded.

    `inspect.Signature.bind` takes about 4 µs, most of what recording a call may cost; functions
    without ``*args`` and ``**kwargs`` are bound here in a tenth of it.
    """

    __slots__ = ("_function", "_has_self", "_plan", "_signature")

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function
        self._signature: inspect.Signature | None = None
        self._has_self = False
        # (name, is positional, is keyword, default); None where only the signature can bind.
        self._plan: list[tuple[str, bool, bool, Any]] | None = None

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
        """Return the arguments with defaults, in order; None where the call cannot be bound."""
        if self._signature is None and not self._read():
            return None
        if self._plan is not None:
            return self._by_plan(self._plan, args, kwargs)
        try:
            bound = self._signature.bind(*args, **kwargs)  # type: ignore[union-attr]
        except TypeError:
            return None
        bound.apply_defaults()
        return bound.arguments

    def recorded(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return a plain copy of the arguments, as a tool call shows them."""
        bound = self.bind(args, kwargs)
        if self._has_self and args:
            # The text of an object may hold secrets, and is seldom of any use.
            args = (f"<{type(args[0]).__name__}>", *args[1:])
            if bound is not None:
                bound["self"] = args[0]
        if bound is None:
            return {"args": snapshot(args), "kwargs": snapshot(kwargs)}
        return {
            name: value if type(value) in PLAIN else snapshot(value)
            for name, value in bound.items()
        }

    def _read(self) -> bool:
        try:
            self._signature = inspect.signature(self._function)
        except Exception:  # noqa: BLE001  whatever an object that is called has for a signature
            return False
        parameters = list(self._signature.parameters.values())
        self._has_self = bool(parameters) and parameters[0].name == "self"
        if not any(parameter.kind in _VARIABLE for parameter in parameters):
            self._plan = [
                (
                    parameter.name,
                    parameter.kind is not inspect.Parameter.KEYWORD_ONLY,
                    parameter.kind is not inspect.Parameter.POSITIONAL_ONLY,
                    parameter.default,
                )
                for parameter in parameters
            ]
        return True

    @staticmethod
    def _by_plan(
        plan: list[tuple[str, bool, bool, Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, Any] | None:
        bound = {}
        count, named = len(args), 0
        for nth, (name, is_positional, is_keyword, default) in enumerate(plan):
            if nth < count:
                if not is_positional or (is_keyword and name in kwargs):
                    return None
                bound[name] = args[nth]
            elif is_keyword and name in kwargs:
                bound[name] = kwargs[name]
                named += 1
            elif default is _EMPTY:
                return None
            else:
                bound[name] = default
        return bound if count <= len(plan) and named == len(kwargs) else None
