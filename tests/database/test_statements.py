"""Statements without the ORM, in and outside the request's transaction, on both databases."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import bindparam, func, select, text
from sqlalchemy.exc import NoResultFound, OperationalError, StatementError

from gatehouse.database.session import autocommit_connection, db, write_transaction
from gatehouse.database.statements import fetch_all, fetch_one, fetch_one_or_none
from models import LimitCounter, Session, TokenStatusEntry, User
from tests.statements import record_statements

COUNTER_BY_KEY = (
    select(LimitCounter.key, LimitCounter.hits)
    .where(LimitCounter.key == bindparam("named"))
    .limit(1)
)
ALL_USER_IDS = select(User.id)
COUNTERS_BY_KEYS = (
    select(LimitCounter.key)
    .where(LimitCounter.key.in_(bindparam("named", expanding=True)))
    .order_by(LimitCounter.key)
)


def session_rows(user_id):
    """Return a session and its status entry, whose index the database generates."""
    now = datetime.now(UTC)
    times = dict.fromkeys(["created_at", "authenticated_at", "last_seen_at"], now)
    expiry = {"idle_at": now, "expires_at": now}
    details = {"amr": ["pwd"], "acr": "aal1", "ip_address": "192.0.2.1", "user_agent": ""}
    tokens = {"used_tokens": "", "replacements": []}
    session = Session(id=uuid4(), user_id=user_id, **times, **expiry, **details, **tokens)
    return session, TokenStatusEntry(session_id=session.id)


# Statements in the current transaction


@pytest.mark.stores
def test_list_parameter_rejects_a_datetime_without_a_zone(app):
    ended = select(Session.id).where(Session.ended_at.in_(bindparam("times", expanding=True)))
    naive = datetime.now(UTC).replace(tzinfo=None)
    with app.app_context():
        assert db.session.execute(ended, {"times": [datetime.now(UTC)]}).all() == []
        with pytest.raises(StatementError, match="without a time zone"):
            db.session.execute(ended, {"times": [naive]})


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_connection_lost_in_a_transaction_raises_and_is_replaced(app):
    with app.app_context():
        db.engine.dispose()  # connections of earlier tests
        with write_transaction():
            db.session.execute(COUNTER_BY_KEY, {"named": "there"})
            terminate_other_connections()
            with pytest.raises(OperationalError):
                db.session.execute(COUNTER_BY_KEY, {"named": "there"})
            db.session.rollback()
        again = db.session.execute(COUNTER_BY_KEY, {"named": "there"}).all()

    assert again == []


# Statements outside a transaction


@pytest.mark.stores
def test_fetch_one_returns_the_only_row_with_its_names(app):
    with app.app_context():
        db.session.add(LimitCounter(key="there", hits=3, expires_at=0.0))
        db.session.commit()
        found = fetch_one(COUNTER_BY_KEY, named="there")
        missing = fetch_one_or_none(COUNTER_BY_KEY, named="elsewhere")
        with pytest.raises(NoResultFound):
            fetch_one(COUNTER_BY_KEY, named="elsewhere")

    assert (found.key, found.hits) == ("there", 3)
    assert missing is None


@pytest.mark.stores
def test_list_parameter_can_have_any_length(app):
    with app.app_context():
        db.session.add_all(LimitCounter(key=key, hits=0, expires_at=0.0) for key in "abcd")
        db.session.commit()
        found = [
            [row.key for row in fetch_all(COUNTERS_BY_KEYS, named=list(some))]
            for some in ("", "ca", "b")
        ]

    assert found == [[], ["a", "c"], ["b"]]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    ("limit", "statement"),
    [
        ("statement_timeout", select(func.pg_sleep(1).label("slept"))),
        ("lock_timeout", ALL_USER_IDS),
    ],
    ids=["slow", "locked"],
)
def test_statement_that_times_out_is_not_retried(app, limit, statement):
    with app.app_context(), record_statements(app) as sent, db.engine.begin() as other:
        other.execute(text("LOCK users"))
        with autocommit_connection() as connection:  # which the pool returns again
            connection.exec_driver_sql(f"SET {limit} = 100")
        sent.clear()
        try:
            with pytest.raises(OperationalError):
                fetch_all(statement)
        finally:
            connection.engine.dispose()

        assert len(sent) == 1


def terminate_other_connections():
    """Terminate all connections but one, as a proxy does with idle ones."""
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    ended = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}"
    with db.engine.connect() as mine:
        mine.execute(text(ended))


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_connection_idle_for_long_is_replaced(app, wait):
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()  # connections of earlier tests, whose clock may have been ahead
        fetch_one_or_none(COUNTER_BY_KEY, named="there")
        terminate_other_connections()
        wait(minutes=6)

        assert fetch_one_or_none(COUNTER_BY_KEY, named="there") is None


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_connection_lost_outside_a_transaction_raises_and_is_replaced(app):
    with app.app_context():
        fetch_one_or_none(COUNTER_BY_KEY, named="there")
        terminate_other_connections()

        with pytest.raises(OperationalError):
            fetch_one_or_none(COUNTER_BY_KEY, named="there")
        again = fetch_one_or_none(COUNTER_BY_KEY, named="there")

    assert again is None
