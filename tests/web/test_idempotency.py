"""`Idempotency-Key`: sent again, nothing happens again, and the answer is the same."""

from __future__ import annotations

from functools import partial

import pytest
import sqlalchemy as sa
from flask import jsonify

from gatehouse.core import crypto
from gatehouse.core.errors import Refusal
from gatehouse.database.session import db, writing
from gatehouse.messaging import outbox
from gatehouse.messaging.message import Letter
from gatehouse.operations import cleanup
from gatehouse.web import idempotency
from gatehouse.web.idempotency import idempotent
from gatehouse.web.request_context import NOBODY
from models import AuditEvent, Challenge, IdempotencyKey, OutboxMessage
from tests.client import PASSWORD, User
from tests.letters import later
from tests.rows import audited, rows
from tests.surface.conftest import verdict
from tests.together import at_once

pytestmark = pytest.mark.stores

ADA = {"email": "ada@example.com", "password": PASSWORD}
BOB = {"email": "bob@example.com", "password": PASSWORD}
REGISTER = "/auth/register"


def headers(key="key-1", **more):
    return {"Idempotency-Key": key, **more}


@pytest.fixture
def register(client):
    """Register with a key: register(form, "key-1")."""

    def register(form=ADA, key="key-1", **request):
        return client.post(REGISTER, form, headers=headers(key), **request)

    return register


def test_the_same_request_with_the_same_key_acts_once_and_is_answered_the_same(app, register):
    first = register()
    before = [(row.id, row.payload) for row in rows(app, OutboxMessage)]

    again = register()

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.data == first.data
    assert list(again.headers.keys()) == list(first.headers.keys())
    assert [(row.id, row.payload) for row in rows(app, OutboxMessage)] == before
    assert len(rows(app, Challenge)) == 1
    assert len(audited(app, "registration.requested")) == 1


def test_without_a_key_a_request_acts_each_time(app, client):
    client.register("ada@example.com")
    client.register("ada@example.com")

    assert len(rows(app, OutboxMessage)) == 2
    assert rows(app, IdempotencyKey) == []


def test_another_key_is_another_request(app, register):
    register(key="key-1")
    register(key="key-2")

    assert len(rows(app, OutboxMessage)) == 2


def test_the_same_key_with_another_body_is_refused_and_does_nothing(app, register):
    register(ADA)

    answer = register(BOB)

    assert verdict(answer) == (422, "idempotency_key_reused")
    assert [row.recipient for row in rows(app, OutboxMessage)] == ["ada@example.com"]


@pytest.mark.settings(GATEHOUSE_TRUSTED_HOPS="1")
def test_a_stranger_elsewhere_has_keys_of_their_own(app, client):
    here, there = (headers(**{"X-Forwarded-For": each}) for each in ("192.0.2.1", "198.51.100.1"))
    client.post(REGISTER, ADA, headers=here)

    other = client.post(REGISTER, BOB, headers=there)
    same = client.post(REGISTER, ADA, headers=here)

    assert (other.status_code, same.status_code) == (202, 202)
    assert len(rows(app, OutboxMessage)) == 2


@pytest.mark.parametrize(
    "key", ["", " ", "a b", "k" * 65, "tab\there", "caf\xe9", "\x7f", "line\x0b"], ids=repr
)
def test_a_key_that_is_not_visible_ascii_is_refused_and_does_nothing(app, register, key):
    answer = register(key=key)

    assert answer.status_code == 400
    assert answer.json["code"] in {"idempotency_key_invalid", "malformed_request"}
    assert rows(app, OutboxMessage) == []


@pytest.mark.parametrize("key", ["!", "~" * 64, "8e03978e-40d5-43dd-bc93-6894a57f9324", '"a,b"'])
def test_a_key_of_visible_ascii_is_taken(app, register, key):
    assert [register(key=key).status_code for _ in range(2)] == [202, 202]

    assert len(rows(app, OutboxMessage)) == 1


def test_a_refused_request_does_not_burn_its_key(app, register):
    refused = [register({**ADA, "password": "short"}), register({"email": "nonsense"})]

    answer = register(ADA)

    assert [one.status_code for one in refused] == [422, 422]
    assert answer.status_code == 202
    assert len(rows(app, OutboxMessage)) == 1


def test_a_request_that_failed_inside_leaves_neither_its_effect_nor_its_key(app, register):
    with app.app_context():
        db.session.execute(sa.text(f"ALTER TABLE {AuditEvent.__tablename__} RENAME TO lost"))
        db.session.commit()

    answer = register()

    assert answer.status_code >= 500
    assert rows(app, IdempotencyKey) == rows(app, OutboxMessage) == []
    with app.app_context():
        db.session.execute(sa.text(f"ALTER TABLE lost RENAME TO {AuditEvent.__tablename__}"))
        db.session.commit()
    assert register().status_code == 202
    assert len(rows(app, OutboxMessage)) == 1


def test_a_key_that_cannot_be_kept_undoes_the_effect(app, register):
    with app.app_context():
        db.session.execute(sa.text("ALTER TABLE idempotency_keys RENAME COLUMN status TO lost"))
        db.session.commit()

    answer = register()

    assert answer.status_code >= 500
    assert rows(app, OutboxMessage) == rows(app, Challenge) == []


