"""Transactions on both databases: begin, wait, commit and roll back; and the datetime type."""

import threading
import time
from contextlib import nullcontext

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from gatehouse.core.errors import ServiceUnavailable
from gatehouse.database import session
from gatehouse.database.session import (
    advisory_lock,
    autonomous_transaction,
    commits,
    db,
    write_transaction,
)
from models import LimitCounter
from tests.parallel import run_in_parallel

TIMEOUT = 30  # seconds until a waiting thread is a failure


def add_counter(key, hits=0):
    db.session.add(LimitCounter(key=key, hits=hits, expires_at=0.0))
    db.session.flush()


def committed_keys(app):
    """Return the keys of all committed counters."""
    with app.app_context():
        return set(db.session.scalars(select(LimitCounter.key)))


class ParallelTransaction:
    """Runs an action in a write transaction of another thread, and keeps it open."""

    def __init__(self, app, action):
        self.begun, self.finish = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, args=(app, action))

    def _run(self, app, action):
        with app.app_context():
            with write_transaction():
                action()
                self.begun.set()
                self.finish.wait(TIMEOUT)
            db.session.commit()

    def __enter__(self):
        self.thread.start()
        assert self.begun.wait(TIMEOUT)
        return self

    def __exit__(self, *_):
        self.finish.set()
        self.thread.join(TIMEOUT)


@pytest.mark.stores
def test_write_transaction_cannot_commit_after_30_seconds(app, wait):
    for seconds, key in ((29, "in time"), (31, "late"), (0, "next")):
        with app.app_context(), write_transaction():
            add_counter(key)
            wait(seconds=seconds)
            with pytest.raises(ServiceUnavailable) if key == "late" else nullcontext():
                db.session.commit()

    assert committed_keys(app) == {"in time", "next"}


# The request's transaction


@commits
def add_in_view(key, error=None):
    with write_transaction():
        add_counter(key)
    if error:
        raise error


@pytest.mark.stores
def test_view_that_succeeds_is_committed(app):
    with app.app_context():
        add_in_view("kept")
        assert not db.session().in_transaction()

    assert committed_keys(app) == {"kept"}


@pytest.mark.stores
def test_view_that_fails_is_rolled_back(app):
    with app.app_context():
        with pytest.raises(LookupError):
            add_in_view("lost", LookupError())
        assert not db.session().in_transaction()

    assert committed_keys(app) == set()


@pytest.mark.stores
def test_failed_commit_is_answered_as_an_error_of_the_view(app, client, make_user):
    mine = client.as_(client.log_in(make_user()))
    event.listen(db.session, "before_commit", fail_to_commit)
    try:
        response = mine.patch("/auth/me", {"name": "Lost"})
    finally:
        event.remove(db.session, "before_commit", fail_to_commit)

    assert response.status_code == 503
    assert response.json["code"] == "service_unavailable"
    assert mine.get("/auth/me").json["name"] is None


def fail_to_commit(_session):
    raise OperationalError("COMMIT", None, ConnectionError("the server is gone"))


# Reading and writing


@pytest.mark.stores
def test_reader_does_not_wait_for_a_writer_or_see_uncommitted_rows(app):
    with ParallelTransaction(app, lambda: add_counter("parallel")) as writer:
        started = time.monotonic()
        during = committed_keys(app)
        waited = time.monotonic() - started
        writer.finish.set()
        writer.thread.join(TIMEOUT)

    assert during == set()
    assert waited < 4  # SQLite's busy timeout is 5 seconds
    assert committed_keys(app) == {"parallel"}


def test_second_writer_on_sqlite_waits_for_the_first(app):
    begun = threading.Event()

    def write():
        with app.app_context():
            with write_transaction():
                begun.set()
                add_counter("second")
            db.session.commit()

    with ParallelTransaction(app, lambda: add_counter("first")) as first:
        second = threading.Thread(target=write)
        second.start()
        waits = not begun.wait(0.3)
        first.finish.set()
        second.join(TIMEOUT)

    assert waits
    assert committed_keys(app) == {"first", "second"}


@pytest.mark.stores
def test_parallel_writers_lose_no_update(app):
    with app.app_context():
        add_counter("counter")
        db.session.commit()

    def count():
        with app.app_context():
            with write_transaction():
                row = db.session.get(LimitCounter, "counter", with_for_update=True)
                row.hits += 1
            db.session.commit()

    run_in_parallel(*[count] * 16)

    with app.app_context():
        assert db.session.get(LimitCounter, "counter").hits == 16


@pytest.mark.stores
def test_nested_write_transaction_joins_the_outer_one(app):
    with app.app_context():
        with write_transaction():
            add_counter("outer")
            with write_transaction():
                add_counter("inner")
            add_counter("outer again")
        db.session.rollback()

        assert committed_keys(app) == set()


@pytest.mark.stores
def test_write_transaction_is_committed_by_its_caller(app):
    with app.app_context():
        with write_transaction():
            add_counter("kept")
        before = committed_keys(app)
        db.session.commit()

    assert before == set()
    assert committed_keys(app) == {"kept"}


@pytest.mark.stores
def test_write_transaction_after_a_commit_is_a_new_one(app):
    with app.app_context():
        with write_transaction():
            add_counter("committed")
        db.session.commit()
        with write_transaction():
            add_counter("rolled back")
        db.session.rollback()
        with write_transaction():
            add_counter("committed too")
        db.session.commit()

    assert committed_keys(app) == {"committed", "committed too"}


@pytest.mark.stores
def test_autonomous_transaction_survives_a_rollback(app):
    insert = text("INSERT INTO limit_counters (key, hits, expires_at) VALUES ('autonomous', 1, 0)")

    with app.app_context():
        with autonomous_transaction() as connection:
            connection.execute(insert)
        with write_transaction():
            add_counter("lost")
        db.session.rollback()

    assert committed_keys(app) == {"autonomous"}


@pytest.mark.stores
def test_autonomous_transaction_that_fails_writes_nothing(app):
    twice = "INSERT INTO limit_counters (key, hits, expires_at) VALUES ('a', 1, 0), ('a', 1, 0)"

    with app.app_context(), pytest.raises(IntegrityError), autonomous_transaction() as connection:
        connection.execute(text(twice))

    assert committed_keys(app) == set()


@pytest.mark.stores
def test_advisory_lock_serializes_transactions_with_one_key(app):
    arrived = threading.Event()

    def second():
        with app.app_context():
            with write_transaction():
                advisory_lock("key")
                arrived.set()
                first_seen.append(db.session.get(LimitCounter, "first") is not None)
            db.session.commit()

    first_seen = []
    with ParallelTransaction(app, lambda: (advisory_lock("key"), add_counter("first"))) as first:
        other = threading.Thread(target=second)
        other.start()
        waits = not arrived.wait(0.3)
        first.finish.set()
        other.join(TIMEOUT)

    assert waits
    assert first_seen == [True]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_advisory_lock_on_postgresql_ignores_other_keys(app):
    with (
        ParallelTransaction(app, lambda: advisory_lock("key")),
        app.app_context(),
        write_transaction(),
    ):
        advisory_lock("other key")


@pytest.mark.stores
def test_autocommit_write_survives_a_rollback_of_the_request(app):
    with app.app_context():
        with session.autocommit_write() as connection:
            connection.execute(text("INSERT INTO limit_counters VALUES ('counted', 1, 0)"))
        add_counter("rolled back")
        db.session.rollback()

    assert committed_keys(app) == {"counted"}
