"""Connect as the owner of the database, who may change its tables, and past a pooler.

Without `GATEHOUSE_MIGRATION_DATABASE_URL` the role of `DATABASE_URL` is the owner.
"""

import sqlalchemy as sa

import config
from gatehouse.database.session import db
from gatehouse.database.session_parameters import build_connection_arguments

OWNER_SETTING = "GATEHOUSE_MIGRATION_DATABASE_URL"


def get_owner_url() -> str:
    """Return the URL of the database for its owner."""
    return config.settings().migration_database_url or config.settings().database_url


def get_owner_setting() -> str:
    """Return the name of the variable that this URL comes from."""
    if config.settings().migration_database_url:
        return config.database_setting(OWNER_SETTING, f"{OWNER_SETTING}_FILE")
    return config.database_setting()


def create_owner_engine() -> sa.Engine:
    """Return an engine that connects as the owner, for a single use."""
    if not config.settings().migration_database_url:
        return db.engine
    arguments = build_connection_arguments("none")
    return sa.create_engine(get_owner_url(), poolclass=sa.NullPool, connect_args=arguments)
