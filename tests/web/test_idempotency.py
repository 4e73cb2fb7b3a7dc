"""`Idempotency-Key`: a repeated request has no second effect and gets the same response."""

from __future__ import annotations

from functools import partial

import pytest
import sqlalchemy as sa

from gatehouse.core import crypto
from gatehouse.database.session import db
from gatehouse.operations import cleanup
from models import AuditEvent, IdempotencyKey, OneTimeCode, OutboxMessage
from tests.client import PASSWORD, User
from tests.mail_links import advance_clock
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.surface.conftest import read_problem

pytestmark = pytest.mark.stores

ADA = {"email": "ada@example.com", "password": PASSWORD}
BOB = {"email": "bob@example.com", "password": PASSWORD}
REGISTER = "/auth/register"


KEY = "8e03978e-40d5-43dd-bc93"
"""A key of 23 characters; another one for `KEY` + something."""


def headers(key=KEY, **more):
    return {"Idempotency-Key": key, **more}


@pytest.fixture
def register(client):
    """Return a function that registers with a key: `register(form, KEY)`."""

    def register(form=ADA, key=KEY, **request):
        return client.post(REGISTER, form, headers=headers(key), **request)

    return register


def test_repeated_request_has_one_effect_and_the_same_response(app, register):
    first = register()
    before = [(row.id, row.payload) for row in rows(app, OutboxMessage)]

    repeated = register()

    assert (first.status_code, repeated.status_code) == (202, 202)
    assert repeated.data == first.data
    assert list(repeated.headers.keys()) == list(first.headers.keys())
    assert [(row.id, row.payload) for row in rows(app, OutboxMessage)] == before
    assert len(rows(app, OneTimeCode)) == 1
    assert len(audited(app, "registration.requested")) == 1


def test_request_without_a_key_is_executed_each_time(app, client):
    client.register("ada@example.com")
    client.register("ada@example.com")

    assert len(rows(app, OutboxMessage)) == 2
    assert rows(app, IdempotencyKey) == []


def test_other_key_is_another_request(app, register):
    register(key=f"{KEY}-1")
    register(key=f"{KEY}-2")

    assert len(rows(app, OutboxMessage)) == 2


def test_key_with_another_body_is_rejected(app, register):
    register(ADA)

    response = register(BOB)

    assert read_problem(response) == (422, "idempotency_key_reused")
    assert [row.recipient for row in rows(app, OutboxMessage)] == ["ada@example.com"]


@pytest.mark.settings(GATEHOUSE_TRUSTED_HOPS="1")
def test_key_is_scoped_to_the_network_of_an_anonymous_client(app, client):
    here, elsewhere = (
        headers(**{"X-Forwarded-For": ip_address}) for ip_address in ("192.0.2.1", "198.51.100.1")
    )
    client.post(REGISTER, ADA, headers=here)

    other = client.post(REGISTER, BOB, headers=elsewhere)
    same = client.post(REGISTER, ADA, headers=here)

    assert (other.status_code, same.status_code) == (202, 202)
    assert len(rows(app, OutboxMessage)) == 2


def test_key_that_is_not_visible_ascii_is_rejected(app, register):
    for key in ("", " ", "a b", "k" * 65, "tab\there", "caf\xe9", "\x7f", "line\x0b"):
        response = register(key=key)

        assert response.status_code == 400, repr(key)
        assert response.json["code"] in {"idempotency_key_invalid", "malformed_request"}, repr(key)
        assert rows(app, OutboxMessage) == [], repr(key)


def test_key_of_visible_ascii_is_accepted(app, register):
    keys = ["!" * 22, "~" * 64, "8e03978e-40d5-43dd-bc93-6894a57f9324", f'"{KEY},"']

    for number, key in enumerate(keys, start=1):
        form = {**ADA, "email": f"user{number}@example.com"}
        statuses = [register(form, key).status_code for _ in range(2)]

        assert statuses == [202, 202], key
        assert len(rows(app, OutboxMessage)) == number, key


def test_key_that_can_be_guessed_is_rejected_without_a_user(app, client):
    """Clients share a network: one that knows the key of a request gets its response."""
    form = {"email": "ada@example.com"}

    for key in ("1", "login", "k" * 21):
        responses = [client.post("/auth/login/link", form, headers=headers(key)) for _ in range(2)]

        problems = [read_problem(response) for response in responses]
        assert problems == [(422, "idempotency_key_too_short")] * 2, key
    assert rows(app, OutboxMessage) == rows(app, IdempotencyKey) == []


