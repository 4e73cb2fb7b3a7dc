"""Checks of the database: connection, migrations, and the rights of our user."""

from collections.abc import Iterator

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import text

from gatehouse.cli.diagnosis.check import Finding
from gatehouse.database.session import db, server_encoding, write_transaction
from gatehouse.web.rate_limit_storage import DatabaseCounters

KEY = "gatehouse:doctor"
SELECT_MISSING_RIGHTS = text(
    "SELECT tablename, privilege FROM pg_tables,"
    " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege"
    " WHERE schemaname = current_schema() AND tablename = ANY(:tables)"
    " AND NOT has_table_privilege(quote_ident(schemaname) || '.' || quote_ident(tablename),"
    " privilege) ORDER BY tablename, privilege"
)
SELECT_ROLE = text(
    "SELECT rolsuper, has_schema_privilege(current_schema(), 'CREATE') AS may_create"
    " FROM pg_roles WHERE rolname = current_user"
)


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
    script = ScriptDirectory.from_config(current_app.extensions["migrate"].migrate.get_config())
    current = MigrationContext.configure(db.session.connection()).get_current_revision()
    head = script.get_current_head()
    if current is None:
        yield Finding(
            "The database has no tables yet: run `flask db upgrade`, or start the server."
        )
    elif current not in {revision.revision for revision in script.walk_revisions()}:
        yield Finding(
            f"The tables are of a newer version of Gatehouse ({current}): install that version."
        )
    elif current != head:
        yield Finding(
            f"The tables are at {current}, but this version needs {head}: run `flask db upgrade`."
        )


def find_missing_rights() -> Iterator[Finding]:
    """Write a row, and ask PostgreSQL for the rights at every table."""
    with write_transaction():
        db.session.execute(DatabaseCounters.INCREMENT_COUNTER, _counter())
    db.session.rollback()
    if db.engine.dialect.name == "postgresql":
        yield from _find_missing_privileges()


def _counter() -> dict[str, object]:
    return {"key": KEY, "amount": 1, "now": 0.0, "expires_at": 0.0}


def _find_missing_privileges() -> Iterator[Finding]:
    for row in db.session.execute(SELECT_MISSING_RIGHTS, {"tables": list(db.metadata.tables)}):
        yield Finding(
            f"The database user may not {row.privilege} in the table {row.tablename}: GRANT it, or"
            " let the user own the tables."
        )
    role = db.session.execute(SELECT_ROLE).one()
    if role.rolsuper:
        yield Finding(
            "The database user is a superuser, who can read and change every database of the"
            " server: give Gatehouse a user of its own that owns its database only.",
            is_warning=True,
        )
    elif not role.may_create:
        yield Finding(
            "The database user may not create tables, so the next upgrade cannot migrate with it.",
            is_warning=True,
        )
