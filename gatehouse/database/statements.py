"""Single statements outside the request's transaction, and statements of the current one."""

from collections.abc import Sequence
from typing import Any, TypeVarTuple

from sqlalchemy import Row
from sqlalchemy.sql.selectable import TypedReturnsRows

from gatehouse.database.session import Base, autocommit_connection, db

Columns = TypeVarTuple("Columns")


def fetch_all(statement: TypedReturnsRows[*Columns], **values: object) -> Sequence[Row[*Columns]]:
    """Execute a single statement outside the request's transaction; return its rows."""
    with autocommit_connection() as connection:
        return connection.execute(statement, values).all()


def fetch_one(statement: TypedReturnsRows[*Columns], **values: object) -> Row[*Columns]:
    """Execute a single statement outside the request's transaction; return its only row."""
    with autocommit_connection() as connection:
        return connection.execute(statement, values).one()


def fetch_one_or_none(
    statement: TypedReturnsRows[*Columns], **values: object
) -> Row[*Columns] | None:
    """Like `fetch_one`, but return None if there is no row."""
    with autocommit_connection() as connection:
        return connection.execute(statement, values).one_or_none()


def execute_in_session(statement: Any, **values: object) -> Sequence[Any]:
    """Execute a query in the current transaction, and return its rows."""
    return db.session.execute(statement, values).all()


def insert_rows(*rows: Base) -> Any:
    """Insert complete rows in the current transaction; pass parent rows first.

    The objects are not added to the session.

    Returns:
        The primary key of the last row, which the database may have generated.
    """
    db.session.flush()  # pending changes come first
    return [_insert_row(row) for row in rows][-1]


def _insert_row(row: Any) -> Any:
    table = row.__table__
    stored = [column for column in table.columns if column is not table.autoincrement_column]
    values = {column.name: getattr(row, column.key) for column in stored}
    key: Any = db.session.connection().execute(table.insert(), values).inserted_primary_key
    return key[0]
