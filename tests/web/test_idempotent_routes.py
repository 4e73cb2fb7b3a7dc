"""`@idempotent` routes with a token in the response or an authenticated user."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import jsonify

from gatehouse.core import crypto
from gatehouse.core.errors import ApiError
from gatehouse.database.session import commits, db, write_transaction
from gatehouse.messaging import outbox
from gatehouse.messaging.message import MessageRequest
from gatehouse.web import idempotency
from gatehouse.web.idempotency import idempotent
from gatehouse.web.request_context import NO_REQUEST
from models import IdempotencyKey, OutboxMessage
from tests.rows import rows
from tests.web.test_idempotency import REGISTER, headers

pytestmark = pytest.mark.stores


class Caller:
    def __init__(self, sub):
        self.sub = sub


@pytest.fixture
def send_to_route(app):
    """Return a function that calls a route which returns a new token each time it is executed."""

    def send(caller="ada", key="key-1", secrets=("login_token",), action=None):
        @commits
        @idempotent(*secrets)
        def route(_caller):
            (action or enqueue_message)()
            return jsonify(status="sent", login_token=crypto.random_token())

        request_headers = headers(key) if key else {}
        with app.test_request_context(
            "/", method="POST", json={}, headers=request_headers
        ) as context:
            context.request.environ["gatehouse.request_id"] = "1"
            return route(Caller(caller)).json

    return send


def enqueue_message():
    with write_transaction():
        variables = {"asked": "", "address": "", "device": ""}
        outbox.put(MessageRequest("ada@example.com", "account_exists", variables), NO_REQUEST)


def test_token_in_a_response_is_repeated_and_stored_encrypted(app, send_to_route):
    first = send_to_route()

    repeated = send_to_route()

    assert repeated == first
    assert len(rows(app, OutboxMessage)) == 1
    [row] = rows(app, IdempotencyKey)
    assert first["login_token"] not in repr(vars(row))
    assert row.response["told"] == {"status": "sent"}


def test_encrypted_token_is_bound_to_its_row(app, send_to_route):
    send_to_route(key="key-1")
    send_to_route(key="key-2")
    row, other = rows(app, IdempotencyKey)
    with app.app_context():
        moved = sa.update(IdempotencyKey).where(IdempotencyKey.key == row.key)
        db.session.execute(moved.values(response=other.response))
        db.session.commit()

    rejected = 0
    for key in ("key-1", "key-2"):
        try:
            send_to_route(key=key)
        except idempotency.IdempotencyKeyReused:
            rejected += 1

    assert rejected == 1


def test_key_is_scoped_to_the_authenticated_user(send_to_route):
    first, other = send_to_route(caller="ada"), send_to_route(caller="bob")

    assert first != other
    assert send_to_route(caller="ada") == first


def test_route_that_raises_leaves_no_key(app, send_to_route):
    def raise_error():
        enqueue_message()
        raise ApiError("no")

    with pytest.raises(ApiError):
        send_to_route(action=raise_error)

    assert rows(app, IdempotencyKey) == []


def test_header_is_documented(app):
    document = app.test_client().get("/openapi.json").json
    parameters = document["components"]["parameters"]

    def find_key(path):
        references = document["paths"][path]["post"].get("parameters", [])
        found = [parameters[one["$ref"].rpartition("/")[2]] for one in references]
        return [(one["in"], one["schema"]) for one in found if one["name"] == "Idempotency-Key"]

    operation = document["paths"][REGISTER]["post"]
    schema = {"type": "string", "format": "idempotency-key", "pattern": "^[!-~]{22,64}$"}
    assert find_key(REGISTER) == [("header", schema)]
    [(_, of_a_user)] = find_key("/auth/reauthenticate/challenge")
    assert of_a_user["pattern"] == "^[!-~]{1,64}$"
    assert "idempotency_key_reused" in operation["responses"]["422"]["description"]
    assert "idempotency_key_too_short" in operation["responses"]["422"]["description"]
    assert "idempotency_key_invalid" in operation["responses"]["400"]["description"]
    assert find_key("/auth/login") == []
