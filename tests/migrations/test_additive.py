"""Migrations of today's generation only add, so that old and new versions share one database.

Old code does not know what is new: it must be able to read, insert and update rows as before.
`gatehouse/database/schema_version.py` says what a generation is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import flask_migrate
import pytest
import sqlalchemy as sa

from gatehouse.database.schema_version import GENERATION_DIGITS, load_migrations
from gatehouse.database.session import db
from tests.conftest import environment, running

SIDE_BY_SIDE_SINCE = "0011"
"""The first version that accepts newer tables; earlier migrations needed all replicas stopped."""


@dataclass(frozen=True)
class Table:
    """What old code relies on in a table: its columns, and the rules for its rows."""

    columns: dict[str, tuple[str, bool, bool]]
    """Type, whether NULL is allowed, and whether there is a default, by name."""
    rules: frozenset[tuple[str, tuple[str, ...]]]
    """Kind and columns, or condition, of each constraint."""


def read_tables(inspector: sa.Inspector) -> dict[str, Table]:
    """Return all tables of a database."""
    return {name: read_table(inspector, name) for name in inspector.get_table_names()}


def read_table(inspector: sa.Inspector, name: str) -> Table:
    columns = {
        one["name"]: (str(one["type"]), one["nullable"], one["default"] is not None)
        for one in inspector.get_columns(name)
    }
    uniques = {("unique", tuple(one["column_names"])) for one in unique_keys(inspector, name)}
    checks = {("check", (one["sqltext"],)) for one in inspector.get_check_constraints(name)}
    foreign = inspector.get_foreign_keys(name)
    references = {("foreign key", tuple(one["constrained_columns"])) for one in foreign}
    return Table(columns, frozenset(uniques | checks | references))


def unique_keys(inspector: sa.Inspector, name: str) -> list[dict[str, list[str]]]:
    indexes = [index for index in inspector.get_indexes(name) if index["unique"]]
    return [*inspector.get_unique_constraints(name), *indexes]


def breaking_changes(before: dict[str, Table], after: dict[str, Table]) -> Iterator[str]:
    """Yield a sentence for each change that code of the version before cannot work with."""
    yield from (f"{name} is gone" for name in before.keys() - after.keys())
    for name in before.keys() & after.keys():
        yield from (f"{name}{change}" for change in changes_of(before[name], after[name]))


def changes_of(old: Table, new: Table) -> Iterator[str]:
    for column, shape in old.columns.items():
        kind, _, has_default = shape
        if new.columns.get(column) not in (shape, (kind, True, has_default)):
            yield f".{column} is gone or was changed"
    added = new.columns.keys() - old.columns.keys()
    for column in added:
        if new.columns[column][1:] == (False, False):
            yield f".{column} is required, and old code does not set it"
    for kind, subject in new.rules - old.rules:
        if not any(column in text for column in added for text in subject):
            yield f" has another {kind} on {', '.join(subject)}"


@pytest.fixture
def snapshots(tmp_path):
    """Return the tables at a revision, step by step: snapshots("0007")."""
    with running(environment(f"sqlite:///{tmp_path}/database.db")) as app, app.app_context():

        def migrate(revision):
            flask_migrate.upgrade(revision=revision)
            return read_tables(sa.inspect(db.engine))

        yield migrate


def test_migrations_only_add_what_old_code_need_not_know(app, snapshots):
    with app.app_context():
        script = load_migrations()
        found = [one.revision for one in script.walk_revisions(SIDE_BY_SIDE_SINCE, "head")]
    before, broken = snapshots(SIDE_BY_SIDE_SINCE), {}

    for revision in reversed(found[:-1]):
        after = snapshots(revision)
        broken[revision] = list(breaking_changes(before, after))
        before = after

    assert all(changes == [] for changes in broken.values()), broken
    assert {revision[:GENERATION_DIGITS] for revision in found} == {"00"}


def test_migrations_of_the_past_that_did_not_only_add_are_noticed(snapshots):
    at = {revision: snapshots(revision) for revision in ("0006", "0007", "0009", "0010")}

    dropped = set(breaking_changes(at["0006"], at["0007"]))
    restricted = list(breaking_changes(at["0009"], at["0010"]))

    assert "refresh_tokens is gone" in dropped
    assert {one.partition(" on ")[0] for one in restricted} == {
        "sessions has another check",
        "role_assignments has another check",
    }


def test_columns_that_old_code_cannot_work_with_are_noticed():
    old = Table({"id": ("INTEGER", False, False), "name": ("VARCHAR", True, False)}, frozenset())
    changes = {
        "required": {"new": ("VARCHAR", False, False)},
        "optional": {"new": ("VARCHAR", True, False)},
        "defaulted": {"new": ("VARCHAR", False, True)},
        "tightened": {"name": ("VARCHAR", False, False)},
        "loosened": {"id": ("INTEGER", True, False)},
        "of another type": {"name": ("INTEGER", True, False)},
    }

    noticed = {
        kind
        for kind, change in changes.items()
        if list(breaking_changes({"t": old}, {"t": Table(old.columns | change, frozenset())}))
    }

    assert noticed == {"required", "tightened", "of another type"}
