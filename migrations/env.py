"""Runs migrations, one replica at a time: an advisory lock on PostgreSQL, SQLite's write lock."""

import click
from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

import models  # noqa: F401 - fills the metadata
from gatehouse.database.error_description import describe_error, safe_url
from gatehouse.database.owner_connection import (
    create_owner_engine,
    get_owner_setting,
    get_owner_url,
)
from gatehouse.database.schema_version import is_newer_and_compatible
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
        current = context.get_context().get_current_revision()
        if is_newer_and_compatible(current):
            click.echo(f"A newer version has migrated to {current}: nothing to do here.", err=True)
            return
        require_known_revision(connection, current)
        context.run_migrations()


def require_known_revision(connection: Connection, current: str | None) -> None:
    """Stop if a newer version has migrated the database, or something else owns it."""
    try:
        context.script.get_revision(current)
    except CommandError:
        raise click.ClickException(
            f"The database at {safe_url(str(connection.engine.url))} has the tables of another"
            f" version: its revision is {current}, and this version knows revisions up to"
            f" {context.script.get_current_head()}. Start that version, or restore the backup from"
            " before its migration."
        ) from None


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
    with create_owner_engine().connect() as connection, connection.begin():
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        run(connection)


URL = get_owner_url()
try:
    run_on_sqlite() if URL.startswith("sqlite") else run_on_postgresql()
except SQLAlchemyError as problem:
    raise click.ClickException(describe_error(URL, get_owner_setting(), problem)) from None
