"""Runs migrations, one replica at a time: an advisory lock on PostgreSQL, SQLite's write lock."""

from alembic import context
from flask import current_app
from sqlalchemy import Connection, text

import models  # noqa: F401 - fills the metadata
from gatehouse.database.session import Base, db

LOCK = 0x6761_7465  # "gate"


def run(connection: Connection) -> None:
    """Migrate in one transaction; foreign keys rest while SQLite copies tables."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_on_sqlite() -> None:
    """BEGIN IMMEDIATE makes the others wait; they then find nothing left to do."""
    with db.engine.connect().execution_options(writing=True) as connection:
        raw = connection.connection.dbapi_connection
        raw.execute("PRAGMA busy_timeout=60000")
        raw.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                run(connection)
        finally:
            raw.execute("PRAGMA foreign_keys=ON")
            raw.execute("PRAGMA busy_timeout=5000")


def run_on_postgresql() -> None:
    """Hold the lock until the transaction ends, however long the others wait."""
    with db.engine.connect() as connection, connection.begin():
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        run(connection)


if current_app.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite"):
    run_on_sqlite()
else:
    run_on_postgresql()
