"""Login with a password: known and unknown users get the same response at the same cost."""

from functools import partial

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from gatehouse.passwords.hash_pool import MAX_WAITING, HashPool
from models import Session, User
from tests.client import PASSWORD, Client
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

ADA, UNKNOWN = "ada@example.com", "unknown@example.com"
NEW = "another long phrase instead"
INVALID_FORMS = [
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


def log_in(client, identifier=ADA, password=PASSWORD):
    return client.post("/auth/login", {"identifier": identifier, "password": password})


def observable_parts(response):
    """Return what a client can observe, without ids and the date."""
    headers = {
        name: value for name, value in response.headers if name not in ("X-Request-Id", "Date")
    }
    return response.status_code, response.text.replace(response.json["request_id"], "ID"), headers


def change_row(app, **values):
    with app.app_context():
        db.session.execute(sa.update(User).values(values))
        db.session.commit()


@pytest.mark.stores
@pytest.mark.parametrize("identifier", [ADA, "ada", "+4915112345678"])
def test_login_accepts_every_kind_of_identifier(app, client, make_user, identifier):
    make_user(email=ADA, username="ada", phone="+4915112345678")

    response = log_in(client, identifier)

    [session] = rows(app, Session)
    [event] = audited(app, "login.succeeded")
    assert response.status_code == 200
    assert response.json["user"]["email"] == ADA
    assert client.as_(response.json).get("/auth/me").status_code == 200
    assert event.user_id == session.user_id == rows(app, User)[0].id
    assert (event.ip_address, event.details) == ("127.0.0.1", {"amr": ["pwd"]})


def test_login_response_is_the_same_for_wrong_password_and_unknown_identifier(client, make_user):
    make_user(email=ADA)

    wrong = log_in(client, password=NEW)

    for identifier in (UNKNOWN, "unknown", "+4915187654321", "no such @ thing", "\u0131"):
        unknown = log_in(client, identifier)
        assert observable_parts(wrong) == observable_parts(unknown), identifier
    assert (wrong.status_code, wrong.json["code"]) == (401, "invalid_credentials")
    assert wrong.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.stores
def test_login_failure_is_recorded_with_its_user_and_without_the_password(app, client, make_user):
    make_user(email=ADA)

    log_in(client, password=NEW)
    log_in(client, UNKNOWN)

    known, unknown = audited(app, "login.failed")
    assert (known.user_id, unknown.user_id) == (rows(app, User)[0].id, None)
    assert known.ip_address == unknown.ip_address == "127.0.0.1"
    assert known.details == unknown.details == {"code": "invalid_credentials"}
    assert rows(app, Session) == []


@pytest.mark.requirement("RL-07")
def test_login_failure_costs_one_hash_for_known_and_unknown_identifiers(
    client, make_user, hasher_calls
):
    make_user(email=ADA)
    for identifier in (ADA, UNKNOWN, "unknown", "not an identifier at all"):
        hasher_calls.clear()

        log_in(client, identifier, NEW)

        assert [stored[:7] for stored in hasher_calls.verified] == ["$2b$04$"], identifier
        assert hasher_calls.hashed == 0, identifier


@pytest.mark.stores
def test_login_registration_and_password_change_use_no_connection_while_hashing(
    client, hasher_calls
):
    client.register(ADA)
    client.verify(ADA)
    tokens = log_in(client).json
    log_in(client, password=NEW)
    log_in(client, UNKNOWN)
    client.register(ADA)
    change = {"current_password": PASSWORD, "password": NEW}
    client.as_(tokens).post("/auth/password/change", change)

    assert (
        len(hasher_calls.connections) == 8
    )  # two registrations, three logins, a change of two hashes
    assert set(hasher_calls.connections) == {0}


@pytest.mark.stores
def test_login_succeeds_for_as_many_parallel_requests_as_the_hash_queue_takes(app, make_user):
    emails = [make_user().email for _ in range(MAX_WAITING // 3)]

    responses = run_in_parallel(
        *[partial(log_in, Client(app.test_client), email) for email in emails * 3]
    )

    assert [response.status_code for response in responses] == [200] * MAX_WAITING
    assert len(rows(app, Session)) == len(audited(app, "login.succeeded")) == MAX_WAITING


@pytest.mark.stores
@pytest.mark.settings(GATEHOUSE_THREADS="32")
def test_login_of_one_user_succeeds_five_times_in_parallel(app, client, make_user):
    """A sixth would be throttled if it is counted before any other is evaluated (see `lockout`)."""
    make_user(email=ADA)

    responses = client.in_parallel(5, "/auth/login", {"identifier": ADA, "password": PASSWORD})

    assert [response.status_code for response in responses] == [200] * 5
    assert len(rows(app, Session)) == len(audited(app, "login.succeeded")) == 5


@pytest.mark.stores
def test_login_discloses_a_disabled_account_only_after_the_correct_password(app, client, make_user):
    make_user(email=ADA)
    change_row(app, disabled_at=sa.func.now())

    right, wrong = log_in(client), log_in(client, password=NEW)
    unknown = log_in(client, UNKNOWN)

    assert (right.status_code, right.json["code"]) == (403, "account_disabled")
    assert observable_parts(wrong) == observable_parts(unknown)
    assert rows(app, Session) == []
    [event] = audited(app, "login.refused")
    assert (event.user_id, event.details) == (
        rows(app, User)[0].id,
        {"code": "account_disabled"},
    )


@pytest.mark.stores
def test_login_fails_if_the_account_is_deleted_while_the_password_is_hashed(
    app, client, make_user, hasher_calls
):
    make_user(email=ADA)
    unknown = log_in(client, UNKNOWN)

    hasher_calls.during_verify = partial(delete_users, app)
    response = log_in(client)

    assert observable_parts(response) == observable_parts(unknown)
    assert rows(app, Session) == []


def delete_users(app):
    with app.app_context():
        db.session.execute(sa.delete(User))
        db.session.commit()


@pytest.mark.stores
@pytest.mark.requirement("SE-07")
def test_login_with_the_old_password_fails_if_it_is_changed_meanwhile(
    app, client, make_user, hasher_calls
):
    user = make_user(email=ADA)
    signed_in = client.as_(client.log_in(user))
    app.extensions["gatehouse.hash_pool"] = HashPool(threads=2)  # one for each request
    change = {"current_password": PASSWORD, "password": NEW}

    hasher_calls.during_verify = partial(signed_in.post, "/auth/password/change", change)
    late = log_in(Client(app.test_client))

    assert (late.status_code, late.json["code"]) == (401, "invalid_credentials")
    assert [session.ended_at for session in rows(app, Session)] == [None]
    assert log_in(client, password=NEW).status_code == 200


def test_login_rejects_invalid_forms_before_hashing(client, hasher_calls):
    responses = [client.post("/auth/login", form) for form in INVALID_FORMS]

    results = {(response.status_code, response.json["code"]) for response in responses}
    assert results == {(422, "validation_failed")}
    assert hasher_calls.verified == []
