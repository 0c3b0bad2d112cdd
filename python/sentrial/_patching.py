"""Wrapping public methods of other packages, on an instance or on a class, and taking it back.

A wrapped method carries a mark, so that wrapping twice is wrapping once: also where the class was
wrapped first and one of its instances later.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    #: An owner, a name, what was put there, and what the owner itself had there.
    _Place: TypeAlias = tuple[object, str, object, object]

__all__ = ["Undo", "is_patched", "mark", "patch", "unwrapped"]

_ORIGINAL = "__sentrial_original__"
_MISSING = object()


def is_patched(function: object) -> bool:
    """Tell whether this is a function or bound method that the SDK put in place."""
    # Asked of the function's own dict: mocks answer any getattr.
    function = getattr(function, "__func__", function)
    try:
        return _ORIGINAL in vars(function)
    except TypeError:
        return False


def unwrapped(function: Any) -> Any:
    """Return what the SDK has wrapped; anything else as it is."""
    return vars(function)[_ORIGINAL] if is_patched(function) else function


def mark(wrapper: Callable[..., Any], original: object) -> None:
    """Make a wrapper look like what it wraps, and carry the mark.

    Args:
        wrapper: A function made for this one place.
        original: What it calls; its name, docstring, signature and annotations are shown.
    """
    import functools

    # vars(original) may hold anything (mocks), or nothing; it is not copied.
    functools.update_wrapper(wrapper, original, updated=())  # type: ignore[arg-type]
    setattr(wrapper, _ORIGINAL, original)


def patch(
    owner: object, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Undo | None:
    """Put a wrapper in the place of a method.

    Args:
        owner: An instance, of which only this one changes, or a class.
        name: The name of the method.
        wrap: Makes the wrapper, a plain function, from what is there now: the bound method of an
            instance, the plain function of a class (whose wrapper gets `self`).

    Returns:
        What takes it back. None if there is no such method, it is wrapped already, or the owner
        lets nothing be put in its place (slots, classes written in C).
    """
    on_class = isinstance(owner, type)
    present = _own(owner, name)
    inherited = getattr(owner, name, None)
    original = inherited if present is _MISSING or not on_class else present
    if not callable(original) or is_patched(original):
        return None
    wrapper = wrap(original)
    if not on_class and not hasattr(original, "__code__") and not hasattr(original, "__func__"):
        # A mock, or another object that is called: it is still asked for its attributes.
        wrapper = _Stand(wrapper, original)
    else:
        mark(wrapper, original)
    try:
        _put(owner, name, wrapper)
    except (AttributeError, TypeError, ValueError):
        return None
    undo = Undo()
    undo.add(owner, name, wrapper, present)
    return undo


class _Stand:
    """Called in the place of an object, and otherwise that object."""

    def __init__(self, wrapper: Callable[..., Any], original: Any) -> None:
        vars(self).update({_ORIGINAL: original, "_wrapper": wrapper})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return vars(self)["_wrapper"](*args, **kwargs)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(vars(self)[_ORIGINAL])

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)[_ORIGINAL], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)[_ORIGINAL], name, value)


class Undo:
    """Takes wrapped methods back. Calling it twice does nothing more.

    A method that somebody else has wrapped again since stays as it is: taking ours from below would
    also take theirs.
    """

    __slots__ = ("_afterwards", "_patches")

    def __init__(self) -> None:
        self._patches: list[_Place] = []
        self._afterwards: list[Callable[[], object]] = []

    def add(self, owner: object, name: str, wrapper: object, present: object) -> None:
        """Remember one place: what was put there, and what the owner itself had there."""
        self._patches.append((owner, name, wrapper, present))

    def then(self, work: Callable[[], object]) -> None:
        """Do something after the methods have been taken back."""
        self._afterwards.append(work)

    def join(self, other: Undo | None) -> None:
        """Take over what another handle would take back; None adds nothing."""
        if other is not None:
            patches, afterwards = other._given_away()  # noqa: SLF001  one of its own kind
            self._patches += patches
            self._afterwards += afterwards

    def _given_away(self) -> tuple[list[_Place], list[Callable[[], object]]]:
        given = self._patches, self._afterwards
        self._patches, self._afterwards = [], []
        return given

    def __bool__(self) -> bool:
        """Tell whether there is anything to take back."""
        return bool(self._patches)

    def __call__(self) -> None:
        patches, self._patches = self._patches, []
        for owner, name, wrapper, present in reversed(patches):
            if _own(owner, name) is not wrapper:
                continue
            if present is _MISSING:
                _take(owner, name)
            else:
                _put(owner, name, present)
        afterwards, self._afterwards = self._afterwards, []
        for work in afterwards:
            work()


def _own(owner: object, name: str) -> object:
    """What the owner itself has under a name: neither inherited nor computed."""
    try:
        return vars(owner).get(name, _MISSING)
    except TypeError:
        return _MISSING


def _put(owner: object, name: str, value: object) -> None:
    if isinstance(owner, type):
        setattr(owner, name, value)
        return
    try:
        # Past the __setattr__ of pydantic models and frozen dataclasses, which refuse new names.
        object.__setattr__(owner, name, value)
    except (AttributeError, TypeError):
        setattr(owner, name, value)


def _take(owner: object, name: str) -> None:
    if isinstance(owner, type):
        delattr(owner, name)
    else:
        vars(owner).pop(name, None)
