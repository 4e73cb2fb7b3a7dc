"""What an act sends to the database, whoever executes it there: SQLAlchemy or the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg
import sqlalchemy as sa
from flask import Flask

from gatehouse.foundation.database import db


@contextmanager
def noted(app: Flask) -> Iterator[list[str]]:
    """Lend a list of the statements that are sent meanwhile, commits left out."""
    sent: list[str] = []
    execute = psycopg.Connection.execute

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    def drive(connection: Any, statement: Any, *rest: Any) -> Any:  # SQLAlchemy is not asked
        sent.append(statement)
        return execute(connection, statement, *rest)

    with app.app_context():
        engines = list(db.engines.values())
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    try:
        with patch.object(psycopg.Connection, "execute", drive):
            yield sent
    finally:
        for engine in engines:
            sa.event.remove(engine, "before_cursor_execute", note)


def sent_by(app: Flask, act: Callable[[], object]) -> list[str]:
    """Return the statements that an act sends, in order."""
    with noted(app) as sent:
        act()
    return sent
