"""Whether this version can run on the tables of the database, which a newer one may have migrated.

The first two digits of a revision are its generation. Within a generation migrations only add what
older code need not know (`tests/migrations/test_additive.py`), so old and new versions run side by
side, and an old one can be started again after an upgrade.
"""

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import Connection

GENERATION_DIGITS = 2


def read_revision(connection: Connection) -> str | None:
    """Return the revision of the database; None if it has no tables of ours."""
    return MigrationContext.configure(connection).get_current_revision()


def load_migrations() -> ScriptDirectory:
    """Return the migrations that this version knows."""
    return ScriptDirectory.from_config(current_app.extensions["migrate"].migrate.get_config())


def is_newer_and_compatible(revision: str | None) -> bool:
    """Return whether a newer version has migrated, and only added to what this one needs."""
    head = load_migrations().get_current_head() or ""
    generation = head[:GENERATION_DIGITS]
    return bool(revision and revision > head and revision[:GENERATION_DIGITS] == generation)


def is_usable(revision: str | None) -> bool:
    """Return whether this version can run on the tables of a revision."""
    return revision == load_migrations().get_current_head() or is_newer_and_compatible(revision)
