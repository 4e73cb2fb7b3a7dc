"""Taking ownership of an account whose e-mail address was never verified, as after an import.

The account may have been created with the address of another user. So its first verification
removes what was set before: password, factors, number, sessions, devices and pending codes.
"""

import pytest
import sqlalchemy as sa

from gatehouse.authorization import roles
from gatehouse.database.session import db, write_transaction
from models import Credential, Device, OneTimeCode, Session, User
from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    NUMBER,
    log_in,
    read_messages,
    request_reset,
    request_reset_mail,
    reset_password,
    status_and_code,
    verify_phone,
)
from tests.client import User as ClientUser
from tests.mail_links import token_of
from tests.rows import audited, rows
from tests.user_accounts import create_user

pytestmark = pytest.mark.stores

MALLORY, MALLORY_PASSWORD = "mallory@example.com", "mallory chose this phrase"


@pytest.fixture
def mallory(app, client):
    """An attacker with a number, a pending e-mail change, a factor and a pending MFA reset."""
    user = create_user(app, ClientUser(MALLORY, MALLORY_PASSWORD))
    verify_phone(client, client.log_in(user))
    client.as_(user.tokens).post("/auth/email/change", {"email": NEW_ADDRESS})
    client.enrol_totp(user)
    app.test_cli_runner().invoke(args=["users", "reset-mfa", MALLORY])
    return user


def give_address(app):
    """Set Ada's e-mail address, unverified, in Mallory's account, as an import could."""
    values = {"email": ADA, "email_canonical": ADA, "email_verified_at": None}
    with app.app_context():
        statement = sa.update(User).where(User.email == MALLORY)
        db.session.execute(statement.values(values))
        db.session.commit()


def verify_by_reset(app, client, way):
    """Verify the address by password reset."""
    give_address(app)
    mail = request_reset_mail(client)
    credentials = (
        {"token": mail["token"]} if way == "link" else {"email": ADA, "code": mail["code"]}
    )
    assert reset_password(client, **credentials).status_code == 204


def verify_by_registration(app, client, way):
    """Verify the address by a registration that was pending when the account was imported."""
    client.register(ADA, NEW)
    give_address(app)
    mail = read_messages(client, ADA, "verify_email")[0]
    form = {"email": ADA, "code": mail["code"], "password": NEW}
    if way == "link":
        form = {"token": token_of(mail["link"]), "password": NEW}
    assert status_and_code(client.post("/auth/email/verify", form)) == (200, "verified")


WAYS = [
    (verify, way)
    for verify in (verify_by_reset, verify_by_registration)
    for way in ("link", "code")
]


@pytest.mark.parametrize(("verify", "way"), WAYS)
def test_take_ownership_removes_everything_that_was_set_before(app, client, mallory, verify, way):
    tokens = mallory.tokens
    code = read_messages(client, NEW_ADDRESS, "email_change")[0]["code"]

    verify(app, client, way)

    [user] = rows(app, User)
    assert (user.phone, user.phone_verified_at) == (None, None)
    assert [rows(app, table) for table in (Credential, Device, OneTimeCode)] == [[], [], []]
    assert all(session.ended_at for session in rows(app, Session))
    assert status_and_code(client.as_(tokens).get("/auth/me")) == (401, "token_revoked")
    assert status_and_code(client.refresh(tokens)) == (401, "session_ended")
    assert [
        log_in(client, identifier, MALLORY_PASSWORD) for identifier in (ADA, NUMBER, MALLORY)
    ] == [401] * 3
    form = {"email": NEW_ADDRESS, "code": code, "password": MALLORY_PASSWORD}
    late = client.post("/auth/email/verify", form)
    assert status_and_code(late) == (401, "invalid_code")


@pytest.mark.parametrize(("verify", "way"), WAYS)
def test_take_ownership_lets_the_owner_sign_in_with_the_new_password(
    app, client, mallory, verify, way
):
    verify(app, client, way)

    response = client.post("/auth/login", {"identifier": ADA, "password": NEW})

    assert (response.status_code, response.json["status"]) == (200, "authenticated")
    assert response.json["user"]["email_verified"]
    assert len(audited(app, "account.ownership_verified")) == 1


def test_take_ownership_is_needed_before_any_login(app, client, mallory):
    give_address(app)

    response = client.post("/auth/login", {"identifier": ADA, "password": MALLORY_PASSWORD})
    request_reset(client, phone=NUMBER)
    code = read_messages(client, NUMBER, "sms_reset")[0]["code"]
    by_sms = reset_password(client, phone=NUMBER, code=code)
    again = client.post("/auth/login", {"identifier": ADA, "password": NEW})

    assert status_and_code(response) == status_and_code(again) == (403, "email_unverified")
    assert by_sms.status_code == 204
    assert rows(app, User)[0].email_verified_at is None


def test_take_ownership_keeps_roles(app, client, mallory):
    with app.app_context():
        with write_transaction():
            roles.assign_role(rows(app, User)[0].id, "admin")
        db.session.commit()

    verify_by_reset(app, client, "link")

    response = client.post("/auth/login", {"identifier": ADA, "password": NEW})
    assert response.json["user"]["roles"] == ["admin", "user"]


@pytest.mark.requirement("RG-03")
def test_take_ownership_does_not_apply_to_verified_accounts(app, client, mallory):
    reset_password(client, token=request_reset_mail(client, MALLORY)["token"])

    response = client.post("/auth/login", {"identifier": MALLORY, "password": NEW})

    assert response.json["status"] == "mfa_required"
    assert rows(app, User)[0].phone == NUMBER
    assert audited(app, "account.ownership_verified") == []
