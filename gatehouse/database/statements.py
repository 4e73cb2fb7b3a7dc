"""Single statements outside the request's transaction."""

from collections.abc import Sequence
from typing import TypeVarTuple

from sqlalchemy import Row
from sqlalchemy.sql.selectable import TypedReturnsRows

from gatehouse.database.session import autocommit_connection

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
