"""Statements of the most frequent routes: without the ORM, in few round trips."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Column, Insert, bindparam

from gatehouse.database.direct_sql import execute_direct
from gatehouse.database.session import Base, autocommit_connection, db


def fetch_all(statement: Any, **values: Any) -> Sequence[Any]:
    """Execute a single statement outside the request's transaction; return its rows."""
    with autocommit_connection() as connection:
        return execute_direct(connection, statement, values)


def fetch_one(statement: Any, **values: Any) -> Any:
    """Execute a single statement outside the request's transaction; return its row, or None."""
    rows = fetch_all(statement, **values)
    return rows[0] if rows else None


def execute_in_session(statement: Any, **values: Any) -> Sequence[Any]:
    """Execute a statement in the current transaction, and return its rows, if any."""
    session = db.session()
    session.flush()  # pending changes come first
    return execute_direct(session.connection(), statement, values)


def insert_rows(*rows: Base) -> Any:
    """Insert complete rows in the current transaction; pass parent rows first.

    On PostgreSQL it takes one round trip. The objects are not added to the session.

    Returns:
        The primary key of the last row, which the database may have generated.
    """
    db.session.flush()  # pending changes come first
    connection = db.session.connection()
    inserts = _insert_statements(*(type(row) for row in rows))
    parameters = {
        _parameter_name(column): getattr(row, column.key)
        for row in rows
        for column in _insert_columns(row.__table__)
    }
    if connection.dialect.name == "postgresql":
        return execute_direct(connection, _combined_insert(*inserts), parameters)[0][0]
    return [connection.execute(each, parameters) for each in inserts][-1].scalar()


@cache
def _insert_statements(*models: type[Base]) -> tuple[Insert, ...]:
    """Return one INSERT per model; the last one returns its primary key."""
    tables: list[Any] = [model.__table__ for model in models]
    *before, last = (
        table.insert().values(
            {each: bindparam(_parameter_name(each)) for each in _insert_columns(table)}
        )
        for table in tables
    )
    return (*before, last.returning(*tables[-1].primary_key))


@cache
def _combined_insert(*inserts: Insert) -> Insert:
    *before, last = inserts
    return last.add_cte(*(each.cte() for each in before))


@cache
def _insert_columns(table: Any) -> list[Column[Any]]:
    """Return the columns that the database does not generate."""
    return [column for column in table.columns if column is not table.autoincrement_column]


def _parameter_name(column: Column[Any]) -> str:
    return f"{column.table.name}_{column.name}"
