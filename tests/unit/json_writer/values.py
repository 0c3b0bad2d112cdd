"""What several of the files here write, and how they read it back."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, ClassVar

from sentrial import _core

# Markers and closing brackets of up to 64 levels.
SLACK = 4096


def reject(literal: str) -> None:
    raise AssertionError(f"not JSON: {literal}")


def written(value: object, **options: Any) -> Any:
    return json.loads(_core.to_json(value, **options), parse_constant=reject)


@dataclasses.dataclass
class Plain:
    """A dataclass with what is not a field of an instance: a class variable, an argument."""

    a: int
    b: Any = None
    shared: ClassVar[int] = 5
    init: dataclasses.InitVar[int] = 3


class Described:
    """An object of which the text is known."""

    def __str__(self) -> str:
        return "described"


class EndlessItems(dict):  # type: ignore[type-arg]
    """A mapping that never comes to its end."""

    def items(self) -> Any:
        """Yield for ever."""
        while True:
            yield ("k", "v")
