"""Logging in with a password: known and unknown cost and say the same."""

from functools import partial

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from gatehouse.passwords.hash_pool import WAITING, HashQueue
from models import Session, User
from tests.client import PASSWORD, Client
from tests.rows import audited, rows
from tests.together import at_once
from tests.watched import Notes, watch

ADA, NOBODY = "ada@example.com", "nobody@example.com"
NEW = "another long phrase instead"
NO_FORMS = [
    {},
    {"identifier": ADA},
    {"password": PASSWORD},
    {"identifier": ADA, "password": ""},
    {"identifier": "", "password": PASSWORD},
    {"identifier": [ADA], "password": PASSWORD},
    {"identifier": ADA, "password": 12345678901234567},
    {"identifier": ADA, "password": "a\0b"},
    {"identifier": f"{ADA}\nadmin", "password": PASSWORD},
    {"identifier": ADA, "password": "x" * 1025},
    {"identifier": ADA, "password": PASSWORD, "user_id": "1"},
]


@pytest.fixture
def notes(monkeypatch) -> Notes:
    return watch(monkeypatch)


def log_in(client, identifier=ADA, password=PASSWORD):
    return client.post("/auth/login", {"identifier": identifier, "password": password})


def shown(answer):
    """Return all that a stranger can compare: status, bytes and headers, but for ids and date."""
    headers = {
        name: value for name, value in answer.headers if name not in ("X-Request-Id", "Date")
    }
    return answer.status_code, answer.text.replace(answer.json["request_id"], "ID"), headers


def change_row(app, **values):
    with app.app_context():
        db.session.execute(sa.update(User).values(values))
        db.session.commit()


@pytest.mark.stores
@pytest.mark.parametrize("identifier", [ADA, "ada", "+4915112345678"])
def test_every_identifier_opens_a_session(app, client, make_user, identifier):
    make_user(email=ADA, username="ada", phone="+4915112345678")

    answer = log_in(client, identifier)

    [session] = rows(app, Session)
    [event] = audited(app, "login.succeeded")
    assert answer.status_code == 200
    assert answer.json["user"]["email"] == ADA
    assert client.as_(answer.json).get("/auth/me").status_code == 200
    assert event.user_id == session.user_id == rows(app, User)[0].id
    assert (event.address, event.details) == ("127.0.0.1", {"amr": ["pwd"]})


@pytest.mark.parametrize(
    "unknown", [NOBODY, "nobody", "+4915187654321", "no such @ thing", "\u0131"]
)
def test_a_wrong_password_and_an_unknown_identifier_get_equal_answers(client, make_user, unknown):
    make_user(email=ADA)

    wrong, nobody = log_in(client, password=NEW), log_in(client, unknown)

    assert shown(wrong) == shown(nobody)
    assert (wrong.status_code, wrong.json["code"]) == (401, "invalid_credentials")
    assert wrong.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.stores
def test_a_failure_is_recorded_with_whom_it_was_aimed_at_and_without_what_was_tried(
    app, client, make_user
):
    make_user(email=ADA)

    log_in(client, password=NEW)
    log_in(client, NOBODY)

    known, unknown = audited(app, "login.failed")
    assert (known.user_id, unknown.user_id) == (rows(app, User)[0].id, None)
    assert known.address == unknown.address == "127.0.0.1"
    assert known.details == unknown.details == {"code": "invalid_credentials"}
    assert rows(app, Session) == []


@pytest.mark.parametrize("identifier", [ADA, NOBODY, "nobody", "not an identifier at all"])
def test_every_failure_costs_one_hash_at_the_same_cost(client, make_user, notes, identifier):
    make_user(email=ADA)
    notes.clear()

    log_in(client, identifier, NEW)

    assert [stored[:7] for stored in notes.verified] == ["$2b$04$"]
    assert notes.made == 0


@pytest.mark.stores
def test_no_connection_is_held_while_a_password_is_hashed(client, notes):
    client.register(ADA)
    client.verify(ADA)
    tokens = log_in(client).json
    log_in(client, password=NEW)
    log_in(client, NOBODY)
    client.register(ADA)
    change = {"current_password": PASSWORD, "password": NEW}
    client.as_(tokens).post("/auth/password/change", change)

    assert len(notes.connections) == 7  # two registrations, three logins, a change of two hashes
    assert set(notes.connections) == {0}


@pytest.mark.stores
def test_logins_as_many_as_may_wait_all_succeed_at_once(app, make_user):
    people = [make_user().email for _ in range(WAITING // 3)]

    answers = at_once(*[partial(log_in, Client(app.test_client), who) for who in people * 3])

    assert [answer.status_code for answer in answers] == [200] * WAITING
    assert len(rows(app, Session)) == len(audited(app, "login.succeeded")) == WAITING


@pytest.mark.stores
@pytest.mark.settings(GATEHOUSE_THREADS="32")
def test_one_person_can_log_in_five_times_at_once(app, client, make_user):
    """A sixth that is counted before any of them is evaluated would wait: see defence.throttle."""
    make_user(email=ADA)

    answers = client.in_parallel(5, "/auth/login", {"identifier": ADA, "password": PASSWORD})

    assert [answer.status_code for answer in answers] == [200] * 5
    assert len(rows(app, Session)) == len(audited(app, "login.succeeded")) == 5


@pytest.mark.stores
def test_that_an_account_is_disabled_is_told_after_the_right_password_only(app, client, make_user):
    make_user(email=ADA)
    change_row(app, disabled_at=sa.func.now())

    right, wrong, unknown = log_in(client), log_in(client, password=NEW), log_in(client, NOBODY)

    assert (right.status_code, right.json["code"]) == (403, "account_disabled")
    assert shown(wrong) == shown(unknown)
    assert rows(app, Session) == []
    [refused] = audited(app, "login.refused")
    assert (refused.user_id, refused.details) == (
        rows(app, User)[0].id,
        {"code": "account_disabled"},
    )


@pytest.mark.stores
def test_an_account_deleted_while_its_password_is_hashed_opens_nothing(
    app, client, make_user, notes
):
    make_user(email=ADA)
    unknown = log_in(client, NOBODY)

    notes.meanwhile = partial(delete_everybody, app)
    answer = log_in(client)

    assert shown(answer) == shown(unknown)
    assert rows(app, Session) == []


def delete_everybody(app):
    with app.app_context():
        db.session.execute(sa.delete(User))
        db.session.commit()


@pytest.mark.stores
@pytest.mark.requirement("SE-07")
def test_a_login_with_the_old_password_does_not_outlive_a_change_made_meanwhile(
    app, client, make_user, notes
):
    user = make_user(email=ADA)
    hers = client.as_(client.log_in(user))
    app.extensions["gatehouse.hash_queue"] = HashQueue(slots=2)  # one for each of the two
    change = {"current_password": PASSWORD, "password": NEW}

    notes.meanwhile = partial(hers.post, "/auth/password/change", change)
    late = log_in(Client(app.test_client))

    assert (late.status_code, late.json["code"]) == (401, "invalid_credentials")
    assert [session.ended_at for session in rows(app, Session)] == [None]
    assert log_in(client, password=NEW).status_code == 200


def test_what_is_no_login_form_is_refused_before_anything_is_hashed(client, notes):
    answers = [client.post("/auth/login", form) for form in NO_FORMS]

    told = {(answer.status_code, answer.json["code"]) for answer in answers}
    assert told == {(422, "validation_failed")}
    assert notes.verified == []
