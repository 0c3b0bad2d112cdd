"""The utility by which integrations wrap methods of other packages."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any
from unittest.mock import Mock

import pytest
from sentrial._patching import Undo, is_patched, patch


class Thing:
    """Something with a method."""

    def work(self, value: int) -> int:
        """Add one."""
        return value + 1


def doubling(original: Any) -> Any:
    return lambda *args, **kwargs: 2 * original(*args, **kwargs)


def test_an_instance_is_wrapped_alone() -> None:
    thing, other = Thing(), Thing()
    assert patch(thing, "work", doubling)
    assert (thing.work(1), other.work(1)) == (4, 2)


def test_a_class_is_wrapped_for_all_instances() -> None:
    class Own(Thing):
        pass

    thing = Own()
    undo = patch(Own, "work", doubling)
    assert undo
    assert (thing.work(1), Thing().work(1)) == (4, 2)
    undo()
    assert thing.work(1) == 2
    assert "work" not in vars(Own)


def test_twice_is_once() -> None:
    class Own(Thing):
        pass

    thing = Own()
    assert patch(Own, "work", doubling)
    assert patch(Own, "work", doubling) is None
    assert patch(thing, "work", doubling) is None, "its class is wrapped"
    assert thing.work(1) == 4


def test_undo_restores_what_was_there() -> None:
    thing = Thing()
    mine = functools.partial(thing.work, 5)
    thing.work = mine  # type: ignore[method-assign]
    undo = patch(thing, "work", doubling)
    assert undo
    assert thing.work() == 12  # type: ignore[call-arg]
    undo()
    undo()
    assert vars(thing) == {"work": mine}


def test_undo_leaves_what_others_put_on_top() -> None:
    thing = Thing()
    undo = patch(thing, "work", doubling)
    assert undo
    ours = thing.work
    thing.work = lambda value: ours(value) + 100  # type: ignore[method-assign]
    undo()
    assert thing.work(1) == 104


def test_handles_are_joined_and_do_what_comes_after() -> None:
    first, second = Thing(), Thing()
    done: list[int] = []
    undo = Undo()
    assert not undo
    undo.join(None)
    for number, thing in enumerate((first, second)):
        one = patch(thing, "work", doubling)
        assert one
        one.then(functools.partial(done.append, number))
        undo.join(one)
        assert not one
    undo()
    assert (first.work(1), second.work(1)) == (2, 2)
    assert done == [0, 1]


def test_the_wrapper_looks_like_the_original() -> None:
    thing = Thing()
    patch(thing, "work", doubling)
    assert thing.work.__name__ == "work"
    assert thing.work.__doc__ == "Add one."
    assert is_patched(thing.work)
    assert not is_patched(Thing().work)


def test_frozen_and_pydantic_objects() -> None:
    import pydantic

    @dataclass(frozen=True)
    class Frozen:
        def work(self, value: int) -> int:
            return value + 1

    class Model(pydantic.BaseModel):
        def work(self, value: int) -> int:
            return value + 1

    for thing in (Frozen(), Model()):
        undo = patch(thing, "work", doubling)
        assert undo
        assert thing.work(1) == 4
        undo()
        assert vars(thing) == {}


class Slotted:
    """Takes no attributes."""

    __slots__ = ()

    def work(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(("owner", "name"), [(Slotted(), "work"), (object(), "work"), ("", "join")])
def test_what_cannot_be_wrapped(owner: Any, name: str) -> None:
    assert patch(owner, name, doubling) is None


def test_a_mock_stays_a_mock() -> None:
    owner = Mock()
    owner.work.return_value = 4
    undo = patch(owner, "work", doubling)
    assert undo
    assert owner.work(1) == 8
    owner.work.assert_called_once_with(1)
    owner.work.return_value = 5
    assert owner.work(1) == 10
    assert isinstance(owner.work, Mock)
    undo()
    assert owner.work(1) == 5
