"""The statements of the hottest routes, without the object mapper and in few round trips."""

from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Column, Dialect, Insert, Select, bindparam
from sqlalchemy.exc import OperationalError

from gatehouse.foundation.database import Base, db, reader


def read_all(statement: Any, **values: Any) -> Sequence[Any]:
    """Return the rows of a statement that stands alone; the hottest routes read so.

    On PostgreSQL the driver executes it: SQLAlchemy would take four times as long as all the rest.
    So every value is one that the driver knows, or a list of such for an expanding parameter.
    """
    with reader() as connection:
        if connection.dialect.name == "postgresql":
            sizes = tuple((name, len(of)) for name, of in values.items() if isinstance(of, list))
            plan = _plan(statement, connection.dialect, sizes)
            dbapi: Any = connection.dialect.loaded_dbapi
            try:
                driver: Any = connection.connection.driver_connection
                return [plan.named(row) for row in driver.execute(plan.sql, plan.filled(values))]
            except (dbapi.errors.QueryCanceled, dbapi.errors.LockNotAvailable) as late:
                raise OperationalError(plan.sql, None, late) from late
            except dbapi.Error:
                pass  # SQLAlchemy meets it once more, and tells
        return connection.execute(statement, values).all()


def read_one(statement: Any, **values: Any) -> Any:
    """Return the one row of a statement that stands alone, or None."""
    found = read_all(statement, **values)
    return found[0] if found else None


@dataclass(frozen=True)
class _Plan:
    """A statement as the driver executes it."""

    sql: str
    own: dict[str, Any]
    """The values that are its own."""
    lists: dict[str, list[str]]
    """What the places of each list are called."""
    named: Callable[[Sequence[Any]], Any]
    """Gives names to a row."""

    def filled(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return all values, each under the name of its place."""
        places = ((place, values[name]) for name, place in self.lists.items())
        spread = [pair for names, of in places for pair in zip(names, of, strict=True)]
        return self.own | values | dict(spread)


@cache
def _plan(
    statement: Select[*tuple[Any, ...]], dialect: Dialect, sizes: tuple[tuple[str, int], ...]
) -> _Plan:
    compiled: Any = statement.compile(dialect=dialect)
    lists = {name: [""] * size for name, size in sizes}
    expanded = compiled.construct_expanded_state(compiled.params | lists)
    names = list(statement.selected_columns.keys())
    row: Any = namedtuple("Row", names)  # type: ignore[misc]
    places = {name: list(each) for name, each in expanded.parameter_expansion.items()}
    return _Plan(expanded.statement, compiled.params, places, row._make)


def add_together(*rows: Base) -> Any:
    """Write complete rows in the current transaction, each table's parents first.

    On PostgreSQL that is one round trip. Unlike what `db.session.add` takes, the objects stay
    outside the session.

    Returns:
        The primary key of the last one, which the database may have chosen.
    """
    db.session.flush()  # what is pending comes before them
    connection = db.session.connection()
    inserts = _inserts(*(type(row) for row in rows))
    named = {
        _name(column): getattr(row, column.key) for row in rows for column in _given(row.__table__)
    }
    if connection.dialect.name == "postgresql":
        return connection.scalar(_together(*inserts), named)
    return [connection.execute(each, named) for each in inserts][-1].scalar()


@cache
def _inserts(*kinds: type[Base]) -> tuple[Insert, ...]:
    """Return a statement for each kind of row; the last one returns its key."""
    tables: list[Any] = [kind.__table__ for kind in kinds]
    *before, last = (
        table.insert().values({each: bindparam(_name(each)) for each in _given(table)})
        for table in tables
    )
    return (*before, last.returning(*tables[-1].primary_key))


@cache
def _together(*inserts: Insert) -> Insert:
    *before, last = inserts
    return last.add_cte(*(each.cte() for each in before))


@cache
def _given(table: Any) -> list[Column[Any]]:
    """Return the columns whose values the database does not choose."""
    return [column for column in table.columns if column is not table.autoincrement_column]


def _name(column: Column[Any]) -> str:
    return f"{column.table.name}_{column.name}"
