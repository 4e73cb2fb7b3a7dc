"""GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL, on and off; production refuses to start with it."""

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import User
from tests.client import PASSWORD
from tests.rows import audited, rows

ADA = "ada@example.com"
HIS = "mallory chose this phrase"


def log_in(client, password=PASSWORD):
    answer = client.post("/auth/login", {"identifier": ADA, "password": password})
    return answer.status_code, answer.json.get("code")


@pytest.mark.settings(GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="true")
def test_switched_on_a_registration_is_an_account_at_once(app, client):
    client.register(ADA)

    assert log_in(client) == (200, None)
    assert [user.email_verified_at for user in rows(app, User)] == [None]


@pytest.mark.settings(GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="false")
def test_switched_off_a_registration_is_none_before_its_proof(app, client):
    client.register(ADA)

    assert log_in(client) == (401, "invalid_credentials")
    assert rows(app, User) == []


@pytest.mark.stores
@pytest.mark.settings(GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="true")
def test_switched_on_the_address_can_be_proved_later(app, client):
    client.register(ADA)

    assert client.verify(ADA).status_code == 200

    [user] = rows(app, User)
    assert user.email_verified_at is not None
    assert log_in(client) == (200, None)


@pytest.mark.settings(GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="true")
def test_switched_on_who_registers_first_keeps_the_account(app, client):
    client.register(ADA)
    client.register(ADA, HIS)

    assert len(rows(app, User)) == 1
    assert (log_in(client)[0], log_in(client, HIS)[0]) == (200, 401)


@pytest.mark.stores
def test_that_an_address_is_unproved_is_told_after_the_right_password_only(app, client, make_user):
    user = make_user(email=ADA)
    with app.app_context():
        db.session.execute(sa.update(User).values(email_verified_at=None))
        db.session.commit()

    right, wrong = log_in(client), log_in(client, HIS)

    assert (right, wrong) == ((403, "email_unverified"), (401, "invalid_credentials"))
    assert user.tokens == {}
    assert [event.details["code"] for event in audited(app, "login.refused")] == [
        "email_unverified"
    ]
