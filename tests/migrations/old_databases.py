"""Databases of old versions: `fixtures/<version>` as SQLite files, and copied to PostgreSQL."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import flask_migrate
import sqlalchemy as sa

from tests.conftest import environment, running
from tests.migrations.test_edited_0003 import NOT_YET_IN

FIXTURES = Path(__file__).parent / "fixtures"


@dataclass
class Fixture:
    """The database of a version, and what its users know."""

    version: str

    def __post_init__(self):
        about = json.loads((FIXTURES / self.version / "secrets.json").read_text())
        self.revision, self.keys, self.known = about["revision"], about["keys"], about["known"]
        self.moment = datetime.fromisoformat(about["moment"])

    def write_to(self, file):
        """Write the SQLite database as it was."""
        with closing(sqlite3.connect(file)) as database:
            database.executescript((FIXTURES / self.version / "database.sql").read_text())


def write_to_postgresql(fixture, url, file):
    """Give an empty PostgreSQL database the schema of the fixture and the rows of a SQLite file."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as database:
        database.exec_driver_sql("DROP SCHEMA public CASCADE")
        database.exec_driver_sql("CREATE SCHEMA public")
    with running(environment(url)) as app, app.app_context():
        flask_migrate.upgrade(revision=fixture.revision)
    tables = sa.MetaData()
    with engine.begin() as database, closing(sqlite3.connect(file)) as rows:
        for statement in (s for change in NOT_YET_IN.get(fixture.version, ()) for s in change):
            database.exec_driver_sql(statement)
        tables.reflect(database)
        for table in reversed(tables.sorted_tables):  # the migrations have made roles
            database.execute(table.delete())
        for table in tables.sorted_tables:
            if found := rows_of(rows, table):
                database.execute(table.insert(), found)
            advance_sequences(database, table)


def rows_of(file, table):
    """Return the rows of a table of SQLite with the types that PostgreSQL has for its columns."""
    found = file.execute(f"SELECT * FROM {table.name}")
    names = [name for name, *_ in found.description]
    assert set(names) == set(table.columns.keys()), table.name
    return [
        {
            name: typed(table.columns[name].type, value)
            for name, value in zip(names, row, strict=True)
        }
        for row in found
    ]


def typed(kind, value):
    """Return a value of SQLite as the type of a column of PostgreSQL wants it."""
    if value is None:
        return None
    if isinstance(kind, sa.Uuid):
        return UUID(value)
    if isinstance(kind, sa.DateTime):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    if isinstance(kind, sa.JSON):
        return json.loads(value)
    return bool(value) if isinstance(kind, sa.Boolean) else value


def advance_sequences(database, table):
    """Let numbers that the database gives go on after those of the rows."""
    for column in table.columns:
        name = sa.func.pg_get_serial_sequence(table.name, column.name)
        if sequence := database.scalar(sa.select(name)):
            last = database.scalar(sa.select(sa.func.max(column)))
            if last is not None:
                database.execute(sa.select(sa.func.setval(sequence, last)))
