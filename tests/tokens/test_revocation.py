"""Ended sessions: their access tokens die here at once, elsewhere within a second."""

import sys
import threading
import time
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from gatehouse.core import clock, crypto
from gatehouse.database import background_tasks
from gatehouse.database.session import db, writing
from gatehouse.operations import cleanup
from gatehouse.sessions import service as sessions
from gatehouse.tokens import revocation, sync
from gatehouse.web.request_context import NOBODY
from models import Revocation
from tests.client import Client, User
from tests.conftest import running
from tests.rows import rows
from tests.tokens.forgery import assert_refused, read


def session_of(tokens):
    """Return the id of the session that a TokenAnswer belongs to."""
    return UUID(read(tokens["access_token"])[1]["sid"])


def read_again(app):
    """Do what the watching thread does every 0.4 s."""
    with app.app_context():
        sync.read()


def write_revocation(app, session_id, revoked_at):
    """Commit the row of an ended session, as another worker does."""
    forget_at = clock.now() + timedelta(seconds=605)
    with app.app_context(), writing():
        row = Revocation(session_id=session_id, revoked_at=revoked_at, forget_at=forget_at)
        db.session.add(row)
        db.session.commit()


@pytest.fixture
def other_worker(start_again):
    """Another worker on the same database, which reads it only when it is told to."""
    other = start_again()
    read_again(other)
    other.extensions["gatehouse.tokens"].watched = True
    return other


# Here


@pytest.mark.stores
def test_an_ended_session_is_dead_at_once_in_the_worker_that_ended_it(client, tokens, memory):
    assert client.as_(tokens).get("/auth/me").status_code == 200

    client.as_(tokens).post("/auth/logout")

    for path in ("/auth/me", "/gateway/verify", "/auth/sessions"):
        assert_refused(client.as_(tokens).get(path), "token_revoked")


def test_an_end_that_was_rolled_back_kills_nothing(app, client, tokens, memory):
    with app.app_context():
        with writing():
            sessions.end(session_of(tokens), "logout", NOBODY)
        db.session.rollback()
        with writing():  # the next transaction must not bring it after all
            pass
        db.session.commit()

    assert client.as_(tokens).get("/auth/me").status_code == 200
    assert rows(app, Revocation) == []


# Elsewhere


@pytest.mark.stores
def test_another_worker_learns_of_it_when_it_reads(client, tokens, memory, other_worker):
    elsewhere = Client(other_worker.test_client)
    client.as_(tokens).post("/auth/logout")
    assert elsewhere.as_(tokens).get("/auth/me").status_code == 200

    read_again(other_worker)

    assert_refused(elsewhere.as_(tokens).get("/auth/me"), "token_revoked")


@pytest.mark.stores
def test_a_row_that_commits_late_is_seen(app, client, tokens, memory):
    write_revocation(app, crypto.new_id(), clock.now())
    read_again(app)

    write_revocation(app, session_of(tokens), memory.newest_revocation - timedelta(seconds=5))
    read_again(app)

    assert_refused(client.as_(tokens).get("/auth/me"), "token_revoked")


def test_a_row_that_was_seen_stays_known_when_it_is_no_longer_read(app, client, tokens, memory):
    write_revocation(app, session_of(tokens), clock.now() - timedelta(minutes=5))
    read_again(app)
    write_revocation(app, crypto.new_id(), clock.now())

    read_again(app)
    read_again(app)

    assert_refused(client.as_(tokens).get("/auth/me"), "token_revoked")


def test_a_worker_that_starts_reads_every_row(app, tokens, memory, start_again):
    write_revocation(app, session_of(tokens), clock.now() - timedelta(minutes=9))
    write_revocation(app, crypto.new_id(), clock.now())

    started = start_again()

    assert_refused(Client(started.test_client).as_(tokens).get("/auth/me"), "token_revoked")


def all_dead(live, tokens):
    """Ask forty times over fresh connections, which the system deals out to both workers."""
    codes = {live.client.as_(tokens).get("/auth/me").json.get("code") for _ in range(40)}
    return codes == {"token_revoked"}


@pytest.mark.requirement("SE-05")
def test_every_worker_of_a_server_knows_within_a_second(live):
    user = live.client.sign_up(User("ada@example.com"))

    for _ in range(3):
        tokens = live.client.log_in(user)
        assert live.client.as_(tokens).get("/auth/me").status_code == 200
        assert live.client.as_(tokens).post("/auth/logout").status_code == 204

        time.sleep(1)

        assert all_dead(live, tokens)


# Forgotten


@pytest.mark.stores
def test_an_ended_session_is_known_until_its_last_access_token_expired(
    app, client, tokens, memory, time_machine
):
    last = read(tokens["access_token"])[1]["exp"] + 5  # the leeway
    client.as_(tokens).post("/auth/logout")

    time_machine.move_to(last - 1)
    with app.app_context():
        cleanup.purge()
    read_again(app)

    assert_refused(client.as_(tokens).get("/auth/me"), "token_revoked")
    assert len(rows(app, Revocation)) == 1


@pytest.mark.stores
def test_a_row_from_a_clock_that_is_fast_hides_none_of_the_later_ones(app, memory):
    write_revocation(app, fast := crypto.new_id(), clock.now() + timedelta(minutes=5))
    read_again(app)

    write_revocation(app, later := crypto.new_id(), clock.now())
    read_again(app)

    assert {str(fast), str(later)} <= memory.revoked.keys()