def test_key_of_a_rejected_request_can_be_used_again(app, register):
    rejected = [register({**ADA, "password": "short"}), register({"email": "nonsense"})]

    response = register(ADA)

    assert [each.status_code for each in rejected] == [422, 422]
    assert response.status_code == 202
    assert len(rows(app, OutboxMessage)) == 1


def test_failed_request_leaves_neither_its_effect_nor_its_key(app, register):
    with app.app_context():
        db.session.execute(sa.text(f"ALTER TABLE {AuditEvent.__tablename__} RENAME TO lost"))
        db.session.commit()

    response = register()

    assert response.status_code >= 500
    assert rows(app, IdempotencyKey) == rows(app, OutboxMessage) == []
    with app.app_context():
        db.session.execute(sa.text(f"ALTER TABLE lost RENAME TO {AuditEvent.__tablename__}"))
        db.session.commit()
    assert register().status_code == 202
    assert len(rows(app, OutboxMessage)) == 1


def test_effect_is_rolled_back_when_the_key_cannot_be_stored(app, register):
    with app.app_context():
        db.session.execute(sa.text("ALTER TABLE idempotency_keys RENAME COLUMN status TO lost"))
        db.session.commit()

    response = register()

    assert response.status_code >= 500
    assert rows(app, OutboxMessage) == rows(app, OneTimeCode) == []


def test_parallel_requests_have_one_effect_and_the_same_response(app, client):
    send = partial(app.test_client().post, REGISTER, json=ADA, headers=headers())

    responses = run_in_parallel(*[send] * 20)
    repeated = client.post(REGISTER, ADA, headers=headers())

    successful = [response for response in responses if response.status_code == 202]
    other_codes = {response.json["code"] for response in responses if response.status_code != 202}
    assert {response.data for response in successful} == {repeated.data}
    assert other_codes <= {"service_busy", "service_unavailable"}
    assert len(successful) >= 2
    assert len(rows(app, OutboxMessage)) == len(rows(app, OneTimeCode)) == 1
    assert len(rows(app, IdempotencyKey)) == 1
    assert len(audited(app, "registration.requested")) == 1


def test_parallel_bodies_with_one_key_have_one_effect(app):
    forms = [{**ADA, "email": f"user{number}@example.com"} for number in range(20)]
    sends = [
        partial(app.test_client().post, REGISTER, json=form, headers=headers()) for form in forms
    ]

    responses = run_in_parallel(*sends)

    codes = [response.json.get("code") for response in responses]
    assert codes.count(None) == 1
    reused = {"idempotency_key_reused", "service_busy", "service_unavailable", None}
    assert set(codes) <= reused
    assert len(rows(app, OutboxMessage)) == 1


@pytest.mark.settings(GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="true")
def test_repeated_request_does_not_conflict_with_its_own_effect(register):
    form = {**ADA, "username": "ada"}

    responses = [register(form), register(form)]

    assert [response.status_code for response in responses] == [202, 202]


def test_key_expires_after_a_day_even_before_it_is_purged(app, register):
    register()

    with advance_clock(hours=23):
        register()
        before = len(rows(app, OutboxMessage))
    with advance_clock(hours=25):
        register(BOB)

        assert before == 1
        assert len(rows(app, OutboxMessage)) == 2
        assert len(rows(app, IdempotencyKey)) == 1


def test_expired_keys_are_purged(app, register):
    register()

    with advance_clock(hours=25), app.app_context():
        cleanup.run_cleanup()

    assert rows(app, IdempotencyKey) == []


def test_stored_row_does_not_contain_key_body_or_email(app, register):
    register(key="a-long-enough-key-of-ada")

    [row] = rows(app, IdempotencyKey)
    body = app.json.dumps(ADA)
    stored = repr(vars(row))
    for secret in ("a-long-enough-key-of-ada", "ada@example.com", PASSWORD):
        assert secret not in stored
    with app.app_context():  # a stolen database and the secret keys are not enough to try passwords
        digest_of_body = crypto.keyed_digest("idempotency body", body)
    assert row.body_digest not in {digest_of_body, crypto.digest(body)}


def test_response_with_a_key_is_the_same_for_known_and_unknown_emails(client, register):
    client.sign_up(User("ada@example.com"))

    responses = [register(form, key) for form in (ADA, BOB) for key in (KEY + form["email"],) * 2]

    known, known_again, unknown, unknown_again = [response.data for response in responses]
    assert (known, unknown) == (known_again, unknown_again)
    assert known != unknown  # the token
    assert {(response.status_code, len(response.data)) for response in responses} == {(202, 102)}
