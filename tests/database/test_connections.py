"""What each connection is told, how long anybody waits for one, and what errors show."""

import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gatehouse.core import crypto
from gatehouse.database.session import db, release
from models import Role, UserRole


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("foreign_keys", 1), ("busy_timeout", 5000), ("synchronous", 2)],
)
def test_sqlite_is_told_to_be_durable_and_strict(app, pragma, value):
    with app.app_context():
        assert db.session.execute(text(f"PRAGMA {pragma}")).scalar() == value


@pytest.mark.stores
def test_a_row_without_its_owner_is_refused(app):
    with app.app_context():
        db.session.add(UserRole(user_id=crypto.new_id(), role="user"))

        with pytest.raises(IntegrityError):
            db.session.flush()


@pytest.mark.stores
def test_an_error_of_the_database_shows_no_values(app):
    with app.app_context():
        db.session.add(Role(name="user", description="sesame"))

        with pytest.raises(IntegrityError) as refused:
            db.session.flush()

    assert "sesame" not in str(refused.value)


@pytest.mark.stores
@pytest.mark.settings(GATEHOUSE_THREADS="2")
def test_nobody_waits_long_for_a_connection(app):
    with app.app_context():
        taken = [db.engine.connect() for _ in range(2 + 4)]
        began = time.monotonic()
        with pytest.raises(PoolTimeout):
            db.engine.connect()
        waited = time.monotonic() - began
        for connection in taken:
            connection.close()

    assert 0.9 < waited < 3


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_postgresql_gives_up_in_bounded_time(app):
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")

    with app.app_context():
        found = [db.session.execute(text(f"SHOW {name}")).scalar() for name in names]

    assert found == ["5s", "4s", "10s"]


@pytest.mark.stores
def test_what_was_read_stays_readable_after_the_connection_was_given_back(app):
    with app.app_context():
        role = db.session.get(Role, "admin")

        release()

        assert role.name == "admin"
        assert db.engine.pool.checkedout() == 0
