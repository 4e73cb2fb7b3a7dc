"""What is executed without the object mapper reads and writes as ever, on both databases."""

from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import pytest
from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from gatehouse.database.session import db, reader, writing
from gatehouse.database.statements import add_together, read_all, read_one, run
from models import LimitCounter, RefreshToken, Session, StatusEntry, User
from tests.rows import rows
from tests.statements import sent_by

NAMED = (
    select(LimitCounter.key, LimitCounter.hits)
    .where(LimitCounter.key == bindparam("named"))
    .limit(1)
)
SOMEBODY = select(User.id)
SOME = (
    select(LimitCounter.key)
    .where(LimitCounter.key.in_(bindparam("named", expanding=True)))
    .order_by(LimitCounter.key)
)


def opened(user_id):
    """Return a session, its token, and its place, which the database chooses."""
    now = datetime.now(UTC)
    times = dict.fromkeys(["created_at", "authenticated_at", "last_seen_at"], now)
    ends = {"idle_at": now, "expires_at": now}
    about = {"amr": ["pwd"], "acr": "aal1", "address": "192.0.2.1", "user_agent": ""}
    session = Session(id=uuid4(), user_id=user_id, **times, **ends, **about)
    token = RefreshToken(id=uuid4(), session_id=session.id, issued_at=now, expires_at=now)
    return session, token, StatusEntry(session_id=session.id)


@pytest.mark.stores
def test_rows_that_are_added_together_are_there_with_the_last_ones_key(app, make_user):
    make_user()
    user_id = rows(app, User)[0].id
    with app.app_context():
        places = [add_together(*opened(user_id)) for _ in range(2)]
        db.session.commit()
        kept = list(db.session.scalars(select(StatusEntry.position).order_by(StatusEntry.position)))
        tokens = db.session.scalars(select(RefreshToken)).all()
        session = db.session.get(Session, tokens[0].session_id)

    assert kept == places
    assert len(tokens) == 2
    assert (session.amr, session.ended_at, session.created_at.tzinfo) == (["pwd"], None, UTC)


@pytest.mark.stores
def test_one_that_cannot_be_added_leaves_none_of_them(app, make_user):
    make_user()
    session, token, _ = opened(rows(app, User)[0].id)
    with app.app_context():
        with pytest.raises(IntegrityError):
            add_together(session, token, StatusEntry(session_id=uuid4()))
        db.session.rollback()

        assert db.session.scalars(select(Session)).all() == []


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_on_postgresql_adding_together_is_one_statement(app, make_user):
    make_user()
    user_id = rows(app, User)[0].id
    with app.app_context():
        sent = sent_by(app, partial(add_together, *opened(user_id)))

    assert len(sent) == 1
    assert sent[0].count("INSERT INTO") == 3


# Statements in the current transaction


@pytest.mark.stores
def test_what_is_pending_comes_before_it_and_its_rows_have_names(app):
    with app.app_context(), writing():
        db.session.add(LimitCounter(key="there", hits=3, expires_at=0.0))
        found = run(NAMED, named="there")
        nothing = run(LimitCounter.__table__.delete())
        db.session.rollback()

        assert (found[0].key, found[0].hits) == ("there", 3)
        assert list(nothing) == []
        assert read_one(NAMED, named="there") is None


@pytest.mark.stores
def test_a_time_without_a_zone_is_refused_as_ever(app):
    ended = select(Session.id).where(Session.ended_at > bindparam("then"))
    naive = datetime.now(UTC).replace(tzinfo=None)

    with app.app_context(), pytest.raises((ValueError, StatementError), match="without a zone"):
        run(ended, then=naive)


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_on_postgresql_the_driver_executes_it(app, monkeypatch):
    with app.app_context():
        run(NAMED, named="there")
        monkeypatch.delattr("sqlalchemy.Connection.execute")

        assert run(NAMED, named="there") == []


@pytest.mark.stores
def test_a_value_that_was_forgotten_is_not_null(app):
    with app.app_context(), pytest.raises(StatementError, match=r"(?i)parameter.*named"):
        run(NAMED)


@pytest.mark.stores
def test_each_value_of_a_list_is_converted(app):
    ended = select(Session.id).where(Session.ended_at.in_(bindparam("times", expanding=True)))
    naive = datetime.now(UTC).replace(tzinfo=None)
    with app.app_context():
        assert list(run(ended, times=[datetime.now(UTC)])) == []
        with pytest.raises((ValueError, StatementError), match="without a zone"):
            run(ended, times=[naive])


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_a_default_that_python_would_compute_is_refused(app):
    named = update(User).values(name=bindparam("called"))  # and `updated_at`, as the model says
    with app.app_context(), pytest.raises(TypeError, match="default"):
        run(named, called="Ada")


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_a_connection_that_is_lost_in_a_transaction_is_told_and_replaced(app):
    with app.app_context():
        db.engine.dispose()  # of what the others left
        with writing():
            run(NAMED, named="there")
            end_the_others()
            with pytest.raises(OperationalError):
                run(NAMED, named="there")
            db.session.rollback()
        again = run(NAMED, named="there")

    assert again == []


# Statements that stand alone


@pytest.mark.stores
def test_one_row_comes_with_its_names_or_not_at_all(app):
    with app.app_context():
        db.session.add(LimitCounter(key="there", hits=3, expires_at=0.0))
        db.session.commit()
        found, missing = (read_one(NAMED, named=key) for key in ("there", "elsewhere"))

    assert (found.key, found.hits) == ("there", 3)
    assert missing is None


@pytest.mark.stores
def test_a_list_has_any_length(app):
    with app.app_context():
        db.session.add_all(LimitCounter(key=key, hits=0, expires_at=0.0) for key in "abcd")
        db.session.commit()
        found = [[row.key for row in read_all(SOME, named=list(some))] for some in ("", "ca", "b")]

    assert found == [[], ["a", "c"], ["b"]]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_on_postgresql_one_row_is_read_by_the_driver(app, monkeypatch):
    with app.app_context():
        read_one(NAMED, named="there")
        monkeypatch.delattr("sqlalchemy.Connection.execute")
        missing = read_one(NAMED, named="there")

    assert missing is None


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    ("limit", "statement"),
    [("statement_timeout", select(func.pg_sleep(1).label("slept"))), ("lock_timeout", SOMEBODY)],
    ids=["slow", "locked"],
)
def test_a_statement_that_takes_too_long_is_not_executed_again(app, limit, statement, monkeypatch):
    with app.app_context(), db.engine.begin() as other:
        other.execute(text("LOCK users"))
        with reader() as connection:  # which is lent again
            connection.exec_driver_sql(f"SET {limit} = 100")
        monkeypatch.delattr("sqlalchemy.Connection.execute")
        try:
            with pytest.raises(OperationalError):
                read_one(statement)
        finally:
            connection.engine.dispose()


def end_the_others():
    """End all connections of the database but one, as a proxy does with those that are idle."""
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    ended = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}"
    with db.engine.connect() as mine:
        mine.execute(text(ended))


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_a_connection_that_may_have_been_idle_for_long_is_not_trusted(app, wait):
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()  # of what others left, whose clock may have been ahead
        read_one(NAMED, named="there")
        end_the_others()
        wait(minutes=6)

        assert read_one(NAMED, named="there") is None


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_a_connection_that_was_lost_is_told_as_ever_and_replaced(app):
    with app.app_context():
        read_one(NAMED, named="there")
        end_the_others()

        with pytest.raises(OperationalError):
            read_one(NAMED, named="there")
        again = read_one(NAMED, named="there")

    assert again is None
