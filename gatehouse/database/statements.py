"""The statements of the hottest routes, without the object mapper and in few round trips."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Column, Insert, bindparam

from gatehouse.database.direct_sql import execute
from gatehouse.database.session import Base, db, reader


def read_all(statement: Any, **values: Any) -> Sequence[Any]:
    """Return the rows of a statement that stands alone, outside the request's transaction."""
    with reader() as connection:
        return execute(connection, statement, values)


def read_one(statement: Any, **values: Any) -> Any:
    """Return the one row of a statement that stands alone, or None."""
    found = read_all(statement, **values)
    return found[0] if found else None


def run(statement: Any, **values: Any) -> Sequence[Any]:
    """Execute a statement in the current transaction, and return its rows, if any."""
    session = db.session()
    session.flush()  # what is pending comes before it
    return execute(session.connection(), statement, values)


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
        return execute(connection, _together(*inserts), named)[0][0]
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
