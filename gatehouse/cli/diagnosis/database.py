"""Checks of the database: connection, migrations, and the rights of our user."""

from collections.abc import Iterator

from sqlalchemy import text

from gatehouse.cli.diagnosis.check import Finding
from gatehouse.cli.diagnosis.database_role import find_wrong_rights
from gatehouse.database.schema_version import (
    is_newer_and_compatible,
    load_migrations,
    read_revision,
)
from gatehouse.database.session import db, server_encoding, write_transaction
from gatehouse.web.rate_limit_storage import DatabaseCounters

KEY = "gatehouse:doctor"


def find_connection_problems() -> Iterator[Finding]:
    """Connect, and check the encoding."""
    db.session.execute(text("SELECT 1"))
    if (found := server_encoding()) != "UTF8":
        yield Finding(
            f"The database stores text as {found}: create it again, with ENCODING 'UTF8' TEMPLATE"
            " template0."
        )


def find_migration_problems() -> Iterator[Finding]:
    """Compare the tables with those that this version needs."""
    script, current = load_migrations(), read_revision(db.session.connection())
    head = script.get_current_head()
    if current is None:
        yield Finding(
            "The database has no tables yet: run `gatehouse db upgrade`, or start the server."
        )
    elif is_newer_and_compatible(current):
        yield Finding(
            f"A newer version of Gatehouse has migrated the tables ({current}). This one can run"
            " beside it: finish the upgrade.",
            is_warning=True,
        )
    elif current not in {revision.revision for revision in script.walk_revisions()}:
        yield Finding(
            f"The tables are of a newer version of Gatehouse ({current}): install that version."
        )
    elif current != head:
        yield Finding(
            f"The tables are at {current}, but this version needs {head}:"
            " run `gatehouse db upgrade`."
        )


def find_missing_rights() -> Iterator[Finding]:
    """Write a row, and ask PostgreSQL for the rights of our role."""
    with write_transaction():
        db.session.execute(DatabaseCounters.INCREMENT_COUNTER, _counter())
    db.session.rollback()
    if db.engine.dialect.name == "postgresql":
        yield from find_wrong_rights()


def _counter() -> dict[str, object]:
    return {"key": KEY, "amount": 1, "now": 0.0, "expires_at": 0.0}
