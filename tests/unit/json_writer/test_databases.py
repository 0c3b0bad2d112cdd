"""Django and SQLAlchemy: recording runs no query, loads nothing and gives no warning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sentrial import _core

from tests.unit.json_writer.values import written

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def django_models() -> Any:
    django = pytest.importorskip("django")
    from django.conf import settings

    if not settings.configured:
        sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        apps = ["django.contrib.contenttypes", "django.contrib.auth"]
        settings.configure(DATABASES={"default": sqlite}, INSTALLED_APPS=apps, DEBUG=True)
        django.setup()
    from django.contrib.auth import models
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    models.User.objects.create(username="ada", email="ada@example.test")
    return models


@pytest.fixture
def queries(django_models: Any) -> Iterator[list[Any]]:
    from django.db import connection, reset_queries

    reset_queries()
    yield connection.queries_log
    connection.close_if_unusable_or_obsolete()


def test_querysets_are_named(django_models: Any, queries: Any) -> None:
    users = django_models.User.objects
    sets = [users.all(), users.filter(is_active=True), users.values_list("username"), users]
    assert written(sets[:3]) == ["<QuerySet of User>"] * 3
    for value in (*sets, {"rows": sets[0]}, (sets[0],), ValueError(sets[0]), {(sets[0], 1): 1}):
        _core.to_json(value)
        _core.described(value)
    assert not queries


def test_lazy_objects_of_django_are_not_resolved(queries: Any) -> None:
    from django.conf import LazySettings
    from django.utils.functional import SimpleLazyObject, lazystr
    from django.utils.translation import gettext_lazy

    resolved: list[int] = []
    lazy = SimpleLazyObject(lambda: resolved.append(1))
    assert written(lazy) == "<SimpleLazyObject>"
    assert written([LazySettings(), gettext_lazy("word"), lazystr("word")])
    _core.described(lazy)
    assert not resolved
    assert not queries


def test_a_row_of_django_is_told_by_what_is_loaded(django_models: Any, queries: Any) -> None:
    user = django_models.User.objects.only("username").get()
    permission = django_models.Permission.objects.first()
    queries.clear()
    assert written(user) == {"id": user.pk, "username": "ada"}
    # Its own text would load the content type.
    assert written(permission)["codename"] == permission.codename
    _core.described(permission)
    assert not queries


@pytest.fixture
def shop() -> Iterator[Any]:
    sa = pytest.importorskip("sqlalchemy", minversion="2")
    from sqlalchemy import orm

    class Base(orm.DeclarativeBase):
        pass

    class Order(Base):
        __tablename__ = "orders"
        id = orm.mapped_column(sa.Integer, primary_key=True)
        name = orm.mapped_column(sa.String)
        lines = orm.relationship("Line", back_populates="order")

        def __repr__(self) -> str:
            return f"Order({self.name}, {self.lines})"

    class Line(Base):
        __tablename__ = "lines"
        id = orm.mapped_column(sa.Integer, primary_key=True)
        order_id = orm.mapped_column(sa.ForeignKey("orders.id"))
        order = orm.relationship(Order, back_populates="lines")

    # Resolved by name when the mapper reads the annotations.
    namespace: dict[str, Any] = {"orm": orm, "Base": orm.DeclarativeBase}
    data: Any = type("Data", (orm.MappedAsDataclass, orm.DeclarativeBase), {})
    fields = {"id": orm.Mapped[int], "name": orm.Mapped[str]}
    columns = {"id": orm.mapped_column(primary_key=True), "name": orm.mapped_column()}
    note: Any = type("Note", (data,), {"__tablename__": "n", "__annotations__": fields, **columns})
    engine = sa.create_engine("sqlite://")
    for base in (Base, data):
        base.metadata.create_all(engine)
    statements: list[str] = []
    with orm.Session(engine) as session:
        session.add_all([Order(id=1, name="a", lines=[Line(id=1)]), note(id=1, name="n")])
        session.commit()
        sa.event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        namespace.update(session=session, Order=Order, Note=note, statements=statements, sa=sa)
        yield namespace
    engine.dispose()


def test_rows_of_sqlalchemy_are_told_by_what_is_loaded(shop: Any) -> None:
    order, note = shop["session"].get(shop["Order"], 1), shop["session"].get(shop["Note"], 1)
    shop["statements"].clear()
    assert written(order) == {"id": 1, "name": "a"}
    assert written(note) == {"id": 1, "name": "n"}
    assert not shop["statements"]
    assert len(order.lines) == 1
    shop["statements"].clear()
    assert written(order)["lines"] == [{"id": 1, "order_id": 1}]
    shop["session"].expire_all()
    for value in (order, note, [order], {order: 1}, RuntimeError(order), RuntimeError("x", note)):
        _core.to_json(value)
        _core.described(value)
    assert written([order, note]) == [{}, {}]
    assert not shop["statements"]


def test_queries_and_results_of_sqlalchemy_are_named(shop: Any) -> None:
    session, columns = shop["session"], (shop["Order"].id, shop["Order"].name)
    shop["statements"].clear()
    assert written(session.query(shop["Order"])) == "<Query>"
    assert not shop["statements"]
    result = session.execute(shop["sa"].select(*columns))
    assert written(result).endswith("Result>")
    row = result.one()
    assert written(row) == [1, "a"]
    assert written(row._mapping) == {"id": 1, "name": "a"}


def test_proxies_of_libraries_are_not_followed() -> None:
    local = pytest.importorskip("werkzeug.local")
    wrapt = pytest.importorskip("wrapt")
    resolved: list[int] = []

    def resolve() -> Any:
        resolved.append(1)
        return {}

    for proxy in (local.LocalProxy(resolve), wrapt.LazyObjectProxy(resolve)):
        assert written(proxy) == f"<{type(proxy).__name__}>"
        _core.described({"k": proxy})
    assert not resolved
