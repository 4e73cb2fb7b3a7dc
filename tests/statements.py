"""What an act sends to the database, whoever executes it there: SQLAlchemy or the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg
import sqlalchemy as sa
from flask import Flask

from gatehouse.database.session import db
from gatehouse.tokens import sync


@contextmanager
def noted(app: Flask) -> Iterator[list[tuple[str, Any]]]:
    """Lend a list of the statements that are sent meanwhile, with their values; without commits.

    What a server's thread reads every 0.4 s is read before: no act meets it by chance.
    """
    sent: list[tuple[str, Any]] = []
    execute = psycopg.Connection.execute

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        sent.append((statement, values))

    def drive(connection: Any, statement: Any, values: Any = None, **options: Any) -> Any:
        sent.append((statement, values))  # SQLAlchemy is not asked
        return execute(connection, statement, values, **options)

    with app.app_context():
        engines = list(db.engines.values())
        tokens = sync.up_to_date()
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    try:
        with (
            patch.object(psycopg.Connection, "execute", drive),
            patch.object(tokens, "watched", new=True),
        ):
            yield sent
    finally:
        for engine in engines:
            sa.event.remove(engine, "before_cursor_execute", note)


def sent_by(app: Flask, act: Callable[[], object]) -> list[str]:
    """Return the statements that an act sends, in order."""
    with noted(app) as sent:
        act()
    return [statement for statement, _ in sent]
