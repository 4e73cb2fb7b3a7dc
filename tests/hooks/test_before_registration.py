"""Hooks before a registration: by every way to an account, alike for known e-mail addresses."""

from __future__ import annotations

import pytest

from gatehouse.database.session import db
from models import OneTimeCode, OutboxMessage, Password, User
from tests.client import PASSWORD
from tests.hooks.receiver import DENY, is_signed
from tests.mail_links import read_link_token, read_mail
from tests.mfa.passkey_sign_up import PasskeyApplicant
from tests.rows import audited, rows

pytestmark = pytest.mark.usefixtures("patience")
BOB, ADA = "bob@example.com", "ada@example.com"
DENIED = (403, "registration_denied")
PENDING = (202, "verification_required")


def outcome(response):
    body = response.json if response.data else {}
    return response.status_code, body.get("code", body.get("status"))


def without(members, *names):
    return {name: value for name, value in members.items() if name not in ("request_id", *names)}


def register(client, email=BOB, **more):
    return client.post("/auth/register", {"email": email, "password": PASSWORD, **more})


@pytest.fixture
def invite(app, client):
    """Accept an invitation of an e-mail address."""

    def accept(email):
        app.test_cli_runner().invoke(args=["users", "invite", email])
        form = {"token": read_link_token(client, email), "password": PASSWORD}
        return client.post("/auth/invitation", form)

    return accept


def test_registration_is_asked_about_by_every_way(app, client, invite, receiver, create_hook):
    secret = create_hook("before_registration")

    assert outcome(register(client, name="Bob", locale="de")) == PENDING
    assert outcome(PasskeyApplicant(client, "kay@example.com").register()) == PENDING
    assert outcome(invite("eve@example.com")) == (204, None)

    found = [(one["data"]["method"], one["data"]["email"]) for one in receiver.received]
    assert found == [
        ("password", BOB),
        ("passkey", "kay@example.com"),
        ("invitation", "eve@example.com"),
    ]
    assert receiver.received[0]["data"]["profile"] == {
        "name": "Bob",
        "locale": "de",
        "attributes": {},
    }
    assert all(
        is_signed(headers, body, secret)
        for headers, body in zip(receiver.headers, receiver.bodies, strict=True)
    )
    assert PASSWORD.encode() not in b"".join(receiver.bodies)


def test_registration_is_denied_by_every_way(app, client, invite, receiver, create_hook):
    create_hook("before_registration")
    receiver.answer = DENY

    responses = [
        register(client),
        PasskeyApplicant(client, "kay@example.com").register(),
        invite("eve@example.com"),
    ]

    assert [outcome(response) for response in responses] == [DENIED] * 3
    assert {response.json["detail"] for response in responses} == {DENY["message"]}
    assert rows(app, User) == []
    assert {row.purpose for row in rows(app, OneTimeCode)} <= {"invite", "passkey_sign_up"}
    assert [row.template for row in rows(app, OutboxMessage)] == ["invitation"]
    assert len(audited(app, "hook.denied")) == 3


def test_registration_denied_once_leaves_the_invitation_valid(
    app, client, invite, receiver, create_hook
):
    create_hook("before_registration")
    receiver.answer = DENY
    invite("eve@example.com")
    receiver.reset()

    form = {"token": read_link_token(client, "eve@example.com"), "password": PASSWORD}
    assert outcome(client.post("/auth/invitation", form)) == (204, None)


def test_user_created_by_an_administrator_is_asked_about_when_the_invitation_is_accepted(
    app, client, sign_in_as, receiver, create_hook
):
    admin = sign_in_as("admin", email="root@example.com")
    create_hook("before_registration")
    created = admin.post("/admin/users", {"email": BOB})
    assert (created.status_code, receiver.received) == (201, [])

    receiver.answer = DENY
    form = {"token": read_link_token(client, BOB), "password": PASSWORD}
    assert outcome(client.post("/auth/invitation", form)) == DENIED

    [bob] = rows(app, User, email_canonical=BOB)
    assert not [row for row in rows(app, Password) if row.user_id == bob.id]


@pytest.mark.requirement("RL-07")
def test_registration_hook_sees_and_decides_alike_for_known_and_unknown_addresses(
    app, client, make_user, receiver, create_hook
):
    make_user(email=ADA)
    create_hook("before_registration")

    for answer, expected in ((DENY, DENIED), ({"decision": "allow"}, PENDING)):
        receiver.reset()
        receiver.answer = answer
        known, unknown = register(client, ADA), register(client, BOB)
        assert outcome(known) == outcome(unknown) == expected
        assert without(known.json, "registration_token") == without(
            unknown.json, "registration_token"
        )
        first, second = [without(one["data"], "email") for one in receiver.received]
        assert first == second


def test_registration_is_not_asked_about_again_when_the_address_is_verified(
    app, client, receiver, create_hook
):
    create_hook("before_registration")
    token = register(client).json["registration_token"]
    receiver.answer = DENY
    form = {"email": BOB, "registration_token": token, "code": read_mail(client, BOB)["code"]}

    assert outcome(client.post("/auth/email/verify", form)) == (200, "verified")
    assert len(receiver.received) == 1


def test_registration_that_is_not_valid_asks_no_hook(client, make_user, receiver, create_hook):
    make_user(email=ADA, username="ada")
    create_hook("before_registration")

    for form in ({"password": "short"}, {"username": "ada"}, {"email": "x"}):
        assert register(client, **{"email": BOB, **form}).status_code in (409, 422)
    assert receiver.received == []


@pytest.mark.stores
def test_registration_hook_is_asked_while_no_transaction_is_open(
    app, client, invite, receiver, create_hook
):
    create_hook("before_registration")
    in_use = []

    def look():
        with app.app_context():
            in_use.append(sum(engine.pool.checkedout() for engine in db.engines.values()))
        receiver.released.set()
        return receiver.wait()

    receiver.answer = look
    key = {"Idempotency-Key": "0123456789-of-bob-0123456789"}
    form = {"email": BOB, "password": PASSWORD}
    responses = [
        client.post("/auth/register", form, headers=key),
        PasskeyApplicant(client, "kay@example.com").register(),
        invite("eve@example.com"),
    ]

    assert [response.status_code for response in responses] == [202, 202, 204]
    assert in_use == [0, 0, 0]
