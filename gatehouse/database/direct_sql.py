"""Statements that PostgreSQL's driver executes itself, on a connection that SQLAlchemy keeps.

SQLAlchemy composes each statement and knows its types; the way from there to the driver and back
takes it four times as long as all the rest, and the hottest routes would go it a dozen times.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, TextClause
from sqlalchemy.exc import DBAPIError

Values = Mapping[str, Any]


def execute(connection: Connection, statement: Any, values: Values) -> Sequence[Any]:
    """Execute a statement in the connection's transaction, if any, and return its rows, if any.

    A statement is a constant, for its plan is kept, and gets all its values; a list is one of an
    expanding parameter. Rows have the types of the driver, and names unless it is a text.

    Raises:
        SQLAlchemyError: what SQLAlchemy would raise; but a value that cannot be converted raises
            its own error on PostgreSQL, where SQLAlchemy would wrap it.
    """
    if connection.dialect.name != "postgresql":
        found = connection.execute(statement, values)
        return found.all() if found.returns_rows else ()
    sizes = tuple((name, len(of)) for name, of in values.items() if isinstance(of, list))
    plan = _plan(statement, connection.dialect, sizes)
    driver: Any = connection.connection.driver_connection
    dbapi: Any = connection.dialect.loaded_dbapi
    try:
        cursor = driver.execute(plan.sql, plan.filled(values))
        rows = () if cursor.rownumber is None else cursor.fetchall()
    except dbapi.Error as problem:
        if driver.closed:  # SQLAlchemy meets it once more, gives it up, and tells
            connection.execute(statement, values)
        raise DBAPIError.instance(
            plan.sql, None, problem, dbapi.Error, hide_parameters=True
        ) from problem
    return [plan.named(row) for row in rows]


@dataclass(frozen=True)
class _Plan:
    """A statement as the driver executes it."""

    sql: str
    own: dict[str, Any]
    """The values that are its own."""
    lists: dict[str, list[str]]
    """What the places of each list are called."""
    converted: dict[str, Callable[[Any], Any]]
    """How values become what the driver knows, where they have to."""
    named: Callable[[Sequence[Any]], Any]
    """Gives names to a row."""

    def filled(self, values: Values) -> dict[str, Any]:
        """Return all values, each under the name of its place."""
        filled = {**self.own, **values}
        for name, convert in self.converted.items():
            filled[name] = convert(filled[name])
        for name, places in self.lists.items():
            filled.update(zip(places, values[name], strict=True))
        return filled


@cache
def _plan(statement: Any, dialect: Dialect, sizes: tuple[tuple[str, int], ...]) -> _Plan:
    compiled: Any = statement.compile(dialect=dialect)
    if compiled.insert_prefetch or compiled.update_prefetch:
        raise TypeError("a default that Python computes has to be among the values")
    lists = {name: [""] * size for name, size in sizes}
    expanded = compiled.construct_expanded_state(compiled.params | lists)
    places = {name: list(each) for name, each in expanded.parameter_expansion.items()}
    binds = {name: value for value, name in compiled.bind_names.items()}
    own = {name: value.effective_value for name, value in binds.items() if not value.required}
    converted = {}
    for name, value in binds.items():
        if convert := value.type.dialect_impl(dialect).bind_processor(dialect):
            converted[name] = _for_each(convert) if value.expanding else convert
    return _Plan(expanded.statement, own, places, converted, _names(statement))


def _for_each(convert: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [convert(value) for value in values]


def _names(statement: Any) -> Callable[[Sequence[Any]], Any]:
    if isinstance(statement, TextClause):
        return tuple
    row: Any = namedtuple("Row", statement.exported_columns.keys())  # type: ignore[misc]
    make: Callable[[Sequence[Any]], Any] = row._make
    return make
