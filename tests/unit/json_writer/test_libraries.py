"""Objects of libraries, recognised by their traces without importing the libraries."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Any

import pytest

from tests.unit.json_writer.values import written


def test_pydantic_models() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Inner(pydantic.BaseModel):
        when: dt.date

    class Model(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        a: int
        inner: Inner
        secret: pydantic.SecretStr
        hidden: str = pydantic.Field("h", exclude=True)
        _private: int = 3

        @pydantic.computed_field
        def computed(self) -> int:
            raise AssertionError("user code was run")

    class Root(pydantic.RootModel[list[int]]):
        pass

    class Child(Model):
        b: int = 2

    inner = Inner(when=dt.date(2024, 1, 2))
    expected = {"a": 1, "inner": {"when": "2024-01-02"}, "secret": "**********", "more": [1]}
    fields = {"a": 1, "inner": inner, "secret": "s3cret", "more": [1]}
    assert written(Model(**fields)) == expected
    assert written(Child(**fields)) == {**expected, "b": 2}
    assert written(Root([1, 2])) == [1, 2]
    assert written(pydantic.create_model("Empty")()) == {}


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="pydantic.v1 stops at Python 3.13")
def test_pydantic_v1_models() -> None:
    v1 = pytest.importorskip("pydantic.v1")

    model = v1.create_model(
        "Model",
        a=(int, ...),
        secret=(v1.SecretStr, ...),
        hidden=(str, v1.Field("h", exclude=True)),
    )
    fields = {"a": 1, "secret": "s3cret"}
    assert written(model(**fields)) == {"a": 1, "secret": "**********"}


def test_pydantic_dataclasses() -> None:
    pydantic = pytest.importorskip("pydantic")

    @pydantic.dataclasses.dataclass
    class Model:
        a: int

    assert written(Model(1)) == {"a": 1}


def test_attrs_classes() -> None:
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Model:
        a: int
        b: Any = None

    assert written(Model(1, [2])) == {"a": 1, "b": [2]}


def test_numpy() -> None:
    np = pytest.importorskip("numpy")
    assert written([np.int64(3), np.float32(0.5), np.float64(1.5), np.bool_(True)]) == [
        3,
        0.5,
        1.5,
        True,
    ]
    assert written([np.str_("a"), np.float64("nan"), np.longdouble(2)]) == ["a", "NaN", "2.0"]
    assert written({np.int64(3): np.datetime64("2024-01-02")}) == {"3": "2024-01-02"}
    assert written(np.arange(4).reshape(2, 2)) == [[0, 1], [2, 3]]
    assert written(np.array(7)) == 7
    assert written(np.zeros((200, 100), dtype="float32")) == {
        "type": "ndarray",
        "shape": [200, 100],
        "dtype": "float32",
    }
    circular = np.empty(1, dtype=object)
    circular[0] = circular
    assert written(circular) == ["<circular>"]


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("DataFrame", "pandas.core.frame"),
        ("Series", "pandas"),
        ("DataFrame", "polars.dataframe.frame"),
    ],
)
def test_tables_are_told_by_shape(name: str, module: str) -> None:
    table = type(name, (), {"__module__": module, "shape": (3, 2)})
    assert written(table()) == {"type": name, "shape": [3, 2]}
