"""GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL, on and off."""

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import User
from tests.client import PASSWORD
from tests.rows import audited, rows

ADA = "ada@example.com"
MALLORY_PASSWORD = "mallory chose this phrase"


def log_in(client, password=PASSWORD):
    response = client.post("/auth/login", {"identifier": ADA, "password": password})
    return response.status_code, response.json.get("code")


@pytest.mark.settings(GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="true")
def test_allow_unverified_email_creates_the_account_immediately(app, client):
    client.register(ADA)

    assert log_in(client) == (200, None)
    assert [user.email_verified_at for user in rows(app, User)] == [None]


@pytest.mark.settings(GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="false")
def test_allow_unverified_email_off_creates_no_account_before_verification(app, client):
    client.register(ADA)

    assert log_in(client) == (401, "invalid_credentials")
    assert rows(app, User) == []


@pytest.mark.stores
@pytest.mark.settings(GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="true")
def test_allow_unverified_email_lets_users_verify_later(app, client):
    client.register(ADA)

    assert client.verify(ADA).status_code == 200

    [user] = rows(app, User)
    assert user.email_verified_at is not None
    assert log_in(client) == (200, None)


@pytest.mark.settings(GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="true")
def test_allow_unverified_email_keeps_the_account_of_the_first_registration(app, client):
    client.register(ADA)
    client.register(ADA, MALLORY_PASSWORD)

    assert len(rows(app, User)) == 1
    assert (log_in(client)[0], log_in(client, MALLORY_PASSWORD)[0]) == (200, 401)


@pytest.mark.stores
def test_login_discloses_an_unverified_email_only_after_the_correct_password(
    app, client, make_user
):
    user = make_user(email=ADA)
    with app.app_context():
        db.session.execute(sa.update(User).values(email_verified_at=None))
        db.session.commit()

    right, wrong = log_in(client), log_in(client, MALLORY_PASSWORD)

    assert (right, wrong) == ((403, "email_unverified"), (401, "invalid_credentials"))
    assert user.tokens == {}
    assert [event.details["code"] for event in audited(app, "login.refused")] == [
        "email_unverified"
    ]