def test_of_twenty_at_once_one_acts_and_all_get_its_answer(app, client):
    send = partial(app.test_client().post, REGISTER, json=ADA, headers=headers())

    answers = at_once(*[send] * 20)
    repeated = client.post(REGISTER, ADA, headers=headers())

    done = [answer for answer in answers if answer.status_code == 202]
    busy = {answer.json["code"] for answer in answers if answer.status_code != 202}
    assert {answer.data for answer in done} == {repeated.data}
    assert busy <= {"service_busy", "service_unavailable"}
    assert len(done) >= 2
    assert len(rows(app, OutboxMessage)) == len(rows(app, Challenge)) == 1
    assert len(rows(app, IdempotencyKey)) == 1
    assert len(audited(app, "registration.requested")) == 1


def test_of_twenty_bodies_with_one_key_at_once_one_acts(app):
    forms = [{**ADA, "email": f"person{number}@example.com"} for number in range(20)]
    sends = [
        partial(app.test_client().post, REGISTER, json=form, headers=headers()) for form in forms
    ]

    answers = at_once(*sends)

    codes = [answer.json.get("code") for answer in answers]
    assert codes.count(None) == 1
    reused = {"idempotency_key_reused", "service_busy", "service_unavailable", None}
    assert set(codes) <= reused
    assert len(rows(app, OutboxMessage)) == 1


@pytest.mark.settings(GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="true")
def test_a_repeat_is_not_refused_for_what_the_first_one_did(register):
    form = {**ADA, "username": "ada"}

    answers = [register(form), register(form)]

    assert [answer.status_code for answer in answers] == [202, 202]


def test_after_a_day_a_key_is_free_again_even_before_it_is_purged(app, register):
    register()

    with later(hours=23):
        register()
        before = len(rows(app, OutboxMessage))
    with later(hours=25):
        register(BOB)

        assert before == 1
        assert len(rows(app, OutboxMessage)) == 2
        assert len(rows(app, IdempotencyKey)) == 1


def test_old_keys_are_deleted(app, register):
    register()

    with later(hours=25), app.app_context():
        cleanup.purge()

    assert rows(app, IdempotencyKey) == []


def test_neither_the_key_nor_the_body_nor_the_address_can_be_read_in_the_database(app, register):
    register(key="a-key-of-ada")

    [row] = rows(app, IdempotencyKey)
    body = app.json.dumps(ADA)
    stored = repr(vars(row))
    for secret in ("a-key-of-ada", "ada@example.com", PASSWORD):
        assert secret not in stored
    with app.app_context():  # a stolen database and the secret keys are not enough to try passwords
        tried = crypto.keyed_digest("idempotency body", body)
    assert row.body_digest not in {tried, crypto.digest(body)}


def test_known_and_unknown_addresses_are_answered_alike_with_a_key(client, register):
    client.sign_up(User("ada@example.com"))

    answers = [register(form, key) for form in (ADA, BOB) for key in (form["email"],) * 2]

    assert len({(answer.status_code, answer.data) for answer in answers}) == 1


# Routes that other rooms have: a token in the answer, somebody signed in


class Caller:
    def __init__(self, sub):
        self.sub = sub


@pytest.fixture
def answering(app):
    """Send a request to a route that answers with a new token each time it acts."""

    def send(caller="ada", key="key-1", secrets=("login_token",), act=None):
        @idempotent(*secrets)
        def route(_caller):
            (act or put)()
            return jsonify(status="sent", login_token=crypto.token())

        told = headers(key) if key else {}
        with app.test_request_context("/", method="POST", json={}, headers=told) as context:
            context.request.environ["gatehouse.request_id"] = "1"
            return route(Caller(caller)).json

    return send


def put():
    with writing():
        variables = {"asked": "", "address": "", "device": ""}
        outbox.put(Letter("ada@example.com", "account_exists", variables), NOBODY)


def test_a_token_in_an_answer_is_repeated_and_is_not_stored_in_clear(app, answering):
    first = answering()

    again = answering()

    assert again == first
    assert len(rows(app, OutboxMessage)) == 1
    [row] = rows(app, IdempotencyKey)
    assert first["login_token"] not in repr(vars(row))
    assert row.answer["told"] == {"status": "sent"}


def test_a_sealed_token_opens_in_its_own_row_only(app, answering):
    answering(key="key-1")
    answering(key="key-2")
    one, other = rows(app, IdempotencyKey)
    with app.app_context():
        moved = sa.update(IdempotencyKey).where(IdempotencyKey.key == one.key)
        db.session.execute(moved.values(answer=other.answer))
        db.session.commit()

    refused = 0
    for key in ("key-1", "key-2"):
        try:
            answering(key=key)
        except idempotency.IdempotencyKeyReused:
            refused += 1

    assert refused == 1


def test_people_who_are_signed_in_have_keys_of_their_own(answering):
    adas, bobs = answering(caller="ada"), answering(caller="bob")

    assert adas != bobs
    assert answering(caller="ada") == adas


@pytest.mark.parametrize("key", ["key-1", None])
def test_a_route_that_commits_itself_is_told_so(answering, key):
    def act():
        put()
        db.session.commit()

    with pytest.raises(RuntimeError, match="leaves its commit"):
        answering(key=key, act=act)


def test_a_route_that_refuses_leaves_no_key(app, answering):
    def refuse():
        put()
        raise Refusal("no")

    with pytest.raises(Refusal):
        answering(act=refuse)

    assert rows(app, IdempotencyKey) == []


def test_the_document_tells_of_the_header(app):
    document = app.test_client().get("/openapi.json").json

    operation = document["paths"][REGISTER]["post"]
    [parameter] = operation["parameters"]
    assert (parameter["name"], parameter["in"]) == ("Idempotency-Key", "header")
    assert "idempotency_key_reused" in operation["responses"]["422"]["description"]
    assert "idempotency_key_invalid" in operation["responses"]["400"]["description"]
    assert "parameters" not in document["paths"]["/auth/login"]["post"]
