"""Where the methods are that get wrapped."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from sentrial._patching import Undo, patch
from sentrial.wrappers._values import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Deferred", "Target", "install", "resource"]

#: Made once from the methods below them, and kept by the resource.
_KEPT = ("with_raw_response", "with_streaming_response")


class Target(NamedTuple):
    """One method to be wrapped.

    Attributes:
        owner: The instance or class that has it.
        name: Its name.
        wrap: Makes the wrapper from what is there.
    """

    owner: Any
    name: str
    wrap: Callable[[Callable[..., Any]], Callable[..., Any]]


class Deferred(NamedTuple):
    """A resource that is dear to load: its methods are wrapped when the program first uses it.

    Attributes:
        owner: The client.
        name: The attribute it loads the resource at.
        targets: Finds the methods below the client, once the resource is loaded.
        property: The property that loads it, where `name` holds None until then.
    """

    owner: Any
    name: str
    targets: Callable[[], Iterable[Target]]
    property: str | None = None

    def clear(self) -> None:
        """Make the client as it was: nothing is loaded."""
        if self.property is None:
            del vars(self.owner)[self.name]
        else:
            vars(self.owner)[self.name] = None

    def loaded(self) -> Any:
        """Load the resource."""
        return getattr(self.owner, self.property or self.name)


class _Resource:
    """Stands at the client for a resource that is not loaded yet."""

    def __init__(self, deferred: Deferred, undo: Undo) -> None:
        self._sentrial_load = functools.partial(_load, deferred, undo, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sentrial_load(), name)


def _load(deferred: Deferred, undo: Undo, stand: _Resource) -> Any:
    if vars(deferred.owner).get(deferred.name) is stand:
        deferred.clear()
        if undo:
            undo.join(install(deferred.targets()))
    return deferred.loaded()


def _defer(deferred: Deferred, undo: Undo) -> None:
    kept, name = vars(deferred.owner), deferred.name
    if kept.get(name) is None:
        stand = _Resource(deferred, undo)
        kept[name] = stand
        undo.then(lambda: deferred.clear() if kept.get(name) is stand else None)


def resource(client: Any, path: str) -> Any:
    """Follow a dotted path of attributes; None if it does not lead anywhere."""
    for name in path.split("."):
        client = read(client, name)
        if client is None:
            return None
    return client


def install(targets: Iterable[Target | Deferred]) -> Undo:
    """Wrap all targets that exist and are not wrapped yet."""
    undo = Undo()
    for target in targets:
        if isinstance(target, Deferred):
            if undo:
                _defer(target, undo)
            continue
        done = patch(target.owner, target.name, target.wrap)
        if done is not None and not isinstance(target.owner, type):
            _forget(target.owner)
            done.then(functools.partial(_forget, target.owner))
        undo.join(done)
    return undo


def _forget(owner: Any) -> None:
    """Let a resource make its raw variants anew, from the method as it is now."""
    try:
        kept = vars(owner)
    except TypeError:
        return
    for name in _KEPT:
        kept.pop(name, None)
