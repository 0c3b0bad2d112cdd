"""Objects as strangers make them: what a provider's answer may come as, friendly or not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SHAPES", "shaped"]


class _Open(BaseModel):
    """Takes whatever it is given, as the models of the clients do."""

    model_config = ConfigDict(extra="allow")

    content: Any = "of the class"

    @property
    def refusal(self) -> str:
        return "a property that is no field"


class _Closed(BaseModel):
    """Keeps its own fields only."""

    id: Any = None
    content: Any = None
    tool_calls: Any = None
    prompt_tokens: Any = None
    choices: Any = None


def _slotted(members: dict[str, Any]) -> object:
    made = type("Slotted", (), {"__slots__": tuple(members)})()
    for name, value in members.items():
        setattr(made, name, value)
    return made


def _raising(error: type[Exception]) -> Callable[[dict[str, Any]], object]:
    """Every other attribute is a property that raises."""

    def fail(_self: object) -> object:
        raise error

    def make(members: dict[str, Any]) -> object:
        names = sorted(members)
        cls = type("Raising", (), {name: property(fail) for name in names[::2]})
        made = cls()
        made.__dict__.update({name: members[name] for name in names[1::2]})
        return made

    return make


def _answering(answer: Callable[[str], object]) -> Callable[[dict[str, Any]], object]:
    """What is not there is asked of `__getattr__`."""

    def make(members: dict[str, Any]) -> object:
        cls = type("Answering", (), {"__getattr__": lambda _self, name: answer(name)})
        made = cls()
        made.__dict__.update(members)
        return made

    return make


def _fails(name: str) -> object:
    raise RuntimeError(name)


def _hidden(members: dict[str, Any]) -> object:
    """Whatever it is asked for, also for what every object has, raises."""

    def fail(_self: object, name: str) -> object:
        raise RuntimeError(name)

    made = type("Hidden", (), {"__getattribute__": fail})()
    for name, value in members.items():
        object.__setattr__(made, name, value)
    return made


class _Dict(dict[str, Any]):
    """A dict, but not exactly one: its members are no attributes."""


SHAPES: dict[str, Callable[[dict[str, Any]], object]] = {
    "dict": dict,
    "attributes": lambda members: SimpleNamespace(**members),
    "class attributes": lambda members: type("Constant", (), members)(),
    "slots": _slotted,
    "open model": lambda members: _Open.model_construct(None, **members),
    "closed model": lambda members: _Closed.model_construct(None, **members),
    "subclass of dict": _Dict,
    "properties raise": _raising(RuntimeError),
    "properties hide": _raising(AttributeError),
    "__getattr__ raises": _answering(_fails),
    "__getattr__ gives None": _answering(lambda _name: None),
    "__getattr__ gives text": _answering(lambda name: name),
    "everything raises": _hidden,
}


@st.composite
def shaped(draw: st.DrawFn, of: st.SearchStrategy[Any]) -> Any:
    """Give what `of` gives, with each dict in one of the shapes."""
    return _shape(draw, draw(of))


def _shape(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        members = {name: _shape(draw, item) for name, item in value.items()}
        return SHAPES[draw(st.sampled_from(sorted(SHAPES)))](members)
    if isinstance(value, (list, tuple)):
        return type(value)(_shape(draw, item) for item in value)
    return value
