"""What kind of function is decorated."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Wrap: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

F = TypeVar("F", bound="Callable[..., Any]")


class Wrappers(NamedTuple):
    """How each kind of function is wrapped in one of the same kind."""

    function: Wrap
    coroutine: Wrap
    generator: Wrap
    async_generator: Wrap

    def wrap(self, function: F) -> F:
        """Wrap a function.

        A `staticmethod` or `classmethod` stays one; what is inside is wrapped.
        """
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self.wrap(function.__func__))
        return cast("F", self._for(function)(function))

    def _for(self, function: Callable[..., Any]) -> Wrap:
        # An object that is called: what counts is its class.
        for candidate in (function, type(function).__call__):
            if inspect.iscoroutinefunction(candidate):
                return self.coroutine
            if inspect.isasyncgenfunction(candidate):
                return self.async_generator
            if inspect.isgeneratorfunction(candidate):
                return self.generator
        return self.function


def name_of(function: Any) -> str:
    """Return the name of a function, of what a `partial` calls, or of an object's class."""
    while not hasattr(function, "__name__") and hasattr(function, "func"):
        function = function.func
    name: str = getattr(function, "__name__", type(function).__name__)
    return name
