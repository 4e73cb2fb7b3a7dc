"""Connections: pragmas and timeouts, bounded waits, and errors without values."""

import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gatehouse.authorization import roles
from gatehouse.core import crypto
from gatehouse.database.session import db, end_transaction
from gatehouse.database.statements import fetch_all
from models import Role
from tests import single_connection


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("foreign_keys", 1),
        ("busy_timeout", 5000),
        ("synchronous", 2),
        ("secure_delete", 1),
    ],
)
def test_sqlite_pragmas_are_durable_and_strict(app, pragma, value):
    with app.app_context():
        assert db.session.execute(text(f"PRAGMA {pragma}")).scalar() == value


@pytest.mark.stores
def test_foreign_key_is_enforced(app):
    with app.app_context(), pytest.raises(IntegrityError):
        roles.assign_role(crypto.new_id(), "admin")


@pytest.mark.stores
def test_database_error_contains_no_values(app):
    with app.app_context():
        db.session.add(Role(name="user", description="sesame"))

        with pytest.raises(IntegrityError) as error:
            db.session.flush()

    assert "sesame" not in str(error.value)


@pytest.mark.stores
@pytest.mark.settings(GATEHOUSE_THREADS="2")
def test_wait_for_a_connection_is_bounded(app):
    with app.app_context():
        connections = [db.engine.connect() for _ in range(2 + 4)]
        started = time.monotonic()
        with pytest.raises(PoolTimeout):
            db.engine.connect()
        waited = time.monotonic() - started
        for connection in connections:
            connection.close()

    assert 0.9 < waited < 15


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_postgresql_timeouts_are_set(app):
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")

    with app.app_context():
        timeouts = [db.session.execute(text(f"SHOW {name}")).scalar() for name in names]

    assert timeouts == ["5s", "4s", "10s"]


@pytest.mark.stores
def test_loaded_row_stays_readable_after_the_transaction_ended(app):
    with app.app_context():
        role = db.session.get(Role, "admin")

        end_transaction()

        assert role.name == "admin"
        assert db.engine.pool.checkedout() == 0


@pytest.mark.alters_the_application
@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_connection_that_was_idle_too_long_is_503(app, client):
    """PostgreSQL ends it with an error of its own class, after 10 s on a machine under load."""

    def view():
        db.session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 1"))
        time.sleep(0.1)
        return str(db.session.scalar(text("SELECT 1")))

    app.add_url_rule("/idle", "idle", view)

    responses = [client.get("/idle") for _ in range(2)]

    assert [response.status_code for response in responses] == [503, 503]
    assert responses[0].json["code"] == "service_unavailable"
    assert client.get("/health/ready").status_code == 200


@pytest.mark.stores
def test_request_with_two_connections_at_once_is_noticed(app):
    """With as many such requests as connections, each would wait for another one's."""
    with app.test_request_context():
        db.session.execute(text("SELECT 1"))
        fetch_all(text("SELECT 1"))
    with app.test_request_context():
        fetch_all(text("SELECT 1"))
        db.session.execute(text("SELECT 1"))

    [found] = single_connection.take_found()
    assert "fetch_all" in found
