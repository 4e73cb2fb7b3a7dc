"""Record the SQL statements that SQLAlchemy sends to the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa
from flask import Flask

from gatehouse.database.session import db
from gatehouse.tokens import sync


@contextmanager
def record_statements(app: Flask) -> Iterator[list[tuple[str, Any]]]:
    """Yield a list that receives the statements and their values, without commits.

    The periodic token sync (every 0.4 s) is done before, so that it never falls into the block.
    """
    recorded: list[tuple[str, Any]] = []

    def on_execute(_conn: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        recorded.append((statement, values))

    with app.app_context():
        engines = list(db.engines.values())
        tokens = sync.current_state()
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", on_execute)
    try:
        with patch.object(tokens, "synced_in_background", new=True):
            yield recorded
    finally:
        for engine in engines:
            sa.event.remove(engine, "before_cursor_execute", on_execute)


def statements_of(app: Flask, function: Callable[[], object]) -> list[str]:
    """Call a function and return the statements that it sends, in order."""
    with record_statements(app) as recorded:
        function()
    return [statement for statement, _ in recorded]
