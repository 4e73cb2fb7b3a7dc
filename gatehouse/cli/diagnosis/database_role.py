"""Checks of the role that serves: it has the rights and parameters it needs, and no others.

Each finding has the SQL that solves it, to be executed as the owner or a superuser.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

import config
from gatehouse.cli.diagnosis.check import Finding
from gatehouse.database.session import db
from gatehouse.database.session_parameters import find_missing_parameters

READ_ROLE = text("""
    SELECT quote_ident(rolname) AS name, rolsuper AS is_superuser,
        concat_ws(' ', CASE WHEN rolsuper THEN 'NOSUPERUSER' END,
            CASE WHEN rolcreaterole THEN 'NOCREATEROLE' END,
            CASE WHEN rolcreatedb THEN 'NOCREATEDB' END,
            CASE WHEN rolreplication THEN 'NOREPLICATION' END,
            CASE WHEN rolbypassrls THEN 'NOBYPASSRLS' END) AS excess,
        has_schema_privilege(current_schema(), 'CREATE') AS can_create,
        EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema()
            AND pg_has_role(tableowner, 'MEMBER')) AS owns_tables
    FROM pg_roles WHERE rolname = current_user
""")
FIND_UNUSABLE = text("""
    SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND CASE
        WHEN relkind = 'S' THEN NOT has_sequence_privilege(oid, 'USAGE')
        WHEN relkind = 'r' THEN NOT (has_table_privilege(oid, 'SELECT')
            AND has_table_privilege(oid, 'INSERT') AND has_table_privilege(oid, 'UPDATE')
            AND has_table_privilege(oid, 'DELETE')) END
    ORDER BY relname
""")
GRANTS = (
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
    " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {role};",
)
"""For the tables that exist, and for those that later versions create."""


def find_missing_time_limits() -> Iterator[Finding]:
    """Look for parameters of sessions that a pooler has not passed on."""
    if db.engine.dialect.name == "sqlite":
        return
    if missing := " ".join(find_missing_parameters(db.session.connection())):
        yield Finding(
            "Sessions of the database lack time limits, or use another time zone than UTC: a"
            f" pooler does not pass these parameters on. Run as a superuser: {missing} Then let"
            " the pooler connect anew (RECONNECT in the console of PgBouncer)."
        )


def find_wrong_rights() -> Iterator[Finding]:
    """Look for rights that the role lacks, and for those that serving does not need."""
    role = db.session.execute(READ_ROLE).one()
    if relations := ", ".join(db.session.execute(FIND_UNUSABLE).scalars()):
        yield Finding(
            f"The role {role.name} cannot use {relations}. Run as the owner:"
            f" {' '.join(GRANTS).format(role=role.name)}"
        )
    if config.settings().migration_database_url or not role.owns_tables:
        yield from _find_excessive_rights(role)
    elif role.is_superuser:
        yield Finding(
            "The database user is a superuser, who can read and change every database of the"
            " server: give Gatehouse a user of its own that owns its database only.",
            is_warning=True,
        )


def _find_excessive_rights(role: Any) -> Iterator[Finding]:
    """Look for rights of a role that serves but does not migrate."""
    if role.owns_tables:
        yield Finding(
            f"The role {role.name} of DATABASE_URL owns the tables, or is a member of their owner:"
            " serve as another role (docs/examples/postgresql/roles.sql)."
        )
    if role.excess:
        yield Finding(
            f"The role {role.name} may do more than serving needs. Run as a superuser: ALTER ROLE"
            f" {role.name} {role.excess};"
        )
    if role.can_create and not role.owns_tables:
        yield Finding(
            f"The role {role.name} may create tables. Run as the owner: REVOKE CREATE ON SCHEMA"
            f" public FROM {role.name}, PUBLIC;"
        )