@pytest.mark.stores
def test_a_revocation_is_forgotten_after_the_last_access_token(
    app, client, tokens, memory, time_machine
):
    client.as_(tokens).post("/auth/logout")
    row = rows(app, Revocation)[0]
    assert row.forget_at - row.revoked_at == revocation.LONGEST_TOKEN

    time_machine.move_to(row.forget_at + timedelta(seconds=1))
    read_again(app)
    with app.app_context():
        cleanup.purge()

    assert memory.revoked == {}
    assert rows(app, Revocation) == []
    assert_refused(client.as_(tokens).get("/auth/me"), "token_expired")


@pytest.fixture
def hasty_threads():
    """Let threads take turns a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 1000)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_threads")
def test_sessions_may_end_while_the_memory_is_tidied(app, memory):
    soon = clock.now() + timedelta(minutes=5)
    memory.revoked.update((str(crypto.new_id()), soon) for _ in range(20_000))
    tidied = threading.Event()

    def end_sessions():
        while not tidied.is_set():
            memory.revoked[str(crypto.new_id())] = soon

    ending = threading.Thread(target=end_sessions)
    ending.start()
    try:
        for _ in range(50):
            read_again(app)
    finally:
        tidied.set()
        ending.join()

    assert len(memory.revoked) > 20_000


# Unknown


@pytest.mark.parametrize("path", ["/auth/me", "/gateway/verify", "/auth/sessions"])
def test_nobody_is_waved_through_when_the_memory_is_old(client, tokens, memory, path):
    assert client.as_(tokens).get(path).status_code == 200  # and now it is remembered

    memory.read_at = clock.monotonic() - 5.01
    answer = client.as_(tokens).get(path)

    assert (answer.status_code, answer.json["code"]) == (503, "service_unavailable")
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["Retry-After"] == "1"


def test_nobody_is_waved_through_at_the_other_doors_either(client, make_user, tokens, memory):
    user = make_user()
    memory.read_at = clock.monotonic() - 5.01

    answers = [
        client.refresh(tokens),
        client.as_(tokens).post("/auth/logout"),
        client.post("/auth/login", {"identifier": user.email, "password": user.password}),
        client.get("/.well-known/jwks.json"),
        client.get("/health/ready"),
    ]

    assert [answer.status_code for answer in answers] == [503] * 5


def test_a_request_that_came_too_early_changed_nothing(client, tokens, memory):
    memory.read_at = clock.monotonic() - 5.01
    client.refresh(tokens)

    memory.read_at = clock.monotonic()
    answer = client.refresh(tokens)

    assert answer.status_code == 200
    assert len(client.as_(answer.json).get("/auth/sessions").json["items"]) == 1


def test_five_seconds_are_not_yet_too_old(client, tokens, memory):
    memory.read_at = clock.monotonic() - 4

    assert client.as_(tokens).get("/auth/me").status_code == 200


def test_a_worker_is_not_ready_before_its_first_complete_reading(start_again, tokens):
    fresh = start_again()
    fresh.extensions["gatehouse.tokens"].watched = True
    client = Client(fresh.test_client)

    readiness, answer = client.get("/health/ready"), client.as_(tokens).get("/auth/me")

    assert (readiness.status_code, readiness.json["missing"]) == (503, ["keys"])
    assert answer.status_code == 503
    read_again(fresh)
    assert client.get("/health/ready").status_code == 200
    assert client.as_(tokens).get("/auth/me").status_code == 200


def test_a_reading_that_fails_changes_nothing_and_is_tried_again(
    app, client, tokens, memory, monkeypatch
):
    before = memory.read_at
    with app.app_context():
        monkeypatch.setattr(sync.keys, "read_ring", _break)
        background_tasks.attempt("token watch", sync.read)
        assert memory.read_at == before

        monkeypatch.undo()
        background_tasks.attempt("token watch", sync.read)

    assert memory.read_at > before
    assert client.as_(tokens).get("/auth/me").status_code == 200


@pytest.mark.stores
def test_a_database_that_is_slow_when_a_worker_starts_does_not_make_it_refuse(start_again, tokens):
    fresh = start_again()
    fresh.extensions["gatehouse.tokens"].watched = True
    with fresh.app_context():
        once_too_late(db.engine)
        sync.begin()

    client = Client(fresh.test_client)
    assert client.get("/health/ready").status_code == 200
    assert client.as_(tokens).get("/auth/me").status_code == 200


def test_a_worker_whose_database_is_away_listens_all_the_same(settings_environment, tmp_path):
    nowhere = {"DATABASE_URL": f"sqlite:///{tmp_path / 'nothing' / 'here.db'}"}
    with running(settings_environment | nowhere) as fresh:
        fresh.extensions["gatehouse.tokens"].watched = True
        with fresh.app_context():
            sync.begin()

        client = Client(fresh.test_client)
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 503


def once_too_late(engine):
    """Let the first connection that is asked for from now on come too late."""
    engine.dispose()

    @sa.event.listens_for(engine, "do_connect", once=True)
    def give_up(*_arguments):
        raise engine.dialect.dbapi.OperationalError("connection timeout expired")


def _break(*_arguments):
    raise crypto.SealBroken("no encryption key named 'old'")
