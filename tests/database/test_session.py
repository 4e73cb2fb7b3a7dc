"""How transactions begin, wait for one another and end, on both databases."""

import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, StatementError

from gatehouse.core import clock
from gatehouse.database import session
from gatehouse.database.session import apart, db, take_turns, writing
from models import LimitCounter, Password, Session
from tests.together import at_once

PATIENCE = 10  # seconds until a thread that waits too long is a failure


def add(key, hits=0):
    db.session.add(LimitCounter(key=key, hits=hits, expires_at=0.0))
    db.session.flush()


def keys(app):
    """Return what is committed."""
    with app.app_context():
        return set(db.session.scalars(select(LimitCounter.key)))


class Meanwhile:
    """Does something in a transaction of another thread, and holds it open."""

    def __init__(self, app, act):
        self.begun, self.finish = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, args=(app, act))

    def _run(self, app, act):
        with app.app_context():
            with writing():
                act()
                self.begun.set()
                self.finish.wait(PATIENCE)
            db.session.commit()

    def __enter__(self):
        self.thread.start()
        assert self.begun.wait(PATIENCE)
        return self

    def __exit__(self, *_):
        self.finish.set()
        self.thread.join(PATIENCE)


# Types


@pytest.mark.stores
def test_a_time_of_any_zone_comes_back_in_utc(app, make_user):
    make_user()
    noon = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    with app.app_context():
        db.session.scalars(select(Password)).one().changed_at = noon
        db.session.commit()

    with app.app_context():
        kept = db.session.scalars(select(Password.changed_at)).one()

    assert kept == noon
    assert (kept.tzinfo, kept.hour) == (UTC, 10)


@pytest.mark.stores
def test_times_are_compared_as_moments_and_not_as_text(app, client, make_user):
    client.log_in(make_user())
    elsewhere = timezone(timedelta(hours=-11))

    with app.app_context():
        earlier = (clock.now() - timedelta(minutes=1)).astimezone(elsewhere)
        younger = select(Session).where(Session.created_at > earlier)

        assert len(db.session.scalars(younger).all()) == 1


@pytest.mark.stores
def test_a_time_without_a_zone_is_refused(app):
    naive = datetime(2026, 7, 1, 12, 0, 0)  # noqa: DTZ001 - that is the point

    with app.app_context(), pytest.raises(StatementError, match="without a zone"):
        db.session.scalars(select(Session).where(Session.created_at > naive)).all()


# Reading and writing


@pytest.mark.stores
def test_a_reader_neither_waits_for_a_writer_nor_sees_what_it_has_not_committed(app):
    with Meanwhile(app, lambda: add("theirs")) as writer:
        began = time.monotonic()
        during = keys(app)
        waited = time.monotonic() - began
        writer.finish.set()
        writer.thread.join(PATIENCE)

    assert during == set()
    assert waited < 1
    assert keys(app) == {"theirs"}


def test_on_sqlite_a_second_writer_waits_for_the_first_from_the_beginning(app):
    begun = threading.Event()

    def write():
        with app.app_context():
            with writing():
                begun.set()
                add("second")
            db.session.commit()

    with Meanwhile(app, lambda: add("first")) as first:
        second = threading.Thread(target=write)
        second.start()
        waits = not begun.wait(0.3)
        first.finish.set()
        second.join(PATIENCE)

    assert waits
    assert keys(app) == {"first", "second"}


@pytest.mark.stores
def test_sixteen_writers_of_one_row_lose_nothing(app):
    with app.app_context():
        add("counter")
        db.session.commit()

    def count():
        with app.app_context():
            with writing():
                row = db.session.get(LimitCounter, "counter", with_for_update=True)
                row.hits += 1
            db.session.commit()

    at_once(*[count] * 16)

    with app.app_context():
        assert db.session.get(LimitCounter, "counter").hits == 16


@pytest.mark.stores
def test_writing_within_writing_is_one_transaction(app):
    with app.app_context():
        with writing():
            add("outer")
            with writing():
                add("inner")
            add("outer again")
        db.session.rollback()

        assert keys(app) == set()


@pytest.mark.stores
def test_writing_is_for_the_caller_to_commit(app):
    with app.app_context():
        with writing():
            add("kept")
        before = keys(app)
        db.session.commit()

    assert before == set()
    assert keys(app) == {"kept"}


@pytest.mark.stores
def test_after_a_commit_writing_begins_anew(app):
    with app.app_context():
        with writing():
            add("committed")
        db.session.commit()
        with writing():
            add("rolled back")
        db.session.rollback()
        with writing():
            add("committed too")
        db.session.commit()

    assert keys(app) == {"committed", "committed too"}


@pytest.mark.stores
def test_what_is_written_apart_survives_a_rollback(app):
    insert = text("INSERT INTO limit_counters (key, hits, expires_at) VALUES ('apart', 1, 0)")

    with app.app_context():
        with apart() as connection:
            connection.execute(insert)
        with writing():
            add("lost")
        db.session.rollback()

    assert keys(app) == {"apart"}


@pytest.mark.stores
def test_what_fails_apart_is_not_written(app):
    twice = "INSERT INTO limit_counters (key, hits, expires_at) VALUES ('a', 1, 0), ('a', 1, 0)"

    with app.app_context(), pytest.raises(IntegrityError), apart() as connection:
        connection.execute(text(twice))

    assert keys(app) == set()


@pytest.mark.stores
def test_two_who_take_turns_go_one_after_the_other(app):
    arrived = threading.Event()

    def second():
        with app.app_context():
            with writing():
                take_turns("the bath")
                arrived.set()
                seen.append(db.session.get(LimitCounter, "first") is not None)
            db.session.commit()

    seen = []
    with Meanwhile(app, lambda: (take_turns("the bath"), add("first"))) as first:
        other = threading.Thread(target=second)
        other.start()
        waits = not arrived.wait(0.3)
        first.finish.set()
        other.join(PATIENCE)

    assert waits
    assert seen == [True]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_on_postgresql_turns_at_different_things_are_not_waited_for(app):
    with Meanwhile(app, lambda: take_turns("the bath")), app.app_context(), writing():
        take_turns("the kitchen")


@pytest.mark.stores
def test_what_is_written_at_once_is_there_though_the_request_is_undone(app):
    with app.app_context():
        with session.at_once() as connection:
            connection.execute(text("INSERT INTO limit_counters VALUES ('counted', 1, 0)"))
        add("undone")
        db.session.rollback()

    assert keys(app) == {"counted"}
